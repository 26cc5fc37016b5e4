//! What the names of a zip archive's members say: that it is signed, that Clojure compares times in it, which of them are
//! the sources of bytecode.

use std::collections::{HashMap, HashSet};

use crate::format::pyc;
use crate::format::zip::{Header, Time};

/// A name, hashed: there may be hundreds of thousands of them.
type Key = [u8; 16];

fn key(name: &[u8]) -> Key {
    blake3::hash(name).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// A source of Python in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    /// In bytes, modulo 2^32.
    pub(super) size: u32,
    /// The MS-DOS time.
    pub(super) dos: u32,
    /// The time of the extended timestamp.
    pub(super) mtime: Option<i32>,
    /// Is it the only member of that name?
    pub(super) is_only: bool,
}

/// What was seen of the names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Is it a signed jar? The signature is of the contents, not of times.
    pub(super) is_signed: bool,
    /// Does a signature cover all bytes of it?
    is_sealed: bool,
    /// Sources of Clojure, and classes that were compiled of one, without what their names end with.
    clojure: [HashSet<Key>; 2],
    sources: HashMap<Key, Source>,
}

impl Names {
    /// Sees a header of the directory.
    pub(super) fn see(&mut self, header: &Header) {
        let name = &*header.name;
        self.is_signed |= is_signature(name);
        // NuGet hashes the package without this member.
        self.is_sealed |= name == b".signature.p7s";
        let [sources, classes] = &mut self.clojure;
        let source = [&b".clj"[..], b".cljc"].iter().find_map(|end| name.strip_suffix(*end));
        sources.extend(source.map(key));
        classes.extend(name.strip_suffix(b"__init.class").map(key));
        if pyc::is_source_name(name) {
            let dos = match header.times.first().map(|field| field.time) {
                Some(Time::Dos(dos)) => dos,
                _ => 0,
            };
            #[expect(clippy::cast_possible_truncation, reason = "as bytecode has it")]
            let source = Source { size: header.size as u32, dos, mtime: header.mtime, is_only: true };
            let entry = self.sources.entry(key(name)).and_modify(|source| source.is_only = false);
            entry.or_insert(source);
        }
    }

    /// Why the archive has to stay as it is.
    pub(super) fn reason(&self) -> Option<&'static str> {
        let [sources, classes] = &self.clojure;
        if self.is_sealed {
            return Some("it is signed as a whole, as packages of NuGet are");
        }
        // Of a source and a class with one time, Clojure takes the source, and compiles it.
        (!sources.is_disjoint(classes)).then_some("Clojure compares the times of sources and classes in it")
    }

    /// The source of this member, if that is bytecode and its source is here too.
    pub(super) fn source(&self, name: &[u8]) -> Option<&Source> {
        self.sources.get(&key(&pyc::source_path(name)?))
    }
}

/// Is it a part of a jar's signature (JAR File Specification, "Signed JAR File")?
fn is_signature(name: &[u8]) -> bool {
    let Some((folder, file)) = name.split_at_checked(b"META-INF/".len()) else { return false };
    let is_directly_in_it = folder.eq_ignore_ascii_case(b"META-INF/") && !file.contains(&b'/');
    let ends = [&b".sf"[..], b".rsa", b".dsa", b".ec"];
    let has_end = |end: &&[u8]| {
        file.len().checked_sub(end.len()).and_then(|at| file.get(at..)).is_some_and(|own| own.eq_ignore_ascii_case(end))
    };
    is_directly_in_it && ends.iter().any(has_end)
}
