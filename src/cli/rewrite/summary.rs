//! What a rewrite did, for people.

use std::io::{self, Write};

use restamp::error::{escaped, printable};
use restamp::rewrite::report::{Action, Change, LayerChange, Report};

/// Prints it to standard error.
pub(super) fn print(report: &Report, verbose: bool) {
    let mut out = io::stderr().lock();
    let mut line = |text: String| {
        // Names and warnings hold text from the image, which must not steer the terminal.
        let _ = writeln!(out, "{}", escaped(&text));
    };
    for image in &report.images {
        let change = image.manifest.as_ref().unwrap_or(&image.config);
        let names: Vec<String> = image.names.iter().map(|name| printable(name.as_bytes())).collect();
        let name = if names.is_empty() { "untagged".to_owned() } else { names.join(", ") };
        let arrow = if change.old == change.new { "unchanged".to_owned() } else { format!("-> {}", change.new) };
        line(format!("{name} ({}): {} {arrow}", image.platform, change.old));
    }
    if verbose {
        for layer in &report.layers {
            let name = layer.digest.as_ref().map_or(layer.diff_id.old, |digest| digest.old);
            let new = layer.digest.as_ref().map_or(layer.diff_id.new, |digest| digest.new);
            let stamped = match (layer.stamped, layer.entries) {
                (Some(stamped), Some(entries)) => format!(", {stamped} of {entries} entries stamped"),
                _ => String::new(),
            };
            let owners = layer.owners.map(|owners| format!(", owner names removed from {owners}")).unwrap_or_default();
            line(format!("layer {name}: {} -> {new}{stamped}{owners}", action(layer.action)));
        }
    }
    for notice in &report.dropped {
        line(format!("left out: {}", notice.message));
    }
    for notice in &report.warnings {
        line(format!("warning: {}", notice.message));
    }
    let count = |wanted: Action| report.layers.iter().filter(|layer| layer.action == wanted).count();
    let rewritten = count(Action::Rewritten);
    let stamped: u64 = report.layers.iter().filter_map(|layer| layer.stamped).sum();
    let layers = number(report.layers.len() as u64, "layer", "layers");
    let is_same = |change: &Change| change.old == change.new;
    let is_kept = |layer: &LayerChange| is_same(&layer.diff_id) && layer.digest.as_ref().is_none_or(is_same);
    if stamped == 0 && report.document_times + report.command_times == 0 && report.layers.iter().all(is_kept) {
        return line(format!("nothing to stamp: {layers} and all times in documents that restamp sets as they were"));
    }
    let commands = match report.command_times {
        0 => String::new(),
        count => format!(" and {}", number(count, "time in commands", "times in commands")),
    };
    let owners: u64 = report.layers.iter().filter_map(|layer| layer.owners).sum();
    let owners = match owners {
        0 => String::new(),
        count => format!("; owner names removed from {}", number(count, "entry", "entries")),
    };
    let verb = if report.dry_run { "would be rewritten (dry run)" } else { "rewritten" };
    line(format!(
        "{} {verb}, {} kept; {} and {}{commands} stamped{owners}",
        number(rewritten as u64, "layer", "layers"),
        report.layers.len() - rewritten,
        number(stamped, "entry", "entries"),
        number(report.document_times, "document time", "document times"),
    ));
}

fn number(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Rewritten => "rewritten",
        Action::Base => "base, kept",
        Action::Unchanged => "nothing to lower, kept",
        Action::Foreign => "foreign, kept",
        Action::Opaque => "not a layer format, kept",
        _ => "kept",
    }
}
