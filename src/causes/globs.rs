//! Many globs, of which a path can match few: which is the first that it matches?
//!
//! A set of regular expressions for all of them takes long to build and to run. Here a glob is a list of names, and is
//! tried only on paths that have one of its names. It takes at most as long as the path times the number of globs.

use std::collections::HashMap;

/// Longer paths lead nowhere (limits.h, PATH_MAX): they fit none.
const PATH_MAX: usize = 4096;

/// Any number of names.
const ANY: &[u8] = b"**";

/// Globs in their order.
#[derive(Debug, Default)]
pub(super) struct Globs {
    globs: Vec<Vec<&'static [u8]>>,
    /// Those that begin with a name, by that name.
    by_first: HashMap<&'static [u8], Vec<usize>>,
    /// Those that begin with `**`, by the longest name in them.
    by_name: HashMap<&'static [u8], Vec<usize>>,
    /// Those without any name that is the same in all paths.
    others: Vec<usize>,
}

impl Globs {
    /// Adds a glob; it comes after those that are there.
    pub(super) fn push(&mut self, glob: &'static str) {
        let at = self.globs.len();
        let names: Vec<&'static [u8]> = glob.as_bytes().split(|byte| *byte == b'/').collect();
        let is_fixed = |name: &&&'static [u8]| !name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        if let Some(first) = names.first().filter(is_fixed) {
            self.by_first.entry(first).or_default().push(at);
        } else if let Some(longest) = names.iter().filter(is_fixed).max_by_key(|name| name.len()) {
            self.by_name.entry(longest).or_default().push(at);
        } else {
            self.others.push(at);
        }
        self.globs.push(names);
    }

    /// The first glob that fits a path and is accepted, by its number.
    pub(super) fn first(&self, path: &[u8], accept: impl Fn(usize) -> bool) -> Option<usize> {
        if path.len() > PATH_MAX {
            return None;
        }
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let mut first = None;
        // A path may have a name more than once.
        let mut tried = vec![false; self.globs.len()];
        let mut look = |all: &[usize]| {
            for at in all.iter().copied() {
                let is_new = tried.get_mut(at).is_some_and(|tried| !std::mem::replace(tried, true));
                if !is_new || first.is_some_and(|first| first < at) {
                    continue;
                }
                if self.globs.get(at).is_some_and(|glob| fits(glob, &names)) && accept(at) {
                    first = Some(at);
                }
            }
        };
        look(&self.others);
        for (at, name) in names.iter().enumerate() {
            if let Some(all) = self.by_first.get(name).filter(|_| at == 0) {
                look(all);
            }
            if let Some(all) = self.by_name.get(name) {
                look(all);
            }
        }
        first
    }
}

/// Does a list of names fit a glob? What `**` took is taken back for the last one alone, which is enough.
fn fits(glob: &[&[u8]], names: &[&[u8]]) -> bool {
    let (mut at, mut name) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (glob.get(at), names.get(name)) {
            (None, None) => return true,
            // At the end of a glob it is at least one name, be it empty: `a/` is below `a`.
            (Some(&ANY), left) if at + 1 == glob.len() => return left.is_some(),
            (Some(&ANY), _) => {
                at += 1;
                retry = Some((at, name));
                continue;
            }
            (Some(pattern), Some(own)) if fits_name(pattern, own) => (at, name) = (at + 1, name + 1),
            (_, None) => return false,
            _ => {
                let Some((after, from)) = retry.filter(|(_, from)| *from < names.len()) else { return false };
                retry = Some((after, from + 1));
                (at, name) = (after, from + 1);
            }
        }
    }
}

/// The same within a name, with `*`, `?` and a set such as `[a-z0-9_]`.
fn fits_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match pattern {
            [b'*', rest @ ..] => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            [] if name.is_empty() => return true,
            [b'?', rest @ ..] => name.split_first().map(|(_, left)| (rest, left)),
            [b'[', rest @ ..] => set(rest)
                .zip(name.split_first())
                .and_then(|((inside, rest), (byte, left))| contains(inside, *byte).then_some((rest, left))),
            [own, rest @ ..] => name.split_first().and_then(|(byte, left)| (byte == own).then_some((rest, left))),
            [] => None,
        };
        (pattern, name) = match (step, retry) {
            (Some(next), _) => next,
            (None, Some((after, [_, left @ ..]))) => {
                retry = Some((after, left));
                (after, left)
            }
            (None, _) => return false,
        };
    }
}

/// What is in a set that was opened, and what follows it.
fn set(pattern: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = pattern.iter().position(|byte| *byte == b']')?;
    Some((pattern.get(..end)?, pattern.get(end + 1..)?))
}

fn contains(mut set: &[u8], byte: u8) -> bool {
    loop {
        set = match set {
            [from, b'-', to, rest @ ..] => {
                if (*from..=*to).contains(&byte) {
                    return true;
                }
                rest
            }
            [own, rest @ ..] => {
                if *own == byte {
                    return true;
                }
                rest
            }
            [] => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use globset::GlobBuilder;
    use proptest::prelude::*;

    use super::*;

    fn fits_text(glob: &str, path: &str) -> bool {
        let split = |text: &'_ str| text.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let (glob, names) = (split(glob), split(path));
        fits(&glob.iter().map(Vec::as_slice).collect::<Vec<_>>(), &names.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_that_fits_counts() {
        let mut globs = Globs::default();
        for glob in ["**/a/*.x", "b/**", "**/*.x", "b/c"] {
            globs.push(glob);
        }
        let first = |path: &str| globs.first(path.as_bytes(), |_| true);
        assert_eq!(first("b/a/1.x"), Some(0));
        assert_eq!(first("b/1.x"), Some(1));
        assert_eq!(first("c/1.x"), Some(2));
        assert_eq!(first("b/"), Some(1));
        assert_eq!((first("b"), first(""), first("c/1.y")), (None, None, None));
        assert_eq!(globs.first(b"b/c", |at| at > 1), Some(3));
        assert_eq!(first(&"a/".repeat(5000)), None);
    }

    #[test]
    fn a_long_path_takes_no_long_time() {
        let glob = "**/*a*a*a*b/**/*a*a*b/**/c";
        assert!(!fits_text(glob, &"aaaaaaaa/".repeat(400)));
        assert!(!fits_text("**/x*x*x*x*x*y", &"x".repeat(4000)));
    }

    proptest! {
        #[test]
        fn it_fits_as_globset_does(
            glob in proptest::collection::vec(prop_oneof![
                Just("**"), Just("*"), Just("a"), Just("b*"), Just("*b"), Just("?b"), Just("[a-b]x"), Just("a*b*")
            ], 1..5),
            path in "[abx]{0,3}(/[abx]{1,3}){0,4}/?",
        ) {
            let glob = glob.join("/");
            prop_assume!(!glob.contains("**/**"));
            let theirs = GlobBuilder::new(&glob).literal_separator(true).build().unwrap().compile_matcher();
            prop_assert_eq!(fits_text(&glob, &path), theirs.is_match(&path), "{} {}", glob, path);
        }
    }
}
