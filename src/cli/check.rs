//! `restamp check`

use std::collections::HashMap;
use std::io::{self, Write};

use anyhow::Result;
use restamp::check::check;
use restamp::check::report::{ArchiveTimes, Finding, Kind, Level, Report};
use restamp::error::escaped;
use restamp::image::source::Source;
use restamp::policy::{Platform, Policy};
use restamp::{Epoch, Stamp};

use super::epoch::EpochArguments;
use super::printing;
use super::running::{self, BaseArguments, Running, Workshop};

/// So many findings of a kind are listed for people in one layer or document.
const FOLD: usize = 30;

/// Verify an image, and that every timestamp in it is the epoch
///
/// Every digest, size, diff_id and other link is verified, and every timestamp that is not the epoch (or, with --clamp,
/// is later than it) is listed. SOURCE is named as for `restamp rewrite`.
///
/// Times that no digest holds (of an archive's own entries, and of the v1 files beside a manifest.json) say nothing about
/// the image, and docker and skopeo write them anew: they are notes, unless --archive is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 nothing found, 1 something found, 2 the image can't be checked.

Examples:
  restamp check --epoch 1700000000 app.oci.tar
  docker save app | restamp check --clamp
  restamp check --json --base oci:base oci:app | jq '.findings[] | select(.kind == \"time\")'")]
pub struct Arguments {
    /// The image to look at
    #[arg(default_value = "-", value_name = "SOURCE")]
    source: String,

    #[command(flatten)]
    epoch: EpochArguments,

    #[command(flatten)]
    base: BaseArguments,

    /// Only images of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is checked")]
    platform: Option<Platform>,

    /// Times that no digest holds, those of the archive alone, are findings as well
    #[arg(long, help_heading = "What is checked")]
    archive: bool,

    /// Print the result as JSON, one object per finding
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// List every finding, however many there are of a kind
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    #[command(flatten)]
    running: Running,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let mut policy = Policy::new(arguments.epoch.stamp()?);
    let location = running::source(&arguments.source, "check")?;
    policy.reference.clone_from(&location.reference);
    policy.platform.clone_from(&arguments.platform);
    let Workshop { pool, spools, progress } = arguments.running.start(None, None)?;
    policy.base = arguments.base.resolve(&spools)?;
    let source = Source::open(&location, &spools, &mut |_, _| {})?;
    let archive_times = if arguments.archive { ArchiveTimes::Findings } else { ArchiveTimes::Notes };
    let report = check(&source, &policy, archive_times, &pool, &|total| progress.set_total(total))?;
    drop(progress);
    if arguments.json {
        printing::print_json(&report)?;
    } else if !arguments.running.quiet {
        printing::print(|out| list(&report, policy.stamp, arguments.verbose, out))?;
    }
    Ok(if report.is_clean() { super::DONE } else { super::FOUND })
}

/// The list for people: a paragraph per document or layer, one for what is of the archive alone, then a line that sums
/// it up.
fn list(report: &Report, stamp: Stamp, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    let (outside, inside): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.is_archive_time());
    paragraphs(&inside, verbose, out)?;
    if !outside.is_empty() {
        writeln!(out, "Of the archive alone, no digest holds it (a finding with --archive):")?;
        paragraphs(&outside, verbose, out)?;
    }
    sum(report, stamp.epoch, out)
}

fn paragraphs(findings: &[&Finding], verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    for group in findings.chunk_by(|a, b| a.place == b.place) {
        let Some(first) = group.first() else { continue };
        let of = if first.place.of.is_empty() { String::new() } else { format!(" ({})", first.place.of) };
        match first.place.what.name() {
            what if first.place.name.contains(':') => line(out, &format!("{what} {}{of}:", first.place.name))?,
            _ => line(out, &format!("{}{of}:", first.place.name))?,
        }
        let mut counts: HashMap<Sort<'_>, usize> = HashMap::new();
        for finding in group {
            *counts.entry(sort_of(finding)).or_default() += 1;
        }
        let mut shown: HashMap<Sort<'_>, usize> = HashMap::new();
        for finding in group {
            let sort = sort_of(finding);
            let number = shown.entry(sort).or_default();
            *number += 1;
            let rest = counts.get(&sort).map_or(0, |count| count.saturating_sub(FOLD));
            // One more line tells as much as the line that says that there is one more.
            if verbose || *number <= FOLD || rest == 1 {
                let note = if finding.level == Level::Note { "note: " } else { "" };
                line(out, &format!("  {note}{}", finding.message()))?;
            } else if *number == FOLD + 1 {
                let field = finding.field.as_deref().filter(|_| finding.entry.is_some()).unwrap_or("this kind");
                writeln!(out, "  … and {} more of {field}", thousands(rest as u64))?;
            }
        }
    }
    Ok(())
}

/// A line with text from the image, which must not steer the terminal.
fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", escaped(text))
}

/// What is folded together: findings of a kind, and where entries have several times, of a field.
type Sort<'a> = (Level, Kind, Option<&'a str>);

fn sort_of(finding: &Finding) -> Sort<'_> {
    (finding.level, finding.kind, finding.field.as_deref().filter(|_| finding.entry.is_some()))
}

fn sum(report: &Report, epoch: Epoch, out: &mut dyn Write) -> io::Result<()> {
    let total = report.total;
    let number = |count: u64, one: &str| format!("{} {one}{}", thousands(count), if count == 1 { "" } else { "s" });
    let checked = report.checked;
    let looked_at = format!(
        "{}, {} and {} checked",
        number(checked.images, "image"),
        number(checked.blobs, "blob"),
        number(checked.entries, "layer entry").replace("entrys", "entries")
    );
    let wanted = format!("{}{}", if report.rule == "clamp" { "at most " } else { "" }, epoch.rfc3339());
    let mut found = Vec::new();
    if total.findings > total.times {
        found.push(number(total.findings - total.times, "fault"));
    }
    if total.times > 0 {
        found.push(format!(
            "{} that {} not {wanted}",
            number(total.times, "timestamp"),
            if total.times == 1 { "is" } else { "are" }
        ));
    }
    if found.is_empty() {
        found.push(format!("nothing found, every timestamp is {wanted}"));
    }
    if total.notes > total.archive_times {
        found.push(number(total.notes - total.archive_times, "note"));
    }
    if total.archive_times > 0 {
        found.push(format!("{} of the archive alone", number(total.archive_times, "timestamp")));
    }
    if total.not_listed > 0 {
        found.push(format!("{} not listed", thousands(total.not_listed)));
    }
    writeln!(out, "{looked_at}: {}", found.join(", "))
}

/// `13,998`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
