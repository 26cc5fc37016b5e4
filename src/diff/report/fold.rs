//! Repetition folded: many differences of one kind are one group, with a count and the range of their values.

use std::collections::{BTreeMap, BTreeSet};

use crate::causes::{Cause, Class};
use crate::diff::model::{Difference, Part, Rank, Report};
use crate::diff::report::window::{shown, time_text};
use crate::stamp::Instant;

/// Differences of one class, cause and field.
#[derive(Debug)]
pub(crate) struct Group<'r> {
    pub(crate) class: Class,
    pub(crate) cause: Option<&'static Cause>,
    /// The field, numbers in it replaced by `*`.
    pub(crate) field: String,
    pub(crate) members: Vec<&'r Difference>,
}

impl Group<'_> {
    /// The parts of the image that its members are in: `layers 0, 2`.
    pub(crate) fn places(&self, report: &Report) -> String {
        const SHOWN: usize = 6;
        let mut names: Vec<String> = Vec::new();
        let mut layers: Vec<String> = Vec::new();
        let parts: BTreeSet<usize> = self.members.iter().map(|difference| difference.place).collect();
        let mut seen = BTreeSet::new();
        let parts = parts.iter().filter_map(|place| report.places.get(*place)).map(|place| place.part);
        for part in parts.filter(|part| seen.insert(*part)) {
            let (list, name) = match part {
                Part::Layer(_) => (&mut layers, part.to_string().trim_start_matches("layer ").to_owned()),
                _ => (&mut names, part.to_string()),
            };
            list.push(name);
        }
        if !layers.is_empty() {
            let more = layers.len().saturating_sub(SHOWN);
            let word = if layers.len() == 1 { "layer" } else { "layers" };
            layers.truncate(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            names.push(format!("{word} {}{more}", layers.join(", ")));
        }
        names.join(", ")
    }

    /// The range of the values of one side, if all of them are times.
    fn range(&self, side: usize) -> Option<String> {
        let mut range: Option<(Instant, Instant)> = None;
        for difference in &self.members {
            let Some(value) = difference.values.get(side).and_then(Option::as_ref) else { continue };
            let time = value.as_time()?;
            let (low, high) = range.unwrap_or((time, time));
            range = Some((low.min(time), high.max(time)));
        }
        range.map(|(low, high)| match low == high {
            true => time_text(low),
            false => format!("{} to {}", time_text(low), time_text(high)),
        })
    }

    /// A summary of its values, in a line.
    pub(crate) fn summary(&self) -> String {
        let has = |side: usize| self.members.iter().all(|d| d.values.get(side).is_some_and(Option::is_some));
        match (self.range(0), self.range(1)) {
            (Some(a), Some(b)) => return format!("{a} -> {b}"),
            (Some(a), None) if !has(1) => return format!("{a} -> nothing"),
            (None, Some(b)) if !has(0) => return format!("nothing -> {b}"),
            _ => {}
        }
        let side = |side: usize| {
            let first = self.members.first().and_then(|d| d.values.get(side)?.as_ref());
            (self.members.iter().all(|d| d.values.get(side).and_then(Option::as_ref) == first), first)
        };
        match (side(0), side(1)) {
            ((true, None), (true, None)) => String::new(),
            ((true, a), (true, b)) => shown([a, b]).join(" -> "),
            _ if !has(0) && self.members.iter().all(|d| d.values[0].is_none()) => "only in B".to_owned(),
            _ if !has(1) && self.members.iter().all(|d| d.values[1].is_none()) => "only in A".to_owned(),
            _ => String::new(),
        }
    }
}

/// Differences as they are shown: files whose content matters one by one, the others in groups.
pub(crate) struct Shown<'r> {
    /// Groups of what matters and is in no file, or is known by its path.
    pub(crate) first: Vec<Group<'r>>,
    /// Files: what runs as its owner, what runs, then the others; of those what nothing explains.
    pub(crate) files: Vec<&'r Difference>,
    /// All else.
    pub(crate) rest: Vec<Group<'r>>,
}

impl<'r> Shown<'r> {
    pub(crate) fn of(differences: impl Iterator<Item = &'r Difference>) -> Self {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for difference in differences {
            if is_listed(difference) { &mut files } else { &mut others }.push(difference);
        }
        // Stable: what is alike stays in the order of places and paths.
        files.sort_by_key(|difference| (difference.rank, difference.cause.is_some()));
        let mut first = groups(others.into_iter());
        let rest = first.split_off(first.partition_point(|group| group.class == Class::Content));
        let known = first.split_off(first.partition_point(|group| group.cause.is_none()));
        Self { first, files, rest: known.into_iter().chain(rest).collect() }
    }
}

/// Is it a file that differs for no known reason? A cause that is guessed from a command explains no single file.
fn is_listed(difference: &Difference) -> bool {
    let is_guessed = difference.cause.is_none_or(Cause::is_of_commands);
    difference.class == Class::Content && !difference.path.is_empty() && (is_guessed || difference.rank != Rank::Other)
}

/// Groups differences: by class, in each what no cause explains first, then in the order of the first of each group;
/// groups of one cause follow each other.
pub(crate) fn groups<'r>(differences: impl Iterator<Item = &'r Difference>) -> Vec<Group<'r>> {
    let mut all: Vec<(usize, Group<'r>)> = Vec::new();
    let mut known: BTreeMap<(Class, Option<&'static str>, String, [bool; 2]), usize> = BTreeMap::new();
    let mut causes: BTreeMap<(Class, &'static str), usize> = BTreeMap::new();
    for difference in differences {
        let (class, cause) = (difference.class, difference.cause);
        let field = general(&difference.field);
        let sides = [0, 1].map(|side| difference.values.get(side).is_some_and(Option::is_some));
        let key = (class, cause.map(|cause| cause.id), field.clone(), sides);
        let at = *known.entry(key).or_insert(all.len());
        if at == all.len() {
            let order = cause.map_or(at, |cause| *causes.entry((class, cause.id)).or_insert(at));
            all.push((order, Group { class, cause, field, members: Vec::new() }));
        }
        if let Some((_, group)) = all.get_mut(at) {
            group.members.push(difference);
        }
    }
    all.sort_by_key(|(order, group)| (group.class, group.cause.is_some(), *order));
    all.into_iter().map(|(_, group)| group).collect()
}

/// `history[3].created` is `history[*].created` for many of its kind.
pub(crate) fn general(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = after.split_at_checked(digits).unwrap_or(("", after));
        out.push_str(if !number.is_empty() && tail.starts_with(']') { "*" } else { number });
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_brackets_are_folded() {
        assert_eq!(general("history[12].created"), "history[*].created");
        assert_eq!(general("annotations[\"x[1]\"]"), "annotations[\"x[*]\"]");
        assert_eq!(general("a[b"), "a[b");
        assert_eq!(general("mtime"), "mtime");
    }
}
