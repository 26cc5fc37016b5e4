//! One compact record per entry of a layer: all that is compared, and nothing else is kept in memory.

use std::sync::{Arc, LazyLock};

use crate::diff::model::Rank;
use crate::layer::LayerInfo;
use crate::stamp::Instant;
use crate::tar::{ExtensionKind, Field, Format};

/// PAX records that no program reads when it unpacks an image.
const IDLE_KEYS: [&[u8]; 7] =
    [b"comment", b"SCHILY.dev", b"SCHILY.ino", b"SCHILY.nlink", b"RHT.security.selinux", b"hdrcharset", b"charset"];

/// The bits of a mode that a file has when it is unpacked.
pub(crate) const PERMISSIONS: i64 = 0o7777;
/// The bits of a mode that let a file run.
const EXECUTABLE: i64 = 0o111;
/// Those that let it run as its owner or group.
pub(crate) const SET_ID: i64 = 0o6000;

/// What many entries have in common, kept once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Meta {
    pub(crate) kind: u8,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) uname: Box<[u8]>,
    pub(crate) gname: Box<[u8]>,
    pub(crate) device: (i64, i64),
    pub(crate) format: Format,
    /// The kinds of the extension headers, in their order.
    pub(crate) extensions: Box<[ExtensionKind]>,
    /// A hash of the header block without names, sizes, times and checksum: how numbers are written, unused bytes; and one
    /// of the fields of the owner's names.
    pub(crate) spelling: (u64, u64),
}

/// PAX records that are no times and repeat no field of the header, sorted by key.
pub(crate) type PaxRecords = Box<[(Box<[u8]>, Box<[u8]>)]>;

/// An entry. A layer may have hundreds of thousands of them, so what only few have is apart.
#[derive(Debug)]
pub(crate) struct Record {
    /// The name as it is in the stream; differences share it.
    pub(crate) raw: Arc<[u8]>,
    /// Where in `raw` the path begins and ends: without `./`, `/` and a slash at the end.
    pub(crate) bounds: (u32, u32),
    pub(crate) meta: Arc<Meta>,
    pub(crate) mtime: Instant,
    pub(crate) extra: Option<Box<ExtraFields>>,
    pub(crate) size: u64,
    /// The BLAKE3 hash of the content; `None` where there is none. That of a sparse file begins with its map, so that
    /// it equals no other file's. Every byte is hashed for the diff_id already, so that
    /// this is a second time: SHA-256 would nearly double the cost of comparing plain layers.
    pub(crate) content: Option<[u8; 32]>,
    /// Its number in the layer.
    pub(crate) number: u32,
    /// Do its first bytes make it a program?
    pub(crate) has_magic: bool,
}

/// What most entries do not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ExtraFields {
    /// The path where it is no part of the name: `a//b`, `a/../b`.
    pub(crate) folded: Option<Box<[u8]>>,
    /// The other times, those of extension headers included.
    pub(crate) times: Box<[(Field, Instant)]>,
    pub(crate) link: Box<[u8]>,
    pub(crate) pax: PaxRecords,
    /// The hash of the names of PAX headers, which may hold a process id.
    pub(crate) extension_names: u64,
    /// The hash of the other names that a sparse file's headers have, which may hold a process id.
    pub(crate) sparse_names: u64,
    /// The hash of what of the extension headers belongs to no field, and of the padding after the content unless it
    /// is all zeros.
    pub(crate) unmodelled: (u64, u64),
    /// The size with all holes filled, of a sparse file.
    pub(crate) sparse_size: Option<u64>,
    /// Has a file that rewriting may replace its size in a PAX header?
    pub(crate) has_pax_size: bool,
}

impl Record {
    /// The path, without `./` and `/` before it and without a slash at the end.
    pub(crate) fn path(&self) -> &[u8] {
        let part = || self.raw.get(self.bounds.0 as usize..self.bounds.1 as usize).unwrap_or_default();
        self.extra().folded.as_deref().unwrap_or_else(part)
    }

    /// The same, for a difference to keep: not copied where it is the whole name.
    pub(crate) fn shared_path(&self) -> Arc<[u8]> {
        let path = self.path();
        if path.len() == self.raw.len() { Arc::clone(&self.raw) } else { path.into() }
    }

    /// What most entries do not have.
    pub(crate) fn extra(&self) -> &ExtraFields {
        static NONE: LazyLock<ExtraFields> = LazyLock::new(ExtraFields::default);
        self.extra.as_deref().unwrap_or(&NONE)
    }

    /// The name as it is in the stream.
    pub(crate) fn raw_name(&self) -> &[u8] {
        &self.raw
    }

    /// Has it the same owner, mode and kind, written in the same dialect? Then its header can only differ in how that is
    /// spelled.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let numbers = |record: &Self| {
            let meta = &record.meta;
            (meta.kind, meta.mode, meta.uid, meta.gid, meta.device, meta.format)
        };
        numbers(self) == numbers(other)
    }

    /// Has it content of its own, in any of the ways that tar knows?
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.meta.kind, b'0' | 0 | b'7' | b'S') && !self.is_folder()
    }

    /// May it run, by its mode or its first bytes?
    pub(crate) fn is_program(&self) -> bool {
        self.is_file() && (self.meta.mode & EXECUTABLE != 0 || self.has_magic)
    }

    /// How much it matters.
    pub(crate) fn rank(&self) -> Rank {
        let is_run = self.is_program() || self.is_hard_link() && self.meta.mode & EXECUTABLE != 0;
        match is_run {
            true if self.meta.mode & SET_ID != 0 => Rank::SetId,
            true => Rank::Program,
            false => Rank::Other,
        }
    }

    /// Is it a directory? In v7 that is a file whose name ends in a slash.
    pub(crate) fn is_folder(&self) -> bool {
        self.meta.kind == b'5' || self.meta.kind == 0 && self.raw.ends_with(b"/")
    }

    /// Is it a sparse file, in any of the four ways?
    pub(crate) fn is_sparse(&self) -> bool {
        self.extra().sparse_size.is_some()
    }

    /// May rewriting give it another size?
    pub(crate) fn is_resizable(&self) -> bool {
        matches!(self.meta.kind, b'0' | 0) && !self.extra().has_pax_size
    }

    /// Is it a hard link to another entry?
    pub(crate) fn is_hard_link(&self) -> bool {
        self.meta.kind == b'1'
    }

    /// The names that differ and are not the file's: tar makes its process ID a part of them.
    pub(crate) fn names_of_tar(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let (own, others) = (self.extra(), other.extra());
        let pax = own.extension_names != others.extension_names && self.meta.extensions == other.meta.extensions;
        let sparse = own.sparse_names != others.sparse_names && self.raw_name() == other.raw_name();
        let names = [(pax, "name of the PAX header"), (sparse, "name in the header of the sparse file")];
        names.into_iter().filter_map(|(differs, name)| differs.then_some(name))
    }

    /// The PAX records that matter to a program that unpacks the entry.
    pub(crate) fn used_pax(&self) -> impl Iterator<Item = &(Box<[u8]>, Box<[u8]>)> {
        self.extra().pax.iter().filter(|(key, _)| !is_idle_key(key))
    }

    /// Has it extended attributes?
    pub(crate) fn has_xattrs(&self) -> bool {
        self.extra().pax.iter().any(|(key, _)| key.windows(7).any(|part| part == b".xattr."))
    }

    /// For people: who would have written such a header.
    pub(crate) fn dialect_name(&self) -> &'static str {
        match self.meta.format {
            Format::V7 => "v7",
            Format::Ustar => "ustar",
            Format::Gnu => "GNU",
            Format::Star => "star",
        }
    }

    /// For people: the meaning of the type flag.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.meta.kind {
            b'0' | b'7' | b'S' => "file",
            0 if self.is_folder() => "old directory",
            0 => "old file",
            b'1' => "hard link",
            b'2' => "symlink",
            b'3' => "character device",
            b'4' => "block device",
            b'5' => "directory",
            b'6' => "fifo",
            _ => "entry of another kind",
        }
    }
}

/// A layer that was read.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) entries: Vec<Record>,
    /// The PAX records of global headers that are no times, in their order.
    pub(crate) globals: Vec<(Box<[u8]>, Box<[u8]>)>,
    /// The times of global headers, in their order.
    pub(crate) global_times: Vec<(Field, Instant)>,
    /// A hash of what of global headers, and of extension headers that no entry follows, belongs to no field.
    pub(crate) unmodelled: u64,
    /// Bytes after the first block of the end marker, and a hash of them unless all are zero.
    pub(crate) rest: (u64, Option<[u8; 32]>),
    pub(crate) facts: Option<LayerInfo>,
}

impl Records {
    /// The times of all entries, but for those of their extension headers.
    pub(crate) fn times(&self) -> impl Iterator<Item = Instant> {
        let others = |record: &Record| {
            let times: Vec<Instant> = match &record.extra {
                Some(extra) => {
                    extra.times.iter().filter(|(field, _)| !field.is_of_extension()).map(|(_, time)| *time).collect()
                }
                None => Vec::new(),
            };
            times
        };
        self.entries.iter().flat_map(move |record| std::iter::once(record.mtime).chain(others(record)))
    }
}

/// Is the value of such a PAX record not used by any program that unpacks an image?
pub(crate) fn is_idle_key(key: &[u8]) -> bool {
    IDLE_KEYS.contains(&key)
}
