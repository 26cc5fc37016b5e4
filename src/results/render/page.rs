//! Pure: the frame of every page, and the index.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::names::{file_name, image_file};
use super::site::{Image, Named, Site, Standing, age, word};
use crate::diff::report::PALETTE;
use crate::error::{markup, printable_whole, thousands};
use crate::results::entry::Verdict;

const STYLE: &str = include_str!("style.css");
/// More images of a name are folded away at first.
const OPEN: usize = 3;

/// The start of a page, up to its `main`.
pub(super) fn start(page: &mut String, title: &str) {
    page.push_str("<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n");
    page.push_str("<meta name=viewport content=\"width=device-width,initial-scale=1\">\n");
    // Even if any markup got through, it could not run or fetch anything.
    page.push_str(
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    let _ = write!(page, "<title>{}</title>\n<style>\n{PALETTE}{STYLE}</style>\n", text(title));
}

/// The end of one.
pub(super) fn end(page: &mut String) {
    page.push_str(
        "<footer><p>Each operator counts by the newest of its statements. That a result is of an operator was verified when it \
         was added; <code>restamp results check</code> does so again. A time is the one that a verification result names; test results \
         and equivalences name none, and have that of when they were added. A result says how an image compares with one that was \
         built again. It does not say that its source is harmless, or that a failure is tampering.</p></footer>\n</html>\n",
    );
}

/// Text of others, for an element or an attribute.
pub(super) fn text(text: &str) -> String {
    markup(&printable_whole(text.as_bytes()))
}

/// The class of an element about a verdict.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical | Verdict::AfterRestamping => "good",
        Verdict::Warned => "warned",
        Verdict::Failed => "failed",
    }
}

/// A standing, in words.
pub(super) fn standing(standing: &Standing) -> String {
    let (verdict, rest) = (standing.verdict, standing.rest());
    let mut text = format!("<b class={}>{}</b>{rest}", class(verdict), word(verdict));
    if standing.before > 0 {
        let _ = write!(text, ", <b class=failed>not reproduced before: {}</b>", count(standing.before, "statement"));
    }
    text
}

/// The index.
pub(super) fn index(site: &Site<'_>, statements: usize, title: &str) -> String {
    let mut page = String::new();
    start(&mut page, title);
    let _ = writeln!(page, "<header><h1>{}</h1>", text(title));
    let all = site.images.values().flatten();
    let operators: BTreeSet<&str> = all.map(|entry| entry.operator.as_str()).collect();
    let (images, failing) = (site.images.len(), site.failing());
    let _ = write!(
        page,
        "<p>{} by {} about {}",
        count(statements, "statement"),
        count(operators.len(), "operator"),
        count(images, "image")
    );
    if let Some(newest) = site.newest {
        let _ = write!(page, "; the newest is of <time>{newest}</time>");
    }
    page.push_str(".</p>\n");
    if failing > 0 {
        let _ = writeln!(
            page,
            "<p><b class=failed>Not reproduced: {} of {}</b></p>",
            thousands(failing),
            thousands(images)
        );
    } else if images > 0 {
        let _ = writeln!(page, "<p><b class=good>Reproduced: all of {}</b></p>", thousands(images));
    }
    page.push_str("</header>\n<main>\n");
    for one in &site.names {
        named(&mut page, one, site.newest.unwrap_or_default());
    }
    page.push_str("</main>\n");
    end(&mut page);
    page
}

fn named(page: &mut String, named: &Named<'_>, newest: &str) {
    let _ =
        writeln!(page, "<article class={}><h2><bdi>{}</bdi></h2>", class(named.standing.verdict), text(&named.name));
    let _ = writeln!(page, "<p class=v>{}</p>\n<dl>", standing(&named.standing));
    list(page, "Tags seen", named.tags.iter().copied());
    list(page, "Platforms", named.platforms.iter().copied());
    let _ = writeln!(page, "<dt>Newest result<dd><time>{}</time>, {}", named.newest, age(named.newest, newest));
    let file = file_name(&named.name);
    let _ = writeln!(
        page,
        "<dt>Badge<dd><a href=\"badge/{file}.svg\">picture</a>, <a href=\"badge/{file}.json\">for shields</a>"
    );
    let open = if named.images.len() <= OPEN { " open" } else { "" };
    let _ = writeln!(
        page,
        "</dl>\n<details{open}><summary>History: {}</summary>\n<ul class=list>",
        count(named.images.len(), "image")
    );
    for one in &named.images {
        history(page, one);
    }
    page.push_str("</ul></details></article>\n");
}

fn history(page: &mut String, image: &Image<'_>) {
    let (file, short) = (image_file(image.subject), image.subject.short());
    let platform = image.platform.map(|platform| format!(", <bdi>{}</bdi>", text(platform))).unwrap_or_default();
    let tags: Vec<&str> = image.tags.iter().copied().collect();
    let tags = if tags.is_empty() { String::new() } else { format!(", <bdi>{}</bdi>", text(&tags.join(", "))) };
    let _ = writeln!(
        page,
        "<li>{}: <a href=\"{file}\"><code>{short}</code></a>{platform}{tags}, <time>{}</time>",
        standing(&image.standing),
        image.newest
    );
}

/// A row of a list, if there is anything to show.
pub(super) fn list<'t>(page: &mut String, title: &str, all: impl Iterator<Item = &'t str>) {
    let all: Vec<String> = all.map(|one| format!("<bdi>{}</bdi>", text(one))).collect();
    if !all.is_empty() {
        let _ = writeln!(page, "<dt>{title}<dd>{}", all.join(", "));
    }
}

fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", thousands(number))
}
