//! What is above the list of differences.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::causes::Class;
use crate::diff::model::{Compared, Report, Verdict};
use crate::diff::report::html::{PALETTE, PageStyle, set_name};
use crate::diff::report::remedy_line;
use crate::error::{markup as escape, printable_whole, thousands};

const STYLE: &str = include_str!("page.css");
/// How the label of a class looks that is not shown.
const OFF: &str = "color:var(--soft);border-style:dashed;text-decoration:line-through";
/// The digests of so many images are named.
const IMAGES: usize = 20;

pub(super) fn head(page: &mut String, report: &Report, sets: &BTreeSet<BTreeSet<Class>>) {
    page.push_str("<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n");
    page.push_str("<meta name=viewport content=\"width=device-width,initial-scale=1\">\n");
    // Even if any markup got through, it could not run or fetch anything.
    page.push_str(
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    let _ = writeln!(
        page,
        "<title>{}: {}</title>",
        escape(&report.verdict().to_string()),
        escape(&report.names.join(" and "))
    );
    page.push_str("<style>\n");
    page.push_str(PALETTE);
    page.push_str(STYLE);
    for class in Class::ALL {
        let _ = writeln!(page, "#f-{class}:not(:checked)~main .c-{class}{{display:none}}");
        let _ = writeln!(page, "#f-{class}:not(:checked)~nav label[for=f-{class}]{{{OFF}}}");
        let _ = writeln!(page, "#f-{class}:focus-visible~nav label[for=f-{class}]{{outline:2px solid var(--blue)}}");
    }
    // What only holds classes that are hidden has nothing left to show.
    for classes in sets {
        let boxes: Vec<String> = classes.iter().map(|class| format!("#f-{class}:not(:checked)")).collect();
        let _ = writeln!(page, "{}~main .{}{{display:none}}", boxes.join("~"), set_name(classes));
    }
    page.push_str("</style>\n");
}

pub(super) fn header(page: &mut String, report: &Report, style: PageStyle<'_>) {
    let verdict = report.verdict();
    let class = match verdict {
        Verdict::Identical | Verdict::Accepted => "identical",
        Verdict::SameAfterRestamping => "same-after-restamping",
        Verdict::Explainable => "explainable",
        Verdict::Different => "different",
    };
    let meaning = match verdict {
        Verdict::Identical => "nothing differs",
        Verdict::Accepted => "only accepted differences",
        Verdict::SameAfterRestamping => "rewriting both with the same options makes them equal",
        Verdict::Explainable => "they differ, but in nothing of the class content",
        Verdict::Different => "files, settings or permissions differ",
    };
    let _ = writeln!(page, "<h1 class={class}>{verdict}</h1>\n<p class=s>{meaning}</p>");
    if let Some(remedy) = &report.remedy {
        let text = remedy_line(remedy, !report.accepted.is_empty(), report.differences.len());
        let _ = writeln!(page, "<p class=x>{}</p>", escape(&text));
    }
    for text in &report.explanations {
        let _ = writeln!(page, "<p class=x>{}</p>", escape(text));
    }
    page.push_str("<dl>\n");
    for (side, name) in [(0, "A"), (1, "B")] {
        let source = report.names.get(side).map(|name| printable_whole(name.as_bytes())).unwrap_or_default();
        let _ = write!(page, "<dt>{name}<dd>{}", escape(&source));
        let has_digest = |image: &&Compared| image.digests.get(side).is_some_and(Option::is_some);
        let count = report.images.iter().filter(has_digest).count();
        for image in report.images.iter().filter(has_digest).take(IMAGES) {
            let digest = image.digests.get(side).copied().flatten();
            let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
            let label = if count > 1 { format!("{} ", escape(&image.label)) } else { String::new() };
            let _ = write!(page, "<div class=s>{label}<code>{digest}</code></div>");
        }
        if count > IMAGES {
            let _ = write!(page, "<div class=s>and {} images more</div>", thousands(count - IMAGES));
        }
        page.push('\n');
    }
    if let Some(options) = &report.restamped_with {
        let options = escape(&printable_whole(options.as_bytes()));
        let _ = writeln!(page, "<dt>rewritten with<dd><code class=y>restamp rewrite {options}</code>");
    }
    let _ = writeln!(page, "<dt>differences<dd>{}", thousands(report.differences.len()));
    let _ = write!(page, "<dt>made by<dd>restamp {}", env!("CARGO_PKG_VERSION"));
    if let Some(command) = style.command {
        let _ = write!(page, "<div><code class=y>{}</code></div>", escape(&printable_whole(command.as_bytes())));
    }
    page.push_str("\n</dl>\n");
}
