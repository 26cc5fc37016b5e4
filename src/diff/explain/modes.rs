//! What all modes or all owners that differ have in common.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::causes::Class;
use crate::diff::explain::{FEWEST, values_of};
use crate::diff::model::Difference;
use crate::error::quoted;

/// What people and systems set as umask.
const UMASKS: [u32; 8] = [0o000, 0o002, 0o007, 0o022, 0o026, 0o027, 0o037, 0o077];
/// The bits that a umask takes away from a file, and from a program or directory.
const FILE: u32 = 0o666;
const ALL: u32 = 0o777;
/// So many pairs of owners are named.
const MAPPED: usize = 3;

/// What all modes that differ have in common.
pub(super) fn modes(differences: &[Difference]) -> Option<String> {
    let read = |text: &str| u32::from_str_radix(text, 8).ok();
    let all: Vec<[u32; 2]> = values_of(differences, "mode", Class::Content, read).collect::<Option<_>>()?;
    let count = all.len();
    if count < FEWEST {
        return None;
    }
    if let Some([a, b]) = umasks(&all) {
        return Some(format!(
            "all {count} modes that differ do so by one umask: A looks built under {a:04o}, B under {b:04o}"
        ));
    }
    let bits = |[a, b]: &[u32; 2]| (a & !b, b & !a);
    let first = all.first().map(bits)?;
    if all.iter().any(|pair| bits(pair) != first) {
        return None;
    }
    let mut text = format!("all {count} modes that differ do so by the same bits:");
    for (bits, name) in [(first.0, "A"), (first.1, "B")].iter().filter(|(bits, _)| *bits != 0) {
        let _ = write!(text, " {bits:04o} only in {name},");
    }
    text.pop();
    Some(text)
}

/// The umasks of both sides, if what differs is only what they take away.
fn umasks(all: &[[u32; 2]]) -> Option<[u32; 2]> {
    let union = |side: usize| all.iter().filter_map(|pair| pair.get(side)).fold(0, |union, mode| union | mode);
    let [a, b] = [union(0), union(1)];
    // Of files that are no programs nothing is known of the bits that let them run.
    let known = if (a | b) & 0o111 != 0 { ALL } else { FILE };
    let masks = [known & !a, known & !b];
    // What both take away shows in neither.
    let fits = |[x, y]: &[u32; 2]| *x == (x | y) & !masks[0] && *y == (x | y) & !masks[1];
    (masks[0] != masks[1] && masks.iter().all(|mask| UMASKS.contains(mask)) && all.iter().all(fits)).then_some(masks)
}

/// What all owners that differ have in common: their IDs, or their names alone.
pub(super) fn owners(differences: &[Difference]) -> Vec<String> {
    let number = |text: &str| text.parse::<i64>().ok();
    let ids = |field| values_of(differences, field, Class::Content, number).collect::<Option<Vec<[i64; 2]>>>();
    let names = |field| {
        let all = values_of(differences, field, Class::Format, |text| Some(text.to_owned()));
        all.collect::<Option<Vec<[String; 2]>>>().unwrap_or_default()
    };
    let (uids, gids) = (ids("uid").unwrap_or_default(), ids("gid").unwrap_or_default());
    let (unames, gnames) = (names("uname"), names("gname"));
    let mut sentences = Vec::new();
    let what = match (uids.len(), gids.len()) {
        (0, _) => "gids",
        (_, 0) => "uids",
        _ => "uids and gids",
    };
    let all: Vec<[i64; 2]> = uids.iter().chain(&gids).copied().collect();
    if all.len() >= FEWEST {
        if let Some(mapped) = mapping(&all, |id| id.to_string()) {
            sentences.push(format!("all {} {what} that differ are mapped alike: {mapped}", all.len()));
        } else if let Some(shift) = all.first().map(|[a, b]| b.saturating_sub(*a))
            && all.iter().all(|[a, b]| b.saturating_sub(*a) == shift)
        {
            let (more, name) = if shift > 0 { (shift, "B") } else { (shift.saturating_neg(), "A") };
            sentences.push(format!(
                "all {} {what} that differ are higher by {more} in {name}, as in a user namespace",
                all.len()
            ));
        }
    }
    let what = match (unames.len(), gnames.len()) {
        (0, _) => "gname",
        (_, 0) => "uname",
        _ => "uname and gname",
    };
    let all: Vec<[String; 2]> = unames.into_iter().chain(gnames).collect();
    if all.len() >= FEWEST
        && uids.is_empty()
        && gids.is_empty()
        && let Some(mapped) = mapping(&all, |name| if name.is_empty() { "no name".to_owned() } else { quoted(name) })
    {
        sentences.push(format!(
            "owners have the same IDs and other names ({what}): {mapped} in all {} that differ; containers use the IDs",
            all.len()
        ));
    }
    sentences
}

/// `0 in A is 1000 in B`, if each value of A always is the same one in B, and they are few.
fn mapping<T: Ord>(all: &[[T; 2]], show: impl Fn(&T) -> String) -> Option<String> {
    let mut map: BTreeMap<&T, &T> = BTreeMap::new();
    for [a, b] in all {
        if *map.entry(a).or_insert(b) != b {
            return None;
        }
    }
    let list = || map.iter().map(|(a, b)| format!("{} in A is {} in B", show(a), show(b)));
    (map.len() <= MAPPED).then(|| list().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::model::Value;

    fn differing(class: Class, field: &'static str, all: &[[&str; 2]]) -> Vec<Difference> {
        let one = |values: &[&str; 2]| Difference::new(class, 0, field, values.map(|v| Some(Value::text(v)))).at(*b"f");
        all.iter().map(one).collect()
    }

    #[test]
    fn a_umask_is_said_of_modes_that_differ_by_nothing_else() {
        let of = |all: &[[&str; 2]]| modes(&differing(Class::Content, "mode", all));
        let said = |all: &[[&str; 2]]| of(all).unwrap_or_default();
        assert!(said(&[["0644", "0664"], ["0755", "0775"]]).ends_with("A looks built under 0022, B under 0002"));
        assert!(said(&[["0644", "0600"], ["0755", "0700"]]).ends_with("A looks built under 0022, B under 0077"));
        assert!(said(&[["0664", "0644"], ["0664", "0644"]]).ends_with("A looks built under 0002, B under 0022"));
        // The same bits, of no umask; one mode that differs in another way; one alone.
        assert!(said(&[["0644", "4644"], ["0755", "4755"]]).ends_with("by the same bits: 4000 only in B"));
        assert!(said(&[["0644", "0755"], ["0600", "0711"]]).ends_with("by the same bits: 0111 only in B"));
        assert_eq!(of(&[["0644", "0664"], ["0755", "0700"]]), None);
        assert_eq!(of(&[["0644", "0664"], ["0664", "0644"]]), None);
        assert_eq!(of(&[["0644", "0664"]]), None);
    }

    #[test]
    fn owners_that_are_mapped_alike_are_said_once() {
        let of = |class, field, all: &[[&str; 2]]| owners(&differing(class, field, all));
        let said = of(Class::Content, "uid", &[["0", "1000"], ["0", "1000"]]);
        assert_eq!(said, ["all 2 uids that differ are mapped alike: 0 in A is 1000 in B"]);
        let said = of(Class::Content, "gid", &[["0", "100000"], ["1", "100001"], ["2", "100002"], ["3", "100003"]]);
        assert_eq!(said, ["all 4 gids that differ are higher by 100000 in B, as in a user namespace"]);
        assert!(of(Class::Content, "uid", &[["0", "1000"], ["0", "1001"]]).is_empty());
        assert!(of(Class::Content, "uid", &[["0", "1000"]]).is_empty());
        let said = of(Class::Format, "uname", &[["root", ""], ["root", ""]]);
        assert_eq!(
            said,
            [
                "owners have the same IDs and other names (uname): \"root\" in A is no name in B in all 2 that differ; containers use the IDs"
            ]
        );
        // Where IDs differ too, the names follow.
        let mut both = differing(Class::Format, "uname", &[["root", "app"], ["root", "app"]]);
        both.extend(differing(Class::Content, "uid", &[["0", "1"], ["0", "2"]]));
        assert!(owners(&both).is_empty());
    }
}
