//! What is left of the wanted files once the layers lie on top of each other (OCI image-spec, layer.md, "Applying
//! Changesets"): later ones win, whiteouts hide, and a path may lead through links.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::origin::taker::{LayerFiles, What};

/// How many links are followed (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The wanted files of a root filesystem.
#[derive(Debug, Default)]
pub struct Root {
    files: BTreeMap<Vec<u8>, What>,
    /// Were there too many names to keep all of them?
    pub is_cut: bool,
}

impl Root {
    /// Puts layers on top of each other, the lowest first.
    pub fn of<'l>(layers: impl IntoIterator<Item = &'l LayerFiles>) -> Self {
        let mut root = Self::default();
        for layer in layers {
            root.apply(layer);
            root.is_cut |= layer.is_cut;
        }
        root
    }

    fn apply(&mut self, layer: &LayerFiles) {
        // Whiteouts hide what is below, never what comes with them.
        for (path, what) in &layer.records {
            let path = || self.resolved(path);
            match what {
                What::Hidden => {
                    let path = path();
                    self.files.remove(&path);
                    self.remove_below(&path);
                }
                What::Opaque => {
                    let path = self.followed(&path());
                    self.remove_below(&path);
                }
                _ => {}
            }
        }
        for (path, what) in layer.records.iter().filter(|(_, what)| !matches!(what, What::Hidden | What::Opaque)) {
            let path = self.resolved(path);
            match what {
                // What is in a directory stays where another layer has the directory again.
                What::Folder => drop(self.files.remove(&path)),
                _ => {
                    self.remove_below(&path);
                    let what = match what {
                        What::HardLink(target) => self.files.get(&self.resolved(target)).cloned(),
                        other => Some(other.clone()),
                    };
                    self.files
                        .insert(path, what.unwrap_or(What::Unread("it is a link to a file that is not looked at")));
                }
            }
        }
    }

    fn remove_below(&mut self, folder: &[u8]) {
        let paths: Vec<Vec<u8>> = self.below(folder).map(|(path, _)| path.to_vec()).collect();
        for path in paths {
            self.files.remove(&path);
        }
    }

    /// What is below a directory.
    fn below<'r>(&'r self, folder: &[u8]) -> impl Iterator<Item = (&'r [u8], &'r What)> + use<'r> {
        let prefix = if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() };
        let range = self.files.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        range.map(|(path, what)| (path.as_slice(), what)).take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// A path whose directories are none of the links that are known.
    fn resolved(&self, path: &[u8]) -> Vec<u8> {
        let (folder, base) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => return path.to_vec(),
        };
        let folder = self.followed(folder);
        if folder.is_empty() { base.to_vec() } else { [folder.as_slice(), b"/", base].concat() }
    }

    /// A path with every link followed, its own as well.
    fn followed(&self, path: &[u8]) -> Vec<u8> {
        let mut pending: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
        let (mut done, mut links): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        while let Some(part) = pending.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                // Above the root there is nothing but the root.
                b".." => drop(done.pop()),
                _ => done.push(part),
            }
            if let Some(What::Symlink(target)) = self.files.get(&done.join(&b'/')) {
                links += 1;
                if links > MAX_LINKS || target.len() > 4096 {
                    return path.to_vec();
                }
                if target.starts_with(b"/") {
                    done.clear()
                } else {
                    drop(done.pop())
                };
                pending.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
        }
        done.join(&b'/')
    }

    /// What is at a path, behind all links.
    pub fn get(&self, path: &str) -> Option<&What> {
        self.files.get(&self.followed(path.as_bytes())).filter(|what| !matches!(what, What::Symlink(_)))
    }

    /// The files of a directory and those below it, in the order of their paths below it.
    pub fn list(&self, folder: &str) -> Vec<(String, &What)> {
        let real = self.followed(folder.as_bytes());
        let skip = real.len() + usize::from(!real.is_empty());
        let names = self.below(&real).map(|(path, what)| (path.get(skip..).unwrap_or_default(), what));
        let texts = names.filter_map(|(name, what)| Some((std::str::from_utf8(name).ok()?.to_owned(), what)));
        texts.filter(|(_, what)| !matches!(what, What::Symlink(_) | What::Other)).collect()
    }

    /// Everything that is there.
    pub fn all(&self) -> impl Iterator<Item = &What> {
        self.files.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Extent;

    fn layer(records: &[(&str, What)]) -> LayerFiles {
        let records = records.iter().map(|(path, what)| (path.as_bytes().into(), what.clone())).collect();
        LayerFiles { records, is_cut: false }
    }

    fn file(text: &str) -> What {
        What::File(Extent::of_bytes(text.as_bytes().to_vec()), 0)
    }

    fn link(target: &str) -> What {
        What::Symlink(target.as_bytes().into())
    }

    fn text(root: &Root, path: &str) -> Option<String> {
        match root.get(path)? {
            What::File(extent, _) => Some(String::from_utf8(extent.bytes(1000).unwrap()).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn later_layers_win_and_whiteouts_hide() {
        let below = layer(&[("etc/os-release", file("1")), ("var/lib/dpkg/status.d/a", file("a"))]);
        let above = layer(&[("etc/os-release", file("2")), ("var/lib/dpkg/status.d/b", file("b"))]);
        let root = Root::of([&below, &above]);
        assert_eq!(text(&root, "etc/os-release").unwrap(), "2");
        assert_eq!(root.list("var/lib/dpkg/status.d").len(), 2);
        let hides = layer(&[("var/lib/dpkg/status.d", What::Opaque), ("var/lib/dpkg/status.d/c", file("c"))]);
        let root = Root::of([&below, &above, &hides]);
        assert_eq!(root.list("var/lib/dpkg/status.d").into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["c"]);
        let hides = layer(&[("var", What::Hidden), ("etc/os-release", What::Hidden)]);
        let root = Root::of([&below, &above, &hides]);
        assert_eq!((root.all().count(), text(&root, "etc/os-release")), (0, None));
        // The directory again hides nothing; a file in its place does.
        let folder = layer(&[("var/lib/dpkg/status.d", What::Folder)]);
        assert_eq!(Root::of([&below, &folder]).list("var/lib/dpkg/status.d").len(), 1);
        let other = layer(&[("var/lib/dpkg", What::Other)]);
        assert_eq!(Root::of([&below, &other]).list("var/lib/dpkg/status.d").len(), 0);
    }

    #[test]
    fn links_are_followed() {
        let below = layer(&[
            ("lib", link("usr/lib")),
            ("etc/os-release", link("../usr/lib/os-release")),
            ("usr/lib/os-release", file("1")),
        ]);
        let above = layer(&[("lib/apk/db/installed", file("x")), ("var/lib/rpm", link("../../usr/lib/sysimage/rpm"))]);
        let root = Root::of([&below, &above]);
        assert_eq!(text(&root, "etc/os-release").unwrap(), "1");
        assert_eq!(text(&root, "lib/apk/db/installed").unwrap(), "x");
        assert_eq!(text(&root, "usr/lib/apk/db/installed").unwrap(), "x");
        let hides = layer(&[("lib/apk/db", What::Opaque)]);
        assert_eq!(text(&Root::of([&below, &above, &hides]), "usr/lib/apk/db/installed"), None);
        // A directory in place of the link is another one.
        let folder = layer(&[("lib", What::Folder), ("lib/apk/db/installed", file("y"))]);
        let root = Root::of([&below, &above, &folder]);
        assert_eq!(text(&root, "lib/apk/db/installed").unwrap(), "y");
        assert_eq!(text(&root, "usr/lib/apk/db/installed").unwrap(), "x");
        let hard = layer(&[("var/lib/dpkg/status", What::HardLink("usr/lib/os-release".as_bytes().into()))]);
        assert_eq!(text(&Root::of([&below, &hard]), "var/lib/dpkg/status").unwrap(), "1");
        let circle = layer(&[("etc", link("etc")), ("lib", link("/usr")), ("usr", link("/lib"))]);
        assert_eq!(text(&Root::of([&circle]), "lib/apk/db/installed"), None);
    }
}
