//! The differences of one part of an image, by path: all that differs of a file is in one place.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use crate::causes::{Cause, Class};
use crate::diff::model::{Difference, Place, Rank};
use crate::diff::report::fold::{Group, general};
use crate::diff::report::html::value::{broken, cells, field_cell, pair};
use crate::diff::report::html::{ROWS, advice, escape, field_name, set_name};
use crate::error::{printable, printable_whole, thousands};

/// So many of one group are shown at once.
const OPEN_GROUP: usize = 12;
/// So many that matter.
const OPEN_CONTENT: usize = 50;

/// What differs at one path, or in one field of a document.
struct Item<'r> {
    differences: Vec<&'r Difference>,
}

impl Item<'_> {
    fn classes(&self) -> BTreeSet<Class> {
        self.differences.iter().map(|difference| difference.class).collect()
    }

    /// Does it need a look of its own: a file whose content no path explains, or a program?
    fn stands_alone(&self) -> bool {
        self.differences.iter().any(|difference| {
            let is_guessed = difference.cause.is_none_or(Cause::is_of_commands);
            let matters = difference.class == Class::Content && !difference.path.is_empty();
            matters && (is_guessed || difference.rank != Rank::Other) && difference.preview.is_some()
        })
    }

    /// What comes first: what matters, what nothing explains, what runs.
    fn order(&self) -> (Class, bool, Rank) {
        let key = |difference: &&Difference| (difference.class, difference.cause.is_some(), difference.rank);
        self.differences.iter().map(key).min().unwrap_or((Class::Time, true, Rank::Other))
    }
}

/// The differences of a part as items; those of one kind, with the same classes, causes and fields, are one group.
fn items<'r>(list: &[&'r Difference]) -> Vec<Vec<Item<'r>>> {
    let mut by_path: HashMap<&[u8], usize> = HashMap::new();
    let mut all: Vec<Vec<&Difference>> = Vec::new();
    for difference in list {
        let at = match difference.path.is_empty() {
            true => all.len(),
            false => *by_path.entry(&difference.path).or_insert(all.len()),
        };
        if at == all.len() {
            all.push(Vec::new());
        }
        all.get_mut(at).into_iter().for_each(|item| item.push(difference));
    }
    drop(by_path);
    let mut kinds: HashMap<Vec<(Class, Option<&str>, Rank, String, [bool; 2])>, usize> = HashMap::new();
    let mut groups: Vec<Vec<Item<'_>>> = Vec::new();
    for differences in all {
        let kind: Vec<_> = differences
            .iter()
            .map(|one| {
                let sides = one.values.each_ref().map(Option::is_some);
                (one.class, one.cause.map(|cause| cause.id), one.rank, general(&one.field), sides)
            })
            .collect();
        let item = Item { differences };
        if item.stands_alone() {
            groups.push(vec![item]);
            continue;
        }
        let at = *kinds.entry(kind).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    // Stable: what is alike stays in the order of paths.
    groups.sort_by_key(|group| group.first().map(Item::order));
    groups
}

/// The sets of classes that the elements of a part have.
pub(super) fn class_sets(list: &[&Difference]) -> BTreeSet<BTreeSet<Class>> {
    let mut sets: BTreeSet<BTreeSet<Class>> = BTreeSet::new();
    sets.insert(list.iter().map(|difference| difference.class).collect());
    let mut by_path: HashMap<&[u8], BTreeSet<Class>> = HashMap::new();
    for difference in list {
        match difference.path.is_empty() {
            true => drop(sets.insert(BTreeSet::from([difference.class]))),
            false => drop(by_path.entry(&difference.path).or_default().insert(difference.class)),
        }
    }
    sets.extend(by_path.into_values());
    sets
}

pub(super) fn part(page: &mut String, place: &Place, list: &[&Difference], is_short: bool) {
    let classes: BTreeSet<Class> = list.iter().map(|difference| difference.class).collect();
    let open = if is_short || classes.iter().any(|class| *class != Class::Time) { " open" } else { "" };
    let name = set_name(&classes);
    let _ = write!(page, "<details class={name}{open}><summary><strong>{}</strong>", escape(&place.part.to_string()));
    let _ = write!(page, " <span class=n>{}</span>", thousands(list.len()));
    if !place.about.is_empty() {
        let _ = write!(page, " <code class=s>{}</code>", escape(&printable(place.about.as_bytes())));
    }
    page.push_str("</summary><div>\n");
    let mut rows = Rows { page, explained: HashSet::new() };
    let mut alone = 0;
    let mut more = 0;
    for group in items(list) {
        match group.as_slice() {
            [one] if alone >= ROWS => more += one.differences.len(),
            [one] => {
                alone += 1;
                rows.item(one, true);
            }
            group => rows.group(group),
        }
    }
    if more > 0 {
        let _ = writeln!(rows.page, "<p class=s>{} more, see --json</p>", thousands(more));
    }
    page.push_str("</div></details>\n");
}

/// Where rows go, and the causes that were explained in this part.
struct Rows<'p> {
    page: &'p mut String,
    explained: HashSet<&'static str>,
}

impl Rows<'_> {
    /// What differs at one path: a line for each field. A member of a group has its classes and causes from that.
    fn item(&mut self, item: &Item<'_>, is_alone: bool) {
        let name = set_name(&item.classes());
        let worst = item.classes().first().copied().unwrap_or(Class::Time);
        let border = if is_alone { format!(" b-{worst}") } else { String::new() };
        let _ = write!(self.page, "<div class=\"d {name}{border}\">");
        if let Some(first) = item.differences.first().filter(|first| !first.path.is_empty()) {
            let _ = writeln!(self.page, "<div class=t><code>{}</code></div>", escape(&first.printable_path()));
        }
        for difference in &item.differences {
            self.line(difference, is_alone);
        }
        if is_alone {
            self.causes(&item.differences);
        }
        self.page.push_str("</div>\n");
    }

    fn line(&mut self, one: &Difference, with_class: bool) {
        let class = one.class;
        let _ = write!(self.page, "<div class=\"e c-{class}\">");
        if with_class {
            let _ = write!(self.page, "<span class=k>{class}</span>");
        }
        let _ = write!(self.page, "<span class=o>{}</span> ", broken(field_name(one)));
        if one.values.iter().any(Option::is_some) {
            self.page.push_str(&pair(one));
        }
        if let Some(note) = &one.note {
            let _ = write!(self.page, " <span class=s>({})</span>", escape(&printable_whole(note.as_bytes())));
        }
        if let Some(preview) = &one.preview {
            self.page.push_str("<pre>");
            for line in preview.lines() {
                let class = match line.chars().next() {
                    Some('-') => "m",
                    Some('+') => "p",
                    Some('@') => "h",
                    _ => "",
                };
                let _ = write!(self.page, "<span class=\"{class}\">{}</span>", escape(line));
            }
            self.page.push_str("</pre>");
        }
        self.page.push_str("</div>\n");
    }

    /// How the causes of these are avoided: once in a part, where they come up first.
    fn causes(&mut self, differences: &[&Difference]) {
        let causes: BTreeMap<&str, &'static Cause> =
            differences.iter().filter_map(|difference| difference.cause).map(|cause| (cause.id, cause)).collect();
        for cause in causes.into_values() {
            if self.explained.insert(cause.id) {
                let _ = writeln!(self.page, "{}", advice::line(cause));
            } else {
                let _ = writeln!(self.page, "<p class=\"w s\">{}, see above</p>", escape(cause.id));
            }
        }
    }

    /// Several paths of which the same fields differ, for the same reasons.
    fn group(&mut self, group: &[Item<'_>]) {
        let Some(first) = group.first() else { return };
        let classes = first.classes();
        let worst = classes.first().copied().unwrap_or(Class::Time);
        let count = group.len();
        let is_open = count <= OPEN_GROUP || worst == Class::Content && count <= OPEN_CONTENT;
        let open = if is_open { " open" } else { "" };
        let _ = write!(self.page, "<details class=\"g {} b-{worst}\"{open}><summary>", set_name(&classes));
        let kinds: Vec<Group<'_>> = (0..first.differences.len())
            .filter_map(|at| {
                let one = first.differences.get(at)?;
                let members = group.iter().filter_map(|item| item.differences.get(at).copied()).collect();
                Some(Group { class: one.class, cause: one.cause, field: general(&one.field), members })
            })
            .collect();
        for (number, (one, kind)) in first.differences.iter().zip(&kinds).enumerate() {
            let class = one.class;
            let field = if field_name(one) == "bytes" { "bytes" } else { &kind.field };
            let times = if number == 0 { format!("{} × ", thousands(count)) } else { String::new() };
            let summary = escape(&kind.summary().replace("->", "→"));
            let _ = write!(
                self.page,
                "<span class=\"e c-{class}\"><span class=k>{class}</span>{times}{} <code class=s>{summary}</code></span>",
                broken(field)
            );
        }
        self.page.push_str("</summary><div>\n");
        let is_plain = |item: &Item<'_>| item.differences.iter().all(|one| one.preview.is_none() && one.note.is_none());
        let is_same = |kind: &Group<'_>| {
            kind.members.iter().all(|one| Some(&one.values) == kind.members.first().map(|first| &first.values))
        };
        match kinds.as_slice() {
            [kind] if group.iter().all(is_plain) => self.table(kind),
            // All that differs is in the title: what is left is where.
            [kind, ..] if group.iter().all(is_plain) && kinds.iter().all(is_same) => self.table(kind),
            _ => {
                for item in group.iter().take(ROWS) {
                    self.item(item, false);
                }
            }
        }
        if count > ROWS {
            let _ = writeln!(self.page, "<p class=s>{} more, see --json</p>", thousands(count - ROWS));
        }
        self.causes(&first.differences);
        self.page.push_str("</div></details>\n");
    }

    /// A row for each difference; a column that says the same in all of them is left out.
    fn table(&mut self, group: &Group<'_>) {
        let has_path = group.members.iter().any(|one| !one.path.is_empty());
        let has_field = !has_path || group.members.iter().any(|one| one.field != group.field);
        let first = group.members.first();
        let has_values = group.members.iter().any(|one| Some(&one.values) != first.map(|first| &first.values));
        self.page.push_str("<table><tr>");
        let columns = [("path", has_path), ("field", has_field), ("A", has_values), ("B", has_values)];
        for (name, _) in columns.iter().filter(|column| column.1) {
            let _ = write!(self.page, "<th>{name}");
        }
        self.page.push('\n');
        for one in group.members.iter().take(ROWS) {
            self.page.push_str("<tr>");
            if has_path {
                let _ = write!(self.page, "<td>{}", escape(&one.printable_path()));
            }
            if has_field {
                self.page.push_str(&field_cell(field_name(one)));
            }
            if has_values {
                self.page.push_str(&cells(one));
            }
            self.page.push('\n');
        }
        self.page.push_str("</table>\n");
    }
}
