//! The list for people: a paragraph per document or layer, with timestamps of a kind on one line, and a verdict.

use std::collections::HashMap;
use std::io::{self, Write};

use restamp::check::report::{Finding, Kind, Level, Report, What};
use restamp::error::{escaped, thousands};
use restamp::{Created, Digest, Epoch, Instant, Rule};

/// So many faults of a kind are listed in one layer or document.
const FOLD: usize = 30;

/// Prints all of it, or with `verbose` every timestamp and fault on a line of its own.
pub(super) fn print(report: &Report, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    // What says that there is no time is of no interest to who asks which times are late.
    let is_hidden = |finding: &Finding| report.rule == Rule::Clamp.name() && !verbose && finding.is_no_time();
    let (outside, inside): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().filter(|finding| !is_hidden(finding)).partition(|finding| finding.is_archive_time());
    let hidden = report.findings.iter().filter(|finding| is_hidden(finding)).count() as u64;
    let mut is_folded = false;
    for group in inside.chunk_by(|a, b| a.place == b.place) {
        let Some(place) = group.first().map(|first| &first.place) else { continue };
        let of = if place.of.is_empty() { String::new() } else { format!(" ({})", place.of) };
        match place.what.name() {
            what if place.name.parse::<Digest>().is_ok() => line(out, &format!("{what} {}{of}:", place.name))?,
            _ => line(out, &format!("{}{of}:", place.name))?,
        }
        is_folded |= lines(group, verbose, out)?;
    }
    if !outside.is_empty() {
        let counted = if is_noted(report) { "notes" } else { "notes with --digests-only" };
        writeln!(out, "Only in the archive, covered by no digest ({counted}):")?;
        is_folded |= lines(&outside, verbose, out)?;
    }
    sum(report, hidden, out)?;
    advise(report, is_folded, out)?;
    out.flush()
}

/// The findings of a place, or of the archive. Was something folded?
fn lines(group: &[&Finding], verbose: bool, out: &mut dyn Write) -> io::Result<bool> {
    let mut sorts: Vec<(Sort<'_>, Vec<&Finding>)> = Vec::new();
    let mut numbers: HashMap<Sort<'_>, usize> = HashMap::new();
    for finding in group {
        let sort = Sort::of(finding);
        let number = *numbers.entry(sort).or_insert(sorts.len());
        match sorts.get_mut(number) {
            Some((_, all)) => all.push(finding),
            None => sorts.push((sort, vec![finding])),
        }
    }
    let mut is_folded = false;
    for (sort, all) in sorts {
        let note = if sort.level == Level::Note && !all.iter().any(|f| f.is_archive_time()) { "note: " } else { "" };
        let rest = all.len().saturating_sub(FOLD);
        // One more finding takes no more room than the line that says that there is one more.
        let shown = if verbose || rest <= 1 { all.len() } else { FOLD };
        if !verbose && sort.kind == Kind::Time && all.len() > 1 {
            line(out, &format!("  {note}{}", folded(sort, &all)))?;
            is_folded = true;
            continue;
        }
        for finding in all.iter().take(shown) {
            // Files have no paragraph of their own there.
            let file =
                if finding.is_archive_time() && finding.place.what == What::File { &finding.place.name } else { "" };
            let colon = if file.is_empty() { "" } else { ": " };
            line(out, &format!("  {note}{file}{colon}{}", finding.message()))?;
        }
        if shown < all.len() {
            is_folded = true;
            writeln!(out, "  … and {} more of {}", thousands(rest as u64), sort.field.unwrap_or("this kind"))?;
        }
    }
    Ok(is_folded)
}

/// Timestamps of a kind as one line: how many, from when to when, and where the first one is.
fn folded(sort: Sort<'_>, all: &[&Finding]) -> String {
    let count = thousands(all.len() as u64);
    let Some(first) = all.first() else { return count };
    let (what, at) = match (sort.field, &first.entry) {
        (Some(field), Some(entry)) => (format!("{field} of {count} entries"), &**entry),
        (Some(field), None) => (format!("{field} of {count} files"), first.place.name.as_str()),
        (None, _) => (format!("{count} timestamps"), first.field.as_deref().unwrap_or_default()),
    };
    let mut times: Vec<(Instant, &str)> = all.iter().filter_map(|f| Some((instant(&f.text)?, &*f.text))).collect();
    times.sort();
    let verb = if sort.field.is_some() { "is" } else { "are" };
    let mut range = match (times.first(), times.last()) {
        (Some((low, text)), Some((high, _))) if low == high => format!("{verb} {text}"),
        (Some((_, low)), Some((_, high))) => format!("{verb} from {low} to {high}"),
        _ => format!("{verb} {}", first.text),
    };
    if !times.is_empty() && times.len() < all.len() {
        range.push_str(" or can't be read");
    }
    format!("{what} {range}, first {at}")
}

/// A time as it is shown: a date, or `@seconds` where the year has more than four digits.
fn instant(text: &str) -> Option<Instant> {
    match text.strip_prefix('@') {
        Some(seconds) => seconds.parse().ok().map(Instant::from_seconds),
        None => Instant::from_rfc3339(text),
    }
}

/// A line with text from the image, which must not steer the terminal.
fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", escaped(text))
}

/// What is folded together: findings of a kind, and where entries or files have several times, of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sort<'f> {
    level: Level,
    kind: Kind,
    field: Option<&'f str>,
}

impl<'f> Sort<'f> {
    fn of(finding: &'f Finding) -> Self {
        let has_several = finding.entry.is_some() || finding.is_archive_time();
        let field = finding.field.as_deref().filter(|_| has_several);
        Self { level: finding.level, kind: finding.kind, field }
    }
}

/// Are timestamps of the archive alone notes?
fn is_noted(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.is_archive_time() && finding.level == Level::Note)
}

/// What there is to do about it.
fn advise(report: &Report, is_folded: bool, out: &mut dyn Write) -> io::Result<()> {
    let total = report.total;
    let mut advice = Vec::new();
    if total.findings > total.times {
        advice.push("rewriting does not repair faults: build, pull or save the image again");
    }
    if total.times > 0 {
        advice.push(match report.rule {
            "clamp" => "`restamp rewrite --clamp` lowers the timestamps",
            _ => "`restamp rewrite` sets the timestamps",
        });
    }
    if total.findings > 0 && total.findings == total.archive_times && !is_noted(report) {
        advice.push("no digest covers them, and --digests-only reports them as notes");
    }
    if is_folded {
        advice.push("-v lists every one");
    }
    if advice.is_empty() { Ok(()) } else { writeln!(out, "{}", advice.join("; ")) }
}

/// What times have to be, of files and of documents.
fn wanted(report: &Report) -> String {
    let at_most = if report.rule == "clamp" { "at most " } else { "" };
    let date = |seconds| Epoch::from_seconds(seconds).map_or_else(|_| format!("@{seconds}"), Epoch::rfc3339);
    let files = format!("{at_most}{}", date(report.epoch));
    match report.created {
        Created::Seconds(seconds) if seconds == report.epoch => files,
        Created::Seconds(seconds) => format!("{files} (in documents {at_most}{})", date(seconds)),
        _ => format!("{files} (those of documents are kept, and were not compared)"),
    }
}

fn sum(report: &Report, hidden: u64, out: &mut dyn Write) -> io::Result<()> {
    let total = report.total;
    let number = |count: u64, one: &str| format!("{} {one}{}", thousands(count), if count == 1 { "" } else { "s" });
    let checked = report.checked;
    // Statements and other blobs are said apart, as most images have none.
    let others = match checked.blobs.saturating_sub(checked.layers) {
        0 => String::new(),
        others => format!(", {}", number(others, "other blob")),
    };
    let looked_at = format!(
        "{}, {}{others} and {} checked",
        number(checked.images, "image"),
        number(checked.layers, "layer"),
        if checked.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", thousands(checked.entries)) },
    );
    let wanted = wanted(report);
    let mut found = Vec::new();
    if total.findings > total.times {
        found.push(number(total.findings - total.times, "fault"));
    }
    let (found_outside, noted_outside) =
        if is_noted(report) { (0, total.archive_times) } else { (total.archive_times, 0) };
    if total.times > 0 {
        let is = if total.times == 1 { "is" } else { "are" };
        let outside = match found_outside {
            0 => String::new(),
            count => format!(" ({} only in the archive)", thousands(count)),
        };
        found.push(format!("{} that {is} not {wanted}{outside}", number(total.times, "timestamp")));
    }
    if found.is_empty() {
        found.push(format!("nothing found, every timestamp that restamp sets is {wanted}"));
    }
    let notes = total.notes.saturating_sub(noted_outside + hidden);
    if notes > 0 {
        found.push(number(notes, "note"));
    }
    if noted_outside > 0 {
        found.push(format!("{} only in the archive", number(noted_outside, "timestamp")));
    }
    if total.not_listed > 0 {
        found.push(format!("{} not listed", thousands(total.not_listed)));
    }
    writeln!(out, "{looked_at}: {}", found.join(", "))
}
