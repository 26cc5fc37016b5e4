//! Pure: the log, replayed. Each line holds the digest of the one before, so that no line can be changed, left out or
//! put in without changing the last one.

use super::entry::Entry;
use super::head::Head;
use crate::digest::Digest;
use crate::document::strict;
use crate::error::{Error, Result, quoted};
use crate::statement::{time_of, time_text};

/// The file.
pub(super) const FILE: &str = "log.jsonl";
/// It has at most so many bytes.
pub(super) const MAX: u64 = 256 << 20;
/// A line has at most so many.
const LINE_MAX: usize = 16 << 10;

/// A log that was replayed.
#[derive(Debug, Default)]
pub struct Log {
    /// Its lines.
    pub lines: Vec<Line>,
    /// So many bytes come after the last newline: a line that was cut off while it was written.
    pub torn: usize,
}

/// A line, and what does not hold of it.
#[derive(Debug)]
pub struct Line {
    /// Its digest.
    pub digest: Digest,
    /// What it says, if it is a line of a log.
    pub entry: Option<Entry>,
    /// What does not hold.
    pub problems: Vec<String>,
}

impl Log {
    /// Replays a log.
    pub fn replay(bytes: &[u8]) -> Self {
        let mut log = Self::default();
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            let (number, prev) = (log.lines.len() as u64 + 1, log.lines.last().map(|line| line.digest));
            log.lines.push(replay(line, number, prev));
        }
        log.torn = rest.len();
        log
    }

    /// The head that it should have; `None` where nothing is in it.
    pub fn head(&self) -> Option<Head> {
        self.lines.last().map(|line| Head { seq: self.lines.len() as u64, line: line.digest })
    }

    /// Was this its head once?
    pub fn holds(&self, head: &Head) -> bool {
        let at = usize::try_from(head.seq).ok().and_then(|seq| seq.checked_sub(1));
        at.and_then(|at| self.lines.get(at)).is_some_and(|line| line.digest == head.line)
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// If anything does not hold of one of its lines.
    pub fn sound(self) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(self.lines.len());
        for (number, line) in self.lines.into_iter().enumerate() {
            let at = || format!("line {}", number + 1);
            if let Some(problem) = line.problems.first() {
                return Err(Error::refused(problem.clone()).in_blob(FILE).at_entry(at()));
            }
            entries.push(line.entry.ok_or_else(|| Error::missing("entry").in_blob(FILE).at_entry(at()))?);
        }
        Ok(entries)
    }
}

/// The line of an entry, without a newline. It is read back as a reader of the log would, so that no line is written that
/// does not hold.
///
/// # Errors
///
/// If anything does not hold of it.
pub(super) fn written(entry: &Entry) -> Result<Vec<u8>> {
    let line = entry.line()?;
    let read = replay(&line, entry.seq, entry.prev);
    match read.problems.first() {
        Some(problem) => Err(Error::refused(format!("its line of the log would not hold: {problem}"))),
        None if read.entry.as_ref() == Some(entry) => Ok(line),
        None => Err(Error::refused("its line of the log would not be read back")),
    }
}

fn replay(line: &[u8], number: u64, prev: Option<Digest>) -> Line {
    let digest = Digest::sha256(line);
    let entry = match parse(line) {
        Ok(entry) => entry,
        Err(error) => return Line { digest, entry: None, problems: vec![error.to_string()] },
    };
    let mut problems = Vec::new();
    if entry.seq != number {
        problems.push(format!("seq: expected {number}, found {}", entry.seq));
    }
    if entry.prev != prev {
        let text = |digest: Option<Digest>| digest.map_or_else(|| "null".to_owned(), |digest| digest.to_string());
        problems.push(format!("prev: expected {} (the line before), found {}", text(prev), text(entry.prev)));
    }
    let time = time_of(&entry.time, "time of a line").and_then(time_text);
    if time.is_ok_and(|time| time != entry.time) {
        problems.push(format!("time: expected one in UTC and whole seconds, found {}", quoted(entry.time.as_bytes())));
    }
    match entry.expected_path() {
        Ok(path) if path == entry.path => {}
        Ok(path) => problems.push(format!("path: expected {path}, found {}", quoted(entry.path.as_bytes()))),
        Err(error) => problems.push(error.to_string()),
    }
    Line { digest, entry: Some(entry), problems }
}

/// Reads a line, which is as this version would write it, to the byte.
fn parse(line: &[u8]) -> Result<Entry> {
    if line.len() > LINE_MAX {
        return Err(Error::limit("length of a line", LINE_MAX as u64, line.len()));
    }
    let entry: Entry = strict::parse(line, "line of a log")?;
    if entry.line()? != line {
        return Err(Error::malformed("line of a log", "compact JSON, its members in their order", "something else"));
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Verdict, path};
    use super::*;

    fn log(count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut prev = None;
        for seq in 1..=count {
            let bundle = Digest::sha256(&seq.to_le_bytes());
            let entry = Entry {
                seq,
                prev,
                subject: Digest::sha256(b"s"),
                name: Some("<a>\u{202e}\n\"b".to_owned()),
                platform: None,
                verdict: Verdict::Failed,
                operator: "example-org".to_owned(),
                time: "2023-11-14T22:13:20Z".to_owned(),
                bundle,
                path: path(Digest::sha256(b"s"), "example-org", 1_700_000_000, bundle).unwrap(),
                report: None,
            };
            let line = entry.line().unwrap();
            prev = Some(Digest::sha256(&line));
            bytes.extend(line);
            bytes.push(b'\n');
        }
        bytes
    }

    fn problems(bytes: &[u8]) -> usize {
        Log::replay(bytes).lines.iter().map(|line| line.problems.len()).sum()
    }

    #[test]
    fn a_change_of_any_byte_is_seen_by_who_has_the_head() {
        let bytes = log(3);
        let head = Log::replay(&bytes).head().unwrap();
        assert_eq!((problems(&bytes), head.seq), (0, 3));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(problems(&changed) > 0 || !Log::replay(&changed).holds(&head), "byte {at}");
        }
    }

    #[test]
    fn a_line_that_is_left_out_put_in_or_moved_is_seen() {
        let bytes = log(3);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(problems(&[lines[0], lines[2]].concat()) > 0);
        assert!(problems(&[lines[1], lines[0], lines[2]].concat()) > 0);
        assert!(problems(&[lines[0], lines[0], lines[1]].concat()) > 0);
        assert!(problems(&[lines[0], b"\n", lines[1]].concat()) > 0);
        // What is cut off at its end is seen by an older head alone.
        let shorter = Log::replay(&lines[..2].concat());
        assert!(shorter.lines.iter().all(|line| line.problems.is_empty()));
        let heads: Vec<Head> = (1..=3).map(|count| Log::replay(&lines[..count].concat()).head().unwrap()).collect();
        assert!(shorter.holds(&heads[0]) && shorter.holds(&heads[1]) && !shorter.holds(&heads[2]));
        assert!(!shorter.holds(&Head { seq: 0, ..heads[0] }));
        assert_eq!(Log::replay(&bytes[..bytes.len() - 9]).torn, lines[2].len() - 9);
    }

    #[test]
    fn no_line_is_written_that_would_not_be_read_back() {
        let entry = Log::replay(&log(1)).lines.remove(0).entry.unwrap();
        assert_eq!([written(&entry).unwrap(), b"\n".to_vec()].concat(), log(1));
        for time in
            ["+10000-01-01T00:00:00Z", "-0001-12-31T00:00:00Z", "2023-11-14T22:13:20.5Z", "2023-11-14T23:13:20+01:00"]
        {
            let other = Entry { time: time.to_owned(), ..entry.clone() };
            assert!(written(&other).is_err(), "{time}");
        }
        assert!(written(&Entry { path: "x".to_owned(), ..entry.clone() }).is_err());
        assert!(written(&Entry { name: Some("x".repeat(LINE_MAX)), ..entry }).is_err());
    }

    #[test]
    fn a_path_is_what_the_other_members_make_it() {
        let text = String::from_utf8(log(1)).unwrap();
        for (from, to) in [("example-org", "../../x"), ("20231114T", "20231115T"), ("22:13:20Z", "22:13:20+00:00")] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(problems(changed.as_bytes()) > 0, "{from}");
        }
        let spaced = text.replacen("\"seq\":1", "\"seq\": 1", 1);
        assert!(problems(spaced.as_bytes()) > 0);
    }
}
