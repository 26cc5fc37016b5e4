//! One page with everything in it: no script, nothing fetched. Folding is `<details>`, the filters are checkboxes
//! that a style sheet looks at. All text goes through [`escape`].
//!
//! `head.rs` writes what is above the list, `part.rs` the differences of one part of an image, by path, and `value.rs` the
//! values of both sides, with what differs in them marked.

mod advice;
mod head;
mod part;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io;

use crate::causes::Class;
use crate::diff::model::{Difference, Place, Report};
use crate::error::{markup as escape, printable, printable_whole, thousands};

/// Colours of pages, light and dark.
pub(crate) const PALETTE: &str = include_str!("palette.css");
/// A page of so many differences shows all of them at once.
const OPEN: usize = 100;
/// Rows of a table; what is beyond is only counted, so that a browser can open the page.
const ROWS: usize = 1000;

/// What a page says besides the report.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PageStyle<'p> {
    /// The command line that made the report.
    pub command: Option<&'p str>,
}

impl<'p> PageStyle<'p> {
    /// With the command line that made the report.
    #[must_use]
    pub fn command(mut self, command: &'p str) -> Self {
        self.command = Some(command);
        self
    }
}

/// Writes the report as a page.
///
/// # Errors
///
/// If it can't be written.
pub fn html(out: &mut dyn io::Write, report: &Report, style: PageStyle<'_>) -> io::Result<()> {
    let mut page = String::new();
    let mut parts = by_place(report);
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for difference in &report.differences {
        *counts.entry(difference.class).or_default() += 1;
    }
    let sets: BTreeSet<BTreeSet<Class>> = parts.iter().flat_map(|(_, list)| part::class_sets(list)).collect();
    head::head(&mut page, report, &sets);
    // The checkboxes come before everything that they hide: a selector only matches what follows.
    for class in counts.keys() {
        let _ = writeln!(page, "<input class=f type=checkbox checked id=f-{class}>");
    }
    head::header(&mut page, report, style);
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
    places(&mut page, report, &mut parts, out)?;
    accepted(&mut page, report);
    page.push_str("</main>\n</html>\n");
    out.write_all(page.as_bytes())
}

/// What all elements with these classes are called in the style sheet.
fn set_name(classes: &BTreeSet<Class>) -> String {
    classes.iter().fold("set".to_owned(), |name, class| format!("{name}-{class}"))
}

/// The name of a field as a page has it. The class and the field of a file's bytes are one word in reports for programs.
fn field_name(difference: &Difference) -> &str {
    if difference.path.is_empty() || difference.field != "content" { &difference.field } else { "bytes" }
}

/// The differences of each part of the images, from the outermost part to the innermost.
fn by_place(report: &Report) -> Vec<(usize, Vec<&Difference>)> {
    let mut by_place: BTreeMap<usize, Vec<&Difference>> = BTreeMap::new();
    for difference in &report.differences {
        by_place.entry(difference.place).or_default().push(difference);
    }
    let mut all: Vec<(usize, Vec<&Difference>)> = by_place.into_iter().collect();
    all.sort_by_key(|(number, _)| (report.places.get(*number).map(|place| place.part), *number));
    all
}

/// The tree: image, part of it, path, difference.
fn places(
    page: &mut String,
    report: &Report,
    all: &mut Vec<(usize, Vec<&Difference>)>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let is_short = report.differences.len() <= OPEN;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut images: Vec<(&str, Vec<(&Place, Vec<&Difference>)>)> = Vec::new();
    // What is of no image comes first: it is of the sources as a whole.
    let mut sorted: Vec<_> = std::mem::take(all);
    let first = |number: &usize| report.places.get(*number).map(|place| !place.image.is_empty());
    let order: HashMap<&str, usize> =
        report.places.iter().enumerate().rev().map(|(at, place)| (place.image.as_str(), at)).collect();
    let image = |number: &usize| report.places.get(*number).and_then(|place| order.get(place.image.as_str())).copied();
    sorted.sort_by_key(|(number, _)| (first(number), image(number)));
    for (number, list) in sorted {
        let Some(place) = report.places.get(number) else { continue };
        let at = *numbers.entry(&place.image).or_insert(images.len());
        if at == images.len() {
            images.push((&place.image, Vec::new()));
        }
        images.get_mut(at).into_iter().for_each(|(_, parts)| parts.push((place, list.clone())));
    }
    for (image, parts) in images {
        let title = if image.is_empty() { "All images".to_owned() } else { escape(image) };
        let _ = writeln!(page, "<section><h2>{title}</h2>");
        for (place, list) in parts {
            part::part(page, place, &list, is_short);
            out.write_all(page.as_bytes())?;
            page.clear();
        }
        page.push_str("</section>\n");
    }
    Ok(())
}

fn accepted(page: &mut String, report: &Report) {
    if !report.accepted.is_empty() {
        let count = thousands(report.accepted.len());
        let _ = writeln!(page, "<h2>Accepted <span class=n>{count}</span></h2>\n<ul class=reasons>");
        // In the order in which they come up first.
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (number, accepted) in report.accepted.iter().enumerate() {
            counts.entry(&accepted.reason).or_insert((number, 0)).1 += 1;
        }
        let mut reasons: Vec<_> = counts.into_iter().collect();
        reasons.sort_unstable_by_key(|(_, (first, _))| *first);
        for (reason, (_, count)) in reasons {
            let _ = writeln!(page, "<li>{}: {}", escape(&printable(reason.as_bytes())), thousands(count));
        }
        page.push_str("</ul>\n<details><summary>What is accepted</summary><div><table>");
        page.push_str("<tr><th>path<th>field<th>class<th>reason\n");
        for one in report.accepted.iter().take(ROWS) {
            let difference = &one.difference;
            let _ = writeln!(
                page,
                "<tr><td>{}{}<td>{}<td>{}",
                escape(&difference.printable_path()),
                value::field_cell(field_name(difference)),
                difference.class,
                escape(&printable_whole(one.reason.as_bytes()))
            );
        }
        page.push_str("</table>");
        if report.accepted.len() > ROWS {
            let _ = write!(page, "<p class=s>{} more, see --json</p>", thousands(report.accepted.len() - ROWS));
        }
        page.push_str("</div></details>\n");
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
    use crate::diff::model::{Compared, Part, Value};

    #[test]
    fn nothing_of_an_image_is_markup() {
        let evil = "</title><script>alert(1)</script><img src=x onerror=\"x\" '\u{202e}\x1b[31m>";
        let place = Place { image: evil.to_owned(), part: Part::Index, digests: [None; 2], about: evil.to_owned() };
        let mut difference =
            Difference::new(Class::Content, 0, evil.to_owned(), [Some(Value::bytes(evil.as_bytes())), None]);
        difference = difference.at(evil.as_bytes()).note(evil);
        difference.preview = Some(format!("+{}\n", printable(evil.as_bytes())).into());
        let json = Value::text(serde_json::to_string(evil).unwrap());
        let document =
            Difference::new(Class::Name, 0, evil.to_owned(), [Some(json.clone()), Some(Value::text("\"x\""))]);
        let report = Report {
            names: [evil.to_owned(), evil.to_owned()],
            images: vec![Compared { label: evil.to_owned(), digests: [None; 2] }],
            places: vec![place],
            differences: vec![difference, document],
            notes: vec![evil.to_owned()],
            explanations: vec![evil.to_owned()],
            unused_rules: vec![evil.to_owned()],
            ..Report::default()
        };
        let mut page = Vec::new();
        html(&mut page, &report, PageStyle::default().command(evil)).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!page.contains('\u{202e}'));
    }
}
