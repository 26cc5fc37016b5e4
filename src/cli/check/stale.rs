//! The list of `check --stale` for people.

use std::io::{self, Write};

use restamp::check::stale::{CopyFault, ImageSurvey, Report};
use restamp::error::{escaped, thousands};
use restamp::internals::shown_names;

/// So many copies of an image are listed, unless all are asked for.
const SHOWN: usize = 20;

/// Prints all of it; with `verbose`, every copy that there is something wrong with.
pub(super) fn print(report: &Report, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut is_folded = false;
    for image in &report.images {
        is_folded |= of_image(image, verbose, out)?;
    }
    if is_folded {
        writeln!(out, "-v lists every one")?;
    }
    if report.images.is_empty() {
        writeln!(out, "no image was looked at")?;
    }
    out.flush()
}

fn of_image(image: &ImageSurvey, verbose: bool, out: &mut dyn Write) -> io::Result<bool> {
    let names = shown_names(&image.names);
    let name = if names.is_empty() { image.config.to_string() } else { names.join(", ") };
    writeln!(out, "{} ({}):", escaped(&name), escaped(&image.platform.to_string()))?;
    let survey = &image.survey;
    for (kind, counts) in &survey.counts {
        let alone = match counts.alone {
            0 => String::new(),
            count => format!(", {} without their original", thousands(count)),
        };
        writeln!(
            out,
            "  {}: {}: {} up to date, {} stale, {} taken for up to date by mistake{alone}",
            kind.what(),
            thousands(counts.copies),
            thousands(counts.fresh),
            thousands(counts.stale),
            thousands(counts.wrongly_fresh),
        )?;
    }
    if survey.counts.is_empty() {
        writeln!(
            out,
            "  no Python bytecode, cache of fontconfig or bootsnap's compile cache in the layers that were read"
        )?;
    }
    let shown = if verbose { survey.faults.len() } else { SHOWN };
    for fault in survey.faults.iter().take(shown) {
        let says = match fault.fault {
            CopyFault::WronglyFresh => "taken for up to date by mistake",
            _ => "stale",
        };
        let of = fault.original.as_deref().map(|original| format!(" {original}")).unwrap_or_default();
        let text = format!("  {}: {says}: holds {}, but{of} has {}", fault.path, fault.holds, fault.mtime);
        let text = if fault.fault == CopyFault::WronglyFresh { text.replace(", but", ", as") } else { text };
        writeln!(out, "{}", escaped(&text))?;
    }
    let rest = survey.faults.len().saturating_sub(shown) as u64 + survey.not_listed;
    if rest > 0 {
        writeln!(out, "  … and {} more", thousands(rest))?;
    }
    for layer in &image.unread {
        writeln!(out, "  not looked at: layer {}", escaped(layer))?;
    }
    Ok(rest > 0 && !verbose)
}
