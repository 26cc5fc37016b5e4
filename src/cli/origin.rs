//! Where an image comes from, for people: a block in what `inspect` prints, and in that of `lock`.

use std::io::{self, Write};

use restamp::error::printable;
use restamp::origin::{Origin, SourceKind};

/// Sources, and dates, that are shown.
const SHOWN: usize = 12;

/// Prints what is known, each with how it is known and where it was read; nothing where nothing is.
pub fn print(out: &mut dyn Write, origin: &Origin) -> io::Result<()> {
    for base in &origin.base {
        let name = base.name.as_deref().unwrap_or("unnamed");
        let digest = base.digest.map_or(String::new(), |digest| format!("@{digest}"));
        writeln!(out, "  base       {}{digest} ({}: {})", safe(name), base.how, safe(&base.from))?;
    }
    for source in origin.sources.iter().take(SHOWN) {
        let kind = match source.kind {
            SourceKind::Image => "image",
            SourceKind::Git => "git",
            SourceKind::Checkout => "checkout",
            SourceKind::Http => "http",
            _ => "other",
        };
        let name = safe(source.name.as_deref().unwrap_or(&source.uri));
        let digest = source.digest.as_deref().filter(|digest| !name.ends_with(*digest)).unwrap_or_default();
        let digest = if digest.is_empty() { String::new() } else { format!(" {}", safe(digest)) };
        writeln!(out, "  source     {kind} {name}{digest} ({}: {})", source.how, safe(&source.from))?;
    }
    if let Some(more) = origin.sources.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more, listed by --json")?;
    }
    if let Some(builder) = &origin.builder {
        let names: Vec<String> = builder.name.iter().chain(&builder.id).map(|text| safe(text)).collect();
        writeln!(out, "  builder    {} ({}: {})", names.join(", "), builder.how, safe(&builder.from))?;
    }
    if let Some(distribution) = &origin.distribution {
        let release = &distribution.release;
        let name = release.pretty_name.as_deref().or(release.id.as_deref()).unwrap_or("unnamed");
        writeln!(out, "  system     {} ({}: {})", safe(name), distribution.how, safe(&distribution.from))?;
    }
    for database in &origin.packages {
        let (manager, from) = (database.manager.name(), safe(&database.from));
        writeln!(out, "  packages   {} of {manager} (stated: {from})", database.count)?;
    }
    if !origin.languages.is_empty() {
        let counts = origin.languages.iter().map(|found| format!("{} of {}", found.count, found.ecosystem.name()));
        writeln!(out, "  languages  {}", counts.collect::<Vec<_>>().join(", "))?;
    }
    snapshot(out, origin)?;
    for problem in origin.problems.iter().chain(&origin.notes) {
        writeln!(out, "  note       {}", safe(problem))?;
    }
    Ok(())
}

/// The date, where one is known by more than that of the image.
fn snapshot(out: &mut dyn Write, origin: &Origin) -> io::Result<()> {
    let snapshot = &origin.snapshot;
    let (Some(date), Some(how), Some(from)) = (&snapshot.date, snapshot.how, &snapshot.from) else { return Ok(()) };
    let bound = |word: &str, date: &Option<String>| match date {
        Some(date) => format!(", not {word} than {date}"),
        None => String::new(),
    };
    let bounds = bound("earlier", &snapshot.not_before) + &bound("later", &snapshot.not_after);
    writeln!(out, "  snapshot   {date} ({how}: {}{bounds})", safe(from))?;
    for text in snapshot.contradictions.iter().take(SHOWN) {
        writeln!(out, "    but      {}", safe(text))?;
    }
    Ok(())
}

fn safe(text: &str) -> String {
    printable(text.as_bytes())
}
