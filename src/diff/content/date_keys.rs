//! What the key or the words before a date say of it: whether something was made then, or is planned, or ends.

/// So much before a date says what it is of.
const CONTEXT: usize = 96;

/// Words of a key after which a date is not the time of a build, whatever else the key says: it is one that is planned, or
/// one at which something begins or ends.
pub(super) const ENDS: [&str; 51] = [
    "expires",
    "expire",
    "expired",
    "expiry",
    "expiration",
    "exp",
    "until",
    "after",
    "before",
    "notafter",
    "notbefore",
    "valid",
    "validity",
    "deadline",
    "eol",
    "eos",
    "newer",
    "older",
    "nbf",
    "cutoff",
    "born",
    "birthday",
    "birth",
    "start",
    "starts",
    "begin",
    "begins",
    "end",
    "ends",
    "stop",
    "from",
    "to",
    "since",
    "due",
    "schedule",
    "scheduled",
    "cron",
    "next",
    "effective",
    "renew",
    "renewal",
    "retire",
    "retired",
    "retirement",
    "sunset",
    "support",
    "embargo",
    "event",
    "holiday",
    "maintenance",
    "expiring",
];
/// Words of a key whose value is a name, unless the key says that it is a time.
pub(super) const NAMES: [&str; 22] = [
    "version", "versions", "ver", "tag", "tags", "rev", "revision", "release", "name", "id", "image", "snapshot",
    "branch", "ref", "path", "file", "url", "uri", "sha", "digest", "hash", "checksum",
];
/// Words of a key that say that a number is a time.
pub(super) const TIMES: [&str; 31] = [
    "time",
    "times",
    "timestamp",
    "timestamps",
    "date",
    "dates",
    "datetime",
    "created",
    "built",
    "at",
    "epoch",
    "mtime",
    "ctime",
    "atime",
    "modified",
    "updated",
    "generated",
    "installed",
    "validated",
    "checked",
    "fetched",
    "pruned",
    "published",
    "lastmodified",
    "lastupdated",
    "buildtime",
    "builddate",
    "createdat",
    "updatedat",
    "mtimems",
    "installtime",
];
/// More words of a key that say that a date is the time at which something was made.
pub(super) const MADE: [&str; 36] = [
    "build",
    "builds",
    "buildstamp",
    "buildon",
    "compile",
    "compiled",
    "compilation",
    "packaged",
    "packed",
    "assembled",
    "produced",
    "collected",
    "written",
    "saved",
    "recorded",
    "made",
    "exported",
    "imported",
    "downloaded",
    "retrieved",
    "refreshed",
    "synced",
    "registered",
    "scanned",
    "analyzed",
    "changed",
    "edited",
    "revised",
    "signed",
    "started",
    "finished",
    "completed",
    "today",
    "tstamp",
    "dstamp",
    "stamp",
];
/// How the lines of manual pages begin that say of which day the page is.
const OF_MANUALS: [&[u8]; 2] = [b".TH ", b".Dd "];
/// Words of a key that say that a number is something else, a length of time for example.
pub(super) const AMOUNTS: [&str; 16] = [
    "timeout", "limit", "max", "min", "interval", "duration", "ttl", "age", "number", "count", "size", "port", "id",
    "offset", "length", "seed",
];
/// Words of a key for the part of a time that is less than a second.
pub(super) const FRACTIONS: [&str; 6] = ["nanos", "nsec", "nsecs", "nanoseconds", "nanosecond", "nano"];

/// Do the key, or the words before a day in its line, say that something was made on it?
pub(super) fn names_making(line: &[u8], is_key: bool, key: Vec<String>) -> bool {
    let words = if is_key { key } else { all_words(line) };
    let is_making = |word: &String| word != "at" && (TIMES.contains(&word.as_str()) || MADE.contains(&word.as_str()));
    words.iter().any(is_making) || OF_MANUALS.iter().any(|start| line.starts_with(start))
}

pub(super) fn has_any(words: &[String], list: &[&str]) -> bool {
    words.iter().any(|word| list.contains(&word.as_str()))
}

/// What is before a date in its line, or in its member of a list.
pub(super) fn context(before: &[u8], is_number: bool) -> &[u8] {
    let before = before.get(before.len().saturating_sub(CONTEXT)..).unwrap_or(before);
    let mut from = 0;
    let mut last = b' ';
    for (at, byte) in before.iter().enumerate() {
        let is_cut = match byte {
            // `"timestamp": {"secs": …`: the member around it says what it is.
            b'{' => !is_number,
            b'\n' => !is_number || !matches!(last, b'{' | b'[' | b':'),
            b',' | b';' | b'|' | b'}' => true,
            _ => false,
        };
        if is_cut {
            from = at + 1;
        }
        if !byte.is_ascii_whitespace() {
            last = *byte;
        }
    }
    before.get(from..).unwrap_or_default()
}

/// The last words before a date, of a key more than of a sentence, and whether it is a key.
pub(super) fn words(context: &[u8], is_number: bool) -> (Vec<String>, bool) {
    let mut words = all_words(context);
    let is_open = |byte: &u8| byte.is_ascii_whitespace() || b"\"'([{".contains(byte);
    let end = context.iter().rposition(|byte| !is_open(byte));
    let is_key = match end.and_then(|at| context.get(at)) {
        Some(b':' | b'=') => true,
        // The end of a tag; a mail address is before a blank.
        Some(b'>') => !context.last().is_some_and(u8::is_ascii_whitespace),
        _ => false,
    } && !words.is_empty();
    let skipped = words.len().saturating_sub(if is_number || is_key { 4 } else { 2 });
    words.drain(..skipped);
    (words, is_key)
}

fn all_words(context: &[u8]) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for byte in context {
        let is_new = !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() && was_lower;
        if is_new && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| byte.is_ascii_alphabetic()) {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        was_lower = byte.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    // `secs_since_epoch` is how a time is counted, not when something begins.
    if let Some(at) = words.windows(2).position(|two| two == ["since", "epoch"]) {
        words.remove(at);
    }
    words
}

/// The key before a date, for people.
pub(super) fn key(before: &[u8]) -> String {
    let context = context(before, false);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    let key = context.iter().position(|byte| b":=".contains(byte)).and_then(|at| context.get(..at)).unwrap_or_default();
    let key = key.trim_ascii_end();
    let key = key.strip_suffix(b"\"").unwrap_or(key);
    let start = key.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
    String::from_utf8_lossy(key.get(start..).unwrap_or_default()).into_owned()
}
