//! Errors about the epoch, with a hint of what was probably meant.

use anyhow::{Error, Result, anyhow, bail};
use restamp::{Epoch, ErrorKind};

/// How an epoch may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Seconds or RFC 3339.
    Any,
    /// Seconds alone, as in the environment variable; a hint then names the option.
    Seconds,
}

/// The error for a text that was given for an epoch as `name`.
pub fn wrong(name: &str, text: &str, spelling: Spelling, error: &restamp::Error) -> Error {
    if text.trim().is_empty() {
        return anyhow!("{name} is empty: did the command that computes it fail?");
    }
    let ErrorKind::Malformed { expected, found, .. } = error.kind() else { return anyhow!("{name}: {error}") };
    let hint = hint(text, spelling).map(|hint| format!(": {hint}")).unwrap_or_default();
    anyhow!("{name}: expected {expected}, found {found}{hint}")
}

/// An error if digits that were given for an epoch as `name` look like a date, such as 20231114. As seconds they would be
/// a day of August 1970, and nothing would show the mistake.
pub fn refuse_date(name: &str, text: &str, spelling: Spelling) -> Result<()> {
    let Some(date) = date_of_digits(text) else { return Ok(()) };
    let (day, rfc3339) = (date.rfc3339().chars().take(DATE).collect::<String>(), date.rfc3339());
    let write = match spelling {
        Spelling::Any => format!("write {rfc3339}"),
        Spelling::Seconds => format!("for {rfc3339} write {date}"),
    };
    // Only eight digits are seconds that an epoch can have.
    let seconds = match text.parse::<Epoch>() {
        Ok(seconds) => format!("; if seconds are meant, use --epoch {}", seconds.rfc3339()),
        Err(_) => String::new(),
    };
    bail!("{name}: {text} looks like the date {day}, not like seconds since 1970: {write}{seconds}")
}

/// The time that `20231114`, `202311142213` or `20231114221320` mean in UTC.
fn date_of_digits(text: &str) -> Option<Epoch> {
    let is_date = matches!(text.len(), 8 | 12 | 14) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_date || !matches!(text.get(..2)?, "19" | "20") {
        return None;
    }
    let part = |at: usize| text.get(at..at + 2).unwrap_or("00");
    let (year, month, day) = (text.get(..4)?, part(4), part(6));
    format!("{year}-{month}-{day}T{}:{}:{}Z", part(8), part(10), part(12)).parse().ok()
}

fn hint(text: &str, spelling: Spelling) -> Option<String> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let trimmed = text.trim();
    if is_digits(trimmed) {
        return (trimmed != text).then(|| "leave out the blanks around it".to_owned());
    }
    if trimmed.strip_prefix('@').is_some_and(is_digits) {
        return Some("leave out the @".to_owned());
    }
    if is_digits(trimmed.trim_matches(['"', '\''])) {
        return Some("leave out the quotation marks".to_owned());
    }
    if let Some(rest) = after_date(trimmed) {
        let (date, seconds) = (trimmed.get(..DATE)?, format!("use {SECONDS}"));
        let time = rest.strip_prefix(['T', 't', ' ']).filter(|time| is_time(time));
        return Some(match (spelling, rest, time) {
            (Spelling::Seconds, ..) => {
                format!("--epoch takes such a time, this variable only seconds: {seconds}")
            }
            (Spelling::Any, "", _) => format!("add a time and a zone: {date}T00:00:00Z"),
            (Spelling::Any, _, Some(time)) if rest.starts_with(['T', 't']) => {
                format!("add Z, or the zone that it is in: {date}T{time}Z")
            }
            (Spelling::Any, _, Some(time)) => format!("write T instead of the blank, and add a zone: {date}T{time}Z"),
            _ if rest.contains(['.', ',']) => return None,
            _ => seconds,
        });
    }
    // What date(1) prints, in whatever language, has a time in it and several words.
    let is_date = trimmed.split_whitespace().count() > 2 && trimmed.split_whitespace().any(is_time);
    (is_date || matches!(trimmed, "now" | "today")).then(|| format!("use {SECONDS}"))
}

/// Commands that print seconds.
const SECONDS: &str = "date +%s, or git log -1 --pretty=%ct";

/// Characters of `2023-11-14`.
const DATE: usize = 10;

/// What follows a date of that form.
fn after_date(text: &str) -> Option<&str> {
    let (date, rest) = text.split_at_checked(DATE)?;
    let is_form = date
        .bytes()
        .enumerate()
        .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    is_form.then_some(rest)
}

/// `22:13:20`
fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 3 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
}
