//! How much of an image may be held in memory. A layer never is.

/// The limits of a source. What is beyond one is an error that names it; of problems and notes the rest is counted.
///
/// The defaults are such that a process takes at most 64 MiB, and 8 MiB for each job: a document with its blobs takes up
/// to 9 KB, an annotated descriptor 2.5 KB. [`RunContext::with_limits`](crate::RunContext::with_limits) sets lower ones;
/// only [`spooled_bytes`](Self::spooled_bytes), [`names`](Self::names) and [`image_names`](Self::image_names) can be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Indexes, manifests and other blobs that indexes list; as many images may `manifest.json` list.
    pub documents: usize,
    /// Descriptors in all documents together, or layers of all images that `manifest.json` lists.
    pub descriptors: usize,
    /// Annotations of all descriptors together.
    pub annotations: usize,
    /// Bytes of one document: twice what registries take for a manifest, and far more than any config.
    pub document_bytes: u64,
    /// Bytes of all indexes, manifests and configs together.
    pub all_document_bytes: u64,
    /// Bytes of the names of all entries of an archive, and of what links point to.
    pub names: u64,
    /// Names of all images together: a name of an index is one of each image in it.
    pub image_names: usize,
    /// How deep indexes may be nested.
    pub nesting: usize,
    /// Entries of an archive.
    pub archive_entries: usize,
    /// Bytes of an in-toto statement: an SBOM of a large image is some tens of megabytes.
    pub statement_bytes: u64,
    /// Bytes that an archive which is compressed as a whole may become in temporary files.
    pub spooled_bytes: u64,
    /// Problems, and notes, that are listed; more are only counted.
    pub problems: usize,
}

impl Limits {
    /// What every source has unless it is given others.
    pub const DEFAULT: Self = Self {
        documents: 6_000,
        descriptors: 25_000,
        annotations: 100_000,
        document_bytes: 16 << 20,
        all_document_bytes: 32 << 20,
        names: 16 << 20,
        image_names: 100_000,
        nesting: 64,
        archive_entries: 1 << 16,
        statement_bytes: 64 << 20,
        spooled_bytes: 256 << 30,
        problems: 1000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
