//! A layer with its entries in the order of their names, which a builder need not keep to.
//!
//! The uncompressed layer goes into a temporary file, and is read from there entry by entry, each with the extension headers
//! before it. Entries come in the byte order of their paths, so that a directory comes before what is in it; whiteouts come
//! before their siblings, as the OCI image specification asks (layer.md, "Whiteouts"); a hard link whose name comes before
//! that of its target follows the target.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::vec;

use crate::blob::{Extent, ExtentReader, NewBlobs};
use crate::digest::Algorithm;
use crate::error::{Error, Result, printable};
use crate::layer::blocks;
use crate::layer::{LayerExpected, LayerInfo, Pool, Source};
use crate::repair::path::{PathKey, normal, up};
use crate::tar::{Entry, Part, Stats, Step, Visitor, Walker};

/// So many entries of a layer are held to be ordered.
const ENTRIES_MAX: usize = 1 << 20;

/// So many bytes of their names.
const NAMES_MAX: usize = 64 << 20;

/// A layer in order: a source of an uncompressed tar.
#[derive(Debug)]
pub struct Ordered {
    extent: Extent,
    /// Where its parts are in the temporary file: begin and length.
    parts: Vec<(u64, u64)>,
    /// What it was before.
    pub info: LayerInfo,
    /// Does any entry come in another place than before?
    pub is_moved: bool,
    /// What is in it.
    pub tree: Tree,
}

/// The directories of a layer.
#[derive(Debug, Default)]
pub struct Tree {
    /// Those in which there is something.
    pub filled: HashSet<PathKey>,
    /// Those that hide all that the layers below have in them, and where the header block of the whiteout begins in the layer
    /// that is in order.
    pub opaque: Vec<(PathKey, u64)>,
}

impl Source for Ordered {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Parts { extent: self.extent.clone(), rest: self.parts.clone().into_iter(), current: None }))
    }

    fn len(&self) -> u64 {
        self.extent.len()
    }
}

/// Reads parts one after the other.
struct Parts {
    extent: Extent,
    rest: vec::IntoIter<(u64, u64)>,
    current: Option<ExtentReader>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Many entries are of a block or two: as many of them as fit are read at a time.
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            let reader = match &mut self.current {
                Some(reader) => reader,
                none => {
                    let Some((start, length)) = self.rest.next() else { break };
                    let reader = self.extent.part(start, length).reader().map_err(std::io::Error::other)?;
                    none.insert(reader)
                }
            };
            match reader.read(room)? {
                0 => self.current = None,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

/// Reads a layer, verifies it, and puts it in order.
///
/// # Errors
///
/// The blob can't be read, is another one than expected or no layer; it has a path twice, or headers or a table by which the
/// order of its entries matters.
pub fn ordered(source: &dyn Source, expect: &LayerExpected, pool: &Pool, blobs: &NewBlobs) -> Result<Ordered> {
    let mut index = Index::default();
    let mut blob = blobs.writer();
    let algorithm = expect.diff_id.map_or(Algorithm::Sha256, |diff_id| diff_id.algorithm());
    let ((), facts) = blocks::read(source, expect, algorithm, pool, |blocks| {
        let mut walker = Walker::new();
        while let Some(block) = blocks.next() {
            blob.write(block)?;
            walker.push(block, &mut index)?;
        }
        walker.end(&mut index)?;
        Ok(((), Stats::default()))
    })?;
    // It is read once more from the temporary file.
    let info = facts.ok_or_else(Error::interrupted)?;
    let extent = blob.finish()?;
    index.order(extent, info)
}

/// Reads a layer, verifies it, and says what directories are in it.
///
/// # Errors
///
/// As for [`ordered`], but for those of order.
pub fn tree(source: &dyn Source, expect: &LayerExpected, pool: &Pool) -> Result<Tree> {
    let mut tree = TreeTaker::default();
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        let mut walker = Walker::new();
        while let Some(block) = blocks.next() {
            walker.push(block, &mut tree)?;
        }
        walker.end(&mut tree)?;
        Ok(((), Stats::default()))
    })?;
    facts.ok_or_else(Error::interrupted)?;
    Ok(tree.0)
}

/// Collects the directories of a layer that stays.
#[derive(Default)]
struct TreeTaker(Tree);

impl Visitor for TreeTaker {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        if step == Step::Entry && !entry.is_behind_end() {
            fill(&mut self.0.filled, &normal(&entry.name()))?;
        }
        Ok(())
    }

    fn bytes(&mut self, _: Part, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Says that there is something in the directories above a path.
fn fill(filled: &mut HashSet<PathKey>, path: &[u8]) -> Result<()> {
    let mut above = path.to_vec();
    while !above.is_empty() {
        up(&mut above);
        // All above that one are known, too.
        if !filled.insert(PathKey::of(&above)) {
            break;
        }
    }
    if filled.len() > ENTRIES_MAX {
        return Err(Error::limit("directories of a layer", ENTRIES_MAX as u64, filled.len() as u64));
    }
    Ok(())
}

/// The entries of a layer while it goes by.
#[derive(Debug, Default)]
struct Index {
    entries: Vec<Indexed>,
    names: usize,
    /// Where the end marker begins, once it has come.
    end: Option<u64>,
    /// How far the stream has gone by.
    at: u64,
    filled: HashSet<PathKey>,
}

#[derive(Debug)]
struct Indexed {
    /// The path, and before the name of a whiteout a NUL, which no name has.
    path: Vec<u8>,
    start: u64,
    end: u64,
    /// Where the header block begins, after the extension headers.
    header: u64,
    /// Of a hard link, what it leads to.
    target: Option<Vec<u8>>,
}

/// The name of the whiteout of all that is below a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

impl Visitor for Index {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        let start = self.at;
        let refused = |what: &str| Err(Error::refused(format!("--order: {what}")).at_offset(entry.offset()));
        match step {
            Step::Global => return refused("the layer has a global PAX header, which is about all entries after it"),
            Step::Entry if entry.is_toc() || entry.is_behind_end() => {
                return refused("the layer has a table of contents, which says where its entries are");
            }
            Step::Entry => {}
            _ => {
                self.end.get_or_insert(start);
                self.at += (entry.extension_bytes().len() + block.len()) as u64;
                return Ok(());
            }
        }
        let header = entry.header_offset();
        self.at = header.saturating_add(block.len() as u64);
        let mut path = normal(&entry.name());
        fill(&mut self.filled, &path)?;
        let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        if path.get(name..).is_some_and(|name| name.starts_with(b".wh.")) {
            path.insert(name, 0);
        }
        let target = (entry.kind() == b'1').then(|| normal(entry.link_name()));
        self.names += path.len() + target.as_ref().map_or(0, Vec::len);
        if self.names > NAMES_MAX {
            return Err(Error::limit("bytes of the names in a layer", NAMES_MAX as u64, self.names as u64));
        }
        if self.entries.len() >= ENTRIES_MAX {
            return Err(Error::limit("entries of a layer", ENTRIES_MAX as u64, self.entries.len() as u64 + 1));
        }
        self.entries.push(Indexed { path, start, end: self.at, header, target });
        Ok(())
    }

    fn bytes(&mut self, _: Part, bytes: &[u8]) -> Result<()> {
        self.at += bytes.len() as u64;
        if self.end.is_none()
            && let Some(entry) = self.entries.last_mut()
        {
            entry.end = self.at;
        }
        Ok(())
    }
}

impl Index {
    fn order(self, extent: Extent, info: LayerInfo) -> Result<Ordered> {
        let Self { mut entries, end, filled, .. } = self;
        let before: Vec<u64> = entries.iter().map(|entry| entry.start).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let twice = entries.iter().zip(entries.iter().skip(1)).find(|(a, b)| a.path == b.path);
        if let Some((twice, _)) = twice {
            let path: Vec<u8> = twice.path.iter().copied().filter(|byte| *byte != 0).collect();
            let text = "--order: the layer has this path twice, and the later entry counts";
            return Err(Error::refused(text).at_entry(printable(&path)));
        }
        let order = after_targets(&entries);
        let mut parts = Vec::with_capacity(order.len() + 1);
        let (mut at, mut opaque, mut starts) = (0, Vec::new(), Vec::with_capacity(order.len()));
        for entry in order.into_iter().filter_map(|number| entries.get(number)) {
            let length = entry.end.saturating_sub(entry.start);
            if let Some(directory) = entry.path.strip_suffix(OPAQUE).and_then(|path| path.strip_suffix(b"\0")) {
                let directory = directory.strip_suffix(b"/").unwrap_or(directory);
                opaque.push((PathKey::of(directory), at + entry.header.saturating_sub(entry.start)));
            }
            starts.push(entry.start);
            parts.push((entry.start, length));
            at += length;
        }
        let is_moved = starts != before;
        let end = end.unwrap_or(extent.len());
        parts.push((end, extent.len().saturating_sub(end)));
        Ok(Ordered { extent, parts, info, is_moved, tree: Tree { filled, opaque } })
    }
}

/// The numbers of entries in their order, hard links after what they lead to.
fn after_targets(entries: &[Indexed]) -> Vec<usize> {
    let links = entries.iter().any(|entry| entry.target.is_some());
    if !links {
        return (0..entries.len()).collect();
    }
    let places: HashMap<&[u8], usize> =
        entries.iter().enumerate().map(|(number, entry)| (&*entry.path, number)).collect();
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut is_done = vec![false; entries.len()];
    let mut order = Vec::with_capacity(entries.len());
    for number in 0..entries.len() {
        let target = entries.get(number).and_then(|entry| places.get(entry.target.as_deref()?)).copied();
        if let Some(target) = target.filter(|target| is_done.get(*target) == Some(&false) && *target != number) {
            waiting.entry(target).or_default().push(number);
            continue;
        }
        // What waits for an entry comes right after it, and what waits for that.
        let mut next = vec![number];
        while let Some(number) = next.pop() {
            if let Some(done) = is_done.get_mut(number) {
                *done = true;
            }
            order.push(number);
            next.extend(waiting.remove(&number).into_iter().flatten().rev());
        }
    }
    // Links that lead to each other in a circle.
    order.extend((0..entries.len()).filter(|number| is_done.get(*number) == Some(&false)));
    order
}
