//! What a rewrite did, for people.
//!
//! Digests have lines of their own, below what they are of: two of them are longer than a terminal is wide.

use std::io::{self, Write};

use indicatif::HumanBytes;
use restamp::Digest;
use restamp::error::{escaped, printable, thousands};
use restamp::internals::shown_names;
use restamp::rewrite::report::{Action, ImageChange, LayerChange, NameChange, NameKind, Report, Sent};

/// Prints it to standard error; every layer too, if it is to be verbose.
pub(super) fn print(report: &Report, verbose: bool) {
    let mut page = Page { out: io::stderr().lock(), before: if report.dry_run { "dry run: " } else { "" } };
    let mut rest = report.names.as_slice();
    while let Some(first) = rest.first() {
        // Names of one image follow each other, as a rule.
        let same = rest.iter().take_while(|name| name.digest == first.digest).count();
        let (names, others) = rest.split_at(same);
        page.names(report, names, first);
        rest = others;
    }
    if verbose {
        report.images.iter().for_each(|image| page.image(report, image));
    }
    for notice in &report.dropped {
        page.line(&format!("left out: {}", notice.message));
    }
    for notice in &report.warnings {
        page.line(&format!("warning: {}", notice.message));
    }
    for line in repairs(report) {
        page.line(&line);
    }
    page.line(&closing(report));
    if let Some(sent) = &report.sent {
        sent_lines(report, sent).iter().for_each(|line| page.line(line));
    }
}

/// What a registry was sent, and what to deploy.
fn sent_lines(report: &Report, sent: &Sent) -> Vec<String> {
    let (to_be, to_take) = if report.dry_run { ("would be sent", "may be taken") } else { ("sent", "taken") };
    let blobs = number(sent.sent, "blob", "blobs");
    let mut line = format!("{blobs} {to_be} ({}), {} there already", HumanBytes(sent.sent_bytes), sent.present);
    if sent.mounted > 0 {
        line.push_str(&format!(", {} {to_take} from another repository", sent.mounted));
    }
    let repository = report.destination.name.strip_prefix("docker://").unwrap_or_default();
    let (repository, _) = repository.rsplit_once(':').unwrap_or((repository, ""));
    let digest = report.names.first().map(|name| format!("{repository}@{}", name.digest.new));
    [Some(line), digest.filter(|_| !report.dry_run)].into_iter().flatten().collect()
}

/// What became of times in the content of files, where there are such.
fn repairs(report: &Report) -> Vec<String> {
    let copies = &report.copies;
    let mut lines = Vec::new();
    if copies.followed + copies.unfit > 0 {
        let stale = match copies.stale {
            0 => String::new(),
            count => format!("; {} stale before and after", number(count, "is", "are")),
        };
        let would = if report.dry_run { "would follow" } else { "followed" };
        lines.push(format!("{} of an mtime {would} it{stale}", number(copies.followed, "copy", "copies")));
    }
    let left: u64 = report.layers.iter().map(|layer| layer.edits.left_alone()).fold(0, u64::saturating_add);
    if left > 0 {
        let are = number(left, "file with times of its own was", "files with times of their own were");
        lines.push(format!("{are} left unchanged; --report has the reasons"));
    }
    let repaired: u64 = report.layers.iter().filter_map(|layer| layer.repaired).fold(0, u64::saturating_add);
    if repaired > copies.followed + copies.unfit {
        let would = if report.dry_run { "would be " } else { "" };
        let files = number(repaired, "file", "files");
        lines.push(format!("times in the content of {files} {would}replaced, including copies of mtimes"));
    }
    let omitted: u64 = report.layers.iter().filter_map(|layer| layer.omitted).fold(0, u64::saturating_add);
    if omitted > 0 {
        let would = if report.dry_run { "would be " } else { "" };
        lines.push(format!("{} {would}left out", number(omitted, "entry", "entries")));
    }
    lines
}

struct Page<W> {
    out: W,
    /// What every line begins with.
    before: &'static str,
}

impl<W: Write> Page<W> {
    fn line(&mut self, text: &str) {
        // Names and warnings hold text from the image, which must not steer the terminal.
        let _ = writeln!(self.out, "{}{}", self.before, escaped(text));
    }

    /// Two digests, or one where nothing changed.
    fn digests(&mut self, indent: &str, old: Option<Digest>, new: Digest) {
        if let Some(old) = old {
            self.line(&format!("{indent}   {old}"));
        }
        if old != Some(new) {
            self.line(&format!("{indent}-> {new}"));
        }
    }

    /// An image or index with all its names.
    fn names(&mut self, report: &Report, names: &[NameChange], first: &NameChange) {
        let names: Vec<&str> = names.iter().filter_map(|name| name.name.as_deref()).collect();
        let image = report.images.iter().find(|image| match first.kind {
            NameKind::ImageId => image.config.new == first.digest.new,
            _ => image.manifest.is_some_and(|manifest| manifest.new == first.digest.new),
        });
        let platform = image.map(|image| format!("{}, ", image.platform)).unwrap_or_default();
        // An archive of docker save had no manifest; its image ID is what there is to compare.
        if let Some(image) = image.filter(|_| first.digest.old.is_none()) {
            self.head(&names, &format!("{platform}image ID"), Some(image.config.old), image.config.new);
        }
        let what = match first.kind {
            NameKind::Index => {
                format!("index of {}", number(first.images as u64, "platform", "platforms"))
            }
            NameKind::ImageId => format!("{platform}image ID"),
            _ => format!("{platform}manifest"),
        };
        self.head(&names, &what, first.digest.old, first.digest.new);
    }

    fn head(&mut self, names: &[&str], what: &str, old: Option<Digest>, new: Digest) {
        let unchanged = if old == Some(new) { ": unchanged" } else { "" };
        self.line(&format!("{} ({what}){unchanged}", joined(names)));
        self.digests("  ", old, new);
    }

    fn image(&mut self, report: &Report, image: &ImageChange) {
        let names = shown_names(&image.names);
        let config = &image.config;
        self.line(&format!("image {} ({})", joined(&names), image.platform));
        if let Some(manifest) = image.manifest {
            self.line("  manifest");
            self.digests("    ", manifest.old, manifest.new);
        }
        self.line("  config, which Docker calls the image ID");
        self.digests("    ", Some(config.old), config.new);
        for (number, layer) in image.layers.iter().enumerate() {
            let Some(change) = report.layers.get(layer.layer) else { continue };
            self.line(&format!("  layer {number}/{} {}", image.layers.len(), described(change)));
            self.digests("    ", Some(change.digest.old), change.digest.new);
        }
    }
}

fn joined(names: &[&str]) -> String {
    if names.is_empty() {
        return "untagged".to_owned();
    }
    names.iter().map(|name| printable(name.as_bytes())).collect::<Vec<_>>().join(", ")
}

/// `rewritten, 8,832 of 8,832 entries stamped, 2.10 MiB -> 2.05 MiB`
fn described(layer: &LayerChange) -> String {
    let mut text = match layer.action {
        Action::Rewritten => "rewritten",
        Action::EncodedAgain => "encoded again, no time in it changed",
        Action::Base => "base, kept",
        Action::Unchanged => "unchanged",
        Action::Foreign => "foreign, kept",
        Action::Opaque => "not a layer format, kept",
        _ => "kept",
    }
    .to_owned();
    if let (Some(stamped), Some(entries)) = (layer.stamped.filter(|stamped| *stamped > 0), layer.entries) {
        let of = if entries == 1 { "entry" } else { "entries" };
        text += &format!(", {} of {} {of} stamped", thousands(stamped), thousands(entries));
    }
    text += &format!(", {}", sizes(layer.size.old, layer.size.new));
    if let Some(owners) = layer.owners.filter(|owners| *owners > 0) {
        text += &format!(", owner names removed from {}", number(owners, "entry", "entries"));
    }
    if let Some(cache) = layer.cache {
        text += &format!(", {} of {} from the cache", cache.hits, number(cache.chunks, "chunk", "chunks"));
    }
    text
}

fn sizes(old: u64, new: u64) -> String {
    if old == new { HumanBytes(old).to_string() } else { format!("{} -> {}", HumanBytes(old), HumanBytes(new)) }
}

fn closing(report: &Report) -> String {
    let count = |is_wanted: &dyn Fn(Action) -> bool| {
        report.layers.iter().filter(|layer| is_wanted(layer.action)).count() as u64
    };
    let rewritten = count(&|action| action == Action::Rewritten);
    let encoded = count(&|action| action == Action::EncodedAgain);
    let kept = report.layers.len() as u64 - rewritten - encoded;
    let stamped: u64 = report.layers.iter().filter_map(|layer| layer.stamped).fold(0, u64::saturating_add);
    if rewritten + encoded + stamped + report.document_times + report.command_times == 0 {
        let layers = number(kept, "layer", "layers");
        return format!("nothing to stamp: {layers} and all document times unchanged");
    }
    let would = if report.dry_run { "would be " } else { "" };
    let mut done = Vec::new();
    if rewritten > 0 || encoded == 0 {
        done.push(format!("{} {would}rewritten", number(rewritten, "layer", "layers")));
    }
    if encoded > 0 {
        let them = if encoded == 1 { "it" } else { "them" };
        done.push(format!("{} {would}encoded again (no time in {them} changed)", number(encoded, "layer", "layers")));
    }
    if kept > 0 {
        done.push(format!(
            "{} kept as {}",
            number(kept, "layer", "layers"),
            if kept == 1 { "it was" } else { "they were" }
        ));
    }
    let documents = number(report.document_times, "document time", "document times");
    let times = match report.command_times {
        0 => format!(" and {documents}"),
        count => format!(", {documents} and {}", number(count, "time in commands", "times in commands")),
    };
    let owners: u64 = report.layers.iter().filter_map(|layer| layer.owners).fold(0, u64::saturating_add);
    let owners = match owners {
        0 => String::new(),
        count => format!("; owner names removed from {}", number(count, "entry", "entries")),
    };
    let total = |size: fn(&LayerChange) -> u64| report.layers.iter().map(size).fold(0, u64::saturating_add);
    format!(
        "{}; {}{times} stamped{owners}; layers {}",
        done.join(", "),
        number(stamped, "entry", "entries"),
        sizes(total(|layer| layer.size.old), total(|layer| layer.size.new)),
    )
}

/// `8,832 entries`
fn number(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}
