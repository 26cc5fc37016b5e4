//! One page with everything in it: no script, nothing fetched. Folding is `<details>`, the filters are checkboxes
//! that a style sheet looks at. All text goes through [`escape`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io;

use crate::causes::{Cause, Class};
use crate::diff::model::{Difference, Place, Report, Verdict};
use crate::diff::report::fold::{Group, Shown, explanations};
use crate::diff::report::text::thousands;
use crate::diff::report::window::shown;
use crate::error::printable;

const STYLE: &str = include_str!("page.css");
/// How the label of a class looks that is not shown.
const OFF: &str = "color:var(--soft);border-style:dashed;text-decoration:line-through";
/// A page of so many differences shows all of them at once.
const OPEN: usize = 100;
/// So many of one group.
const OPEN_GROUP: usize = 12;
/// Rows of a table; what is beyond is only counted, so that a browser can open the page.
const ROWS: usize = 1000;

/// Writes the report as a page.
///
/// # Errors
///
/// If it can't be written.
pub fn html(out: &mut dyn io::Write, report: &Report) -> io::Result<()> {
    let mut page = String::new();
    head(&mut page, report);
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for difference in &report.differences {
        *counts.entry(difference.class).or_default() += 1;
    }
    // The checkboxes come before everything that they hide: a selector only matches what follows.
    for class in counts.keys() {
        let _ = writeln!(page, "<input class=f type=checkbox checked id=f-{class}>");
    }
    header(&mut page, report);
    if !counts.is_empty() {
        page.push_str("<nav aria-label=\"Classes that are shown\"><span class=s>Show</span>");
        for (class, count) in &counts {
            let _ = write!(page, "<label for=f-{class}>{class} <b>{}</b></label>", thousands(*count));
        }
        page.push_str("</nav>\n");
    }
    page.push_str("<main>\n");
    if report.differences.is_empty() && report.accepted.is_empty() {
        page.push_str("<p class=s>There is nothing to list.</p>\n");
    }
    places(&mut page, report, out)?;
    accepted(&mut page, report);
    page.push_str("</main>\n</html>\n");
    out.write_all(page.as_bytes())
}

/// Makes any text fit for an element or a quoted attribute, with nothing that is not shown.
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
    page.push_str(STYLE);
    for class in Class::ALL {
        let _ = writeln!(page, "#f-{class}:not(:checked)~main .c-{class}{{display:none}}");
        let _ = writeln!(page, "#f-{class}:not(:checked)~nav label[for=f-{class}]{{{OFF}}}");
        let _ = writeln!(page, "#f-{class}:focus-visible~nav label[for=f-{class}]{{outline:2px solid var(--blue)}}");
    }
    // A part of which every class is hidden has nothing left to show.
    let mut shown = BTreeSet::new();
    for (_, list) in by_place(report) {
        let classes: BTreeSet<Class> = list.iter().map(|difference| difference.class).collect();
        if shown.insert(classes.clone()) {
            let boxes: Vec<String> = classes.iter().map(|class| format!("#f-{class}:not(:checked)")).collect();
            let _ = writeln!(page, "{}~main .{}{{display:none}}", boxes.join("~"), part_name(&classes));
        }
    }
    page.push_str("</style>\n");
}

/// What all parts with these classes are called in the style sheet.
fn part_name(classes: &BTreeSet<Class>) -> String {
    classes.iter().fold("part".to_owned(), |name, class| format!("{name}-{class}"))
}

fn header(page: &mut String, report: &Report) {
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
        Verdict::Different => "something differs that runs, is read, or is granted",
    };
    let _ = writeln!(page, "<h1 class={class}>{verdict}</h1>\n<p class=s>{meaning}</p>\n<dl>");
    for (side, name) in ["A", "B"].iter().zip(&report.names) {
        let _ = writeln!(page, "<dt>{side}<dd>{}", escape(&printable(name.as_bytes())));
    }
    let _ = writeln!(page, "<dt>differences<dd>{}", thousands(report.differences.len()));
    page.push_str("</dl>\n");
    for text in explanations(report) {
        let _ = writeln!(page, "<p>{}</p>", escape(&text));
    }
}

/// The differences of each part of the images; parts with what matters come first.
fn by_place(report: &Report) -> Vec<(usize, Vec<&Difference>)> {
    let mut by_place: BTreeMap<usize, Vec<&Difference>> = BTreeMap::new();
    for difference in &report.differences {
        by_place.entry(difference.place).or_default().push(difference);
    }
    let mut all: Vec<(usize, Vec<&Difference>)> = by_place.into_iter().collect();
    let worst = |list: &[&Difference]| list.iter().map(|difference| difference.class).min();
    all.sort_by_key(|(number, list)| (worst(list), *number));
    all
}

/// The tree: image, part of it, group, difference.
fn places(page: &mut String, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let all = by_place(report);
    let is_short = report.differences.len() <= OPEN;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut images: Vec<(&str, Vec<(&Place, &[&Difference])>)> = Vec::new();
    for (number, list) in &all {
        let Some(place) = report.places.get(*number) else { continue };
        let at = *numbers.entry(&place.image).or_insert(images.len());
        if at == images.len() {
            images.push((&place.image, Vec::new()));
        }
        images.get_mut(at).into_iter().for_each(|(_, parts)| parts.push((place, list)));
    }
    for (image, parts) in images {
        let _ = writeln!(page, "<section><h2>{}</h2>", escape(image));
        for (place, list) in parts {
            part(page, place, list, is_short);
            out.write_all(page.as_bytes())?;
            page.clear();
        }
        page.push_str("</section>\n");
    }
    Ok(())
}

fn part(page: &mut String, place: &Place, list: &[&Difference], is_short: bool) {
    let classes: BTreeSet<Class> = list.iter().map(|difference| difference.class).collect();
    let open = if is_short || classes.iter().any(|class| *class != Class::Time) { " open" } else { "" };
    let name = part_name(&classes);
    let _ = write!(page, "<details class={name}{open}><summary><strong>{}</strong>", escape(&place.part.to_string()));
    let _ = write!(page, " <span class=n>{}</span>", thousands(list.len()));
    if !place.about.is_empty() {
        let _ = write!(page, " <code class=s>{}</code>", escape(&printable(place.about.as_bytes())));
    }
    page.push_str("</summary><div>\n");
    let shown = Shown::of(list.iter().copied());
    groups(page, &shown.first);
    files(page, &shown.files);
    groups(page, &shown.rest);
    page.push_str("</div></details>\n");
}

fn groups(page: &mut String, groups: &[Group<'_>]) {
    let mut next = groups.iter().skip(1);
    for group in groups {
        self::group(page, group);
        // Groups of one cause follow each other, and it is explained after the last of them.
        let is_last = next.next().is_none_or(|next| (next.class, next.cause) != (group.class, group.cause));
        if let Some(cause) = group.cause.filter(|_| is_last) {
            self::cause(page, group.class, cause);
        }
    }
}

/// Files one by one, and each cause of them once after all.
fn files(page: &mut String, files: &[&Difference]) {
    for one in files.iter().take(ROWS) {
        difference(page, one);
    }
    if files.len() > ROWS {
        let _ = writeln!(page, "<p class=s>{} more, see --json</p>", thousands(files.len() - ROWS));
    }
    let causes: BTreeMap<&str, &Cause> =
        files.iter().filter_map(|difference| difference.cause).map(|cause| (cause.id, cause)).collect();
    for known in causes.values() {
        cause(page, Class::Content, known);
    }
}

fn cause(page: &mut String, class: Class, cause: &Cause) {
    let _ = writeln!(
        page,
        "<p class=\"w c-{class}\"><strong>{}</strong>: {}.<br>To avoid it: {}</p>",
        escape(cause.id),
        escape(cause.what),
        escape(cause.advice)
    );
}

fn group(page: &mut String, group: &Group<'_>) {
    let class = group.class;
    if let [one] = group.members.as_slice() {
        difference(page, one);
        return;
    }
    let count = group.members.len();
    let is_open = count <= OPEN_GROUP || class == Class::Content && count <= 50;
    let open = if is_open { " open" } else { "" };
    let _ = write!(page, "<details class=\"g c-{class}\"{open}><summary><span class=k>{class}</span>");
    let _ = write!(page, "{} × {}", thousands(count), escape(&printable(group.field.as_bytes())));
    let _ = writeln!(page, " <code class=s>{}</code></summary><div>", escape(&group.summary().replace("->", "→")));
    if group.members.iter().any(|d| d.preview.is_some() || d.note.is_some()) {
        for one in group.members.iter().take(ROWS) {
            difference(page, one);
        }
    } else {
        table(page, group);
    }
    if count > ROWS {
        let _ = writeln!(page, "<p class=s>{} more, see --json</p>", thousands(count - ROWS));
    }
    page.push_str("</div></details>\n");
}

/// A row for each difference; a column that says the same in all of them is left out.
fn table(page: &mut String, group: &Group<'_>) {
    let has_path = group.members.iter().any(|one| !one.path.is_empty());
    let has_field = !has_path || group.members.iter().any(|one| one.field != group.field);
    page.push_str("<table><tr>");
    for (name, _) in [("path", has_path), ("field", has_field), ("A", true), ("B", true)].iter().filter(|c| c.1) {
        let _ = write!(page, "<th>{name}");
    }
    page.push('\n');
    for one in group.members.iter().take(ROWS) {
        page.push_str("<tr>");
        if has_path {
            let _ = write!(page, "<td>{}", escape(&one.printable_path()));
        }
        if has_field {
            let _ = write!(page, "<td>{}", escape(&printable(one.field.as_bytes())));
        }
        let [a, b] = &one.values;
        for (text, value) in shown([a.as_ref(), b.as_ref()]).iter().zip(&one.values) {
            let _ = write!(page, "<td>{}", value.as_ref().map(|_| escape(text)).unwrap_or_default());
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
        let [a, b] = &one.values;
        let [a, b] = shown([a.as_ref(), b.as_ref()]);
        let _ = write!(page, ": <code>{} → {}</code>", escape(&a), escape(&b));
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
            let _ = write!(page, "<span class=\"{class}\">{}</span>", escape(line));
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
    use crate::diff::model::Value;

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
        let mut page = Vec::new();
        html(&mut page, &report).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!page.contains('\u{202e}'));
    }
}
