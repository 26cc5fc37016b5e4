//! One page with everything in it: no script, nothing fetched. Folding is `<details>`, the filters are checkboxes
//! that a style sheet looks at. All text goes through [`escape`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fold::{Group, explanations, groups};
use super::text::thousands;
use crate::causes::Class;
use crate::diff::model::{Difference, Place, Report, Value, Verdict};
use crate::error::printable;

const STYLE: &str = include_str!("page.css");
/// Rows of a table; what is beyond is only counted, so that a browser can open the page.
const ROWS: usize = 1000;

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for difference in &report.differences {
        *counts.entry(difference.class).or_default() += 1;
    }
    // The checkboxes stand before all that they hide, as a selector only looks ahead.
    for class in counts.keys() {
        let _ = writeln!(page, "<input class=f type=checkbox checked id=f-{class}>");
    }
    header(&mut page, report);
    page.push_str("<nav aria-label=\"show these classes\">");
    for (class, count) in &counts {
        let _ = write!(page, "<label for=f-{class}>{class}<b>{}</b></label>", thousands(*count));
    }
    page.push_str("</nav>\n<main>\n");
    places(&mut page, report);
    accepted(&mut page, report);
    page.push_str("</main>\n</html>\n");
    page
}

/// Makes any text fit to stand in an element or a quoted attribute, with nothing that is not shown.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

fn head(page: &mut String, report: &Report) {
    page.push_str("<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n");
    page.push_str("<meta name=viewport content=\"width=device-width,initial-scale=1\">\n");
    // Whatever should slip through could still not run or fetch anything.
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
    page.push_str(STYLE);
    for class in Class::ALL {
        let _ = writeln!(page, "#f-{class}:not(:checked)~main .c-{class}{{display:none}}");
        let _ = writeln!(page, "#f-{class}:checked~nav label[for=f-{class}]{{color:var(--fg);border-color:var(--fg)}}");
        let _ = writeln!(page, "#f-{class}:focus-visible~nav label[for=f-{class}]{{outline:2px solid var(--blue)}}");
    }
    page.push_str("</style>\n");
}

fn header(page: &mut String, report: &Report) {
    let verdict = report.verdict();
    let class = match verdict {
        Verdict::Identical => "identical",
        Verdict::SameAfterRestamping => "same-after-restamping",
        Verdict::Explainable => "explainable",
        Verdict::Different => "different",
    };
    let _ = writeln!(page, "<h1 class={class}>{verdict}</h1>\n<dl>");
    for (side, name) in ["A", "B"].iter().zip(&report.names) {
        let _ = writeln!(page, "<dt>{side}<dd>{}", escape(&printable(name.as_bytes())));
    }
    let _ = writeln!(page, "<dt>differences<dd>{}", thousands(report.differences.len()));
    page.push_str("</dl>\n");
    for text in explanations(report) {
        let _ = writeln!(page, "<p>{}</p>", escape(&text));
    }
}

/// The tree: image, part of it, group, difference. Parts with what matters come first, and are open.
fn places(page: &mut String, report: &Report) {
    let mut by_place: BTreeMap<usize, Vec<&Difference>> = BTreeMap::new();
    for difference in &report.differences {
        by_place.entry(difference.place).or_default().push(difference);
    }
    let mut all: Vec<(usize, Vec<&Difference>)> = by_place.into_iter().collect();
    let worst = |list: &[&Difference]| list.iter().map(|difference| difference.class).min();
    all.sort_by_key(|(number, list)| (worst(list), *number));
    let mut images: Vec<&str> = Vec::new();
    for (number, _) in &all {
        let image = report.places.get(*number).map_or("", |place| place.image.as_str());
        if !images.contains(&image) {
            images.push(image);
        }
    }
    for image in images {
        let _ = writeln!(page, "<section><h2>{}</h2>", escape(image));
        for (number, list) in &all {
            if let Some(place) = report.places.get(*number).filter(|place| place.image == image) {
                part(page, place, list);
            }
        }
        page.push_str("</section>\n");
    }
}

fn part(page: &mut String, place: &Place, list: &[&Difference]) {
    // A part of which every class is hidden has nothing to show; it is hidden by having no name of its own to keep.
    let open = if list.iter().any(|difference| difference.class != Class::Time) { " open" } else { "" };
    let _ = write!(page, "<details{open}><summary><strong>{}</strong>", escape(&place.part.to_string()));
    if !place.about.is_empty() {
        let _ = write!(page, " <code class=s>{}</code>", escape(&printable(place.about.as_bytes())));
    }
    let _ = writeln!(page, " <span class=s>{}</span></summary><div>", thousands(list.len()));
    for group in groups(list.iter().copied()) {
        self::group(page, &group);
    }
    page.push_str("</div></details>\n");
}

fn group(page: &mut String, group: &Group<'_>) {
    let class = group.class;
    if let [one] = group.members.as_slice() {
        difference(page, one);
    } else {
        let open = if class == Class::Content && group.members.len() <= 50 { " open" } else { "" };
        let _ = write!(page, "<details class=\"g c-{class}\"{open}><summary><span class=k>{class}</span>");
        let _ = write!(page, "{} × {}", thousands(group.members.len()), escape(&printable(group.field.as_bytes())));
        let summary = group.summary();
        let _ = writeln!(page, " <code class=s>{}</code></summary><div>", escape(&summary));
        if group.members.iter().any(|d| d.preview.is_some() || d.note.is_some()) {
            for one in group.members.iter().take(ROWS) {
                difference(page, one);
            }
        } else {
            table(page, group);
        }
        if group.members.len() > ROWS {
            let _ = writeln!(page, "<p class=s>{} more, see --json</p>", thousands(group.members.len() - ROWS));
        }
        page.push_str("</div></details>\n");
    }
    if let Some(cause) = group.cause {
        let _ = writeln!(
            page,
            "<p class=\"s c-{class}\"><strong>{}</strong>: {}. To avoid it: {}</p>",
            escape(cause.id),
            escape(cause.what),
            escape(cause.advice)
        );
    }
}

fn table(page: &mut String, group: &Group<'_>) {
    page.push_str("<table><tr><th>path<th>field<th>A<th>B\n");
    for one in group.members.iter().take(ROWS) {
        let _ =
            write!(page, "<tr><td>{}<td>{}", escape(&one.printable_path()), escape(&printable(one.field.as_bytes())));
        for value in &one.values {
            let _ = write!(page, "<td>{}", escape(&value.as_ref().map(ToString::to_string).unwrap_or_default()));
        }
        page.push('\n');
    }
    page.push_str("</table>\n");
}

fn difference(page: &mut String, one: &Difference) {
    let class = one.class;
    let _ = write!(page, "<div class=\"d c-{class}\"><span class=k>{class}</span>");
    if !one.path.is_empty() {
        let _ = write!(page, "<code><strong>{}</strong></code> ", escape(&one.printable_path()));
    }
    page.push_str(&escape(&printable(one.field.as_bytes())));
    if one.values.iter().any(Option::is_some) {
        let text = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        let [a, b] = &one.values;
        let _ = write!(page, ": <code>{} → {}</code>", escape(&text(a)), escape(&text(b)));
    }
    if let Some(note) = &one.note {
        let _ = write!(page, " <span class=s>({})</span>", escape(&printable(note.as_bytes())));
    }
    if let Some(preview) = &one.preview {
        page.push_str("<pre>");
        for line in preview.lines() {
            let class = match line.chars().next() {
                Some('-') => "m",
                Some('+') => "p",
                Some('@') => "h",
                _ => "",
            };
            let _ = writeln!(page, "<span class=\"{class}\">{}</span>", escape(line));
        }
        page.push_str("</pre>");
    }
    page.push_str("</div>\n");
}

fn accepted(page: &mut String, report: &Report) {
    if !report.accepted.is_empty() {
        let count = thousands(report.accepted.len());
        let _ = writeln!(page, "<h2>Accepted</h2>\n<details><summary>{count}</summary><div><table>");
        page.push_str("<tr><th>reason<th>class<th>path<th>field\n");
        for one in report.accepted.iter().take(ROWS) {
            let difference = &one.difference;
            let _ = writeln!(
                page,
                "<tr><td>{}<td>{}<td>{}<td>{}",
                escape(&one.reason),
                difference.class,
                escape(&difference.printable_path()),
                escape(&printable(difference.field.as_bytes()))
            );
        }
        page.push_str("</table></div></details>\n");
    }
    for rule in &report.unused_rules {
        let _ = writeln!(page, "<p>Unused rule: {}</p>", escape(rule));
    }
    if !report.notes.is_empty() {
        page.push_str("<h2>Notes</h2>\n<ul>\n");
        for note in report.notes.iter().take(ROWS) {
            let _ = writeln!(page, "<li>{}", escape(&printable(note.as_bytes())));
        }
        page.push_str("</ul>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::model::Part;

    #[test]
    fn nothing_of_an_image_is_markup() {
        let evil = "</title><script>alert(1)</script><img src=x onerror=\"x\" '\u{202e}\x1b[31m>";
        let place = Place { image: evil.to_owned(), part: Part::Index, digests: [None; 2], about: evil.to_owned() };
        let mut difference =
            Difference::new(Class::Content, 0, evil.to_owned(), [Some(Value::bytes(evil.as_bytes())), None]);
        difference = difference.at(evil.as_bytes()).note(evil);
        difference.preview = Some(format!("+{}\n", printable(evil.as_bytes())).into());
        let report = Report {
            names: [evil.to_owned(), evil.to_owned()],
            places: vec![place],
            differences: vec![difference],
            notes: vec![evil.to_owned()],
            unused_rules: vec![evil.to_owned()],
            ..Report::default()
        };
        let page = html(&report);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!page.contains('\u{202e}'));
    }
}
