//! One error type for the whole library: what went wrong, and exactly where.
//!
//! The place is filled in from the inside out. The pure cores know an entry and an offset, the layer above
//! adds the blob, the one above that the file. A caller never has to parse a message.

mod cut_short;

use std::borrow::Cow;
use std::fmt;
use std::io;

mod text;

pub use text::{escaped, printable, printable_whole, quoted, shell_word, thousands};
pub(crate) use text::{markup, steers};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its place.
pub struct Error {
    // Boxed: a `Result` is returned for every block of every layer, and its good case should stay small.
    inner: Box<Inner>,
}

struct Inner {
    kind: Kind,
    place: Place,
    origin: Origin,
}

/// Where an error was made, for callers who treat it otherwise than others of its kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Origin {
    #[default]
    Anywhere,
    /// A temporary file for a new blob.
    NewBlob,
    /// A block of a tar stream that is not a header block.
    HeaderBlock,
    /// The end of a stream that should go on.
    CutShort,
    /// Something that is no image.
    NoImage,
}

/// Where in an image something is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, directory or stream that the image came from.
    pub file: Option<String>,
    /// The blob or document: a digest, or a name inside the archive such as `index.json`.
    pub blob: Option<String>,
    /// The entry of a tar stream, or the path inside a JSON document.
    pub entry: Option<String>,
    /// Bytes from the start of the (uncompressed) blob.
    pub offset: Option<u64>,
}

/// Which property of some bytes does not match what refers to them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property {
    /// The digest of a blob.
    Digest,
    /// The size of a blob in bytes.
    Size,
    /// The digest of an uncompressed layer.
    DiffId,
    /// How many layers an image has.
    LayerCount,
    /// How many images an archive has.
    ImageCount,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest => f.write_str("digest"),
            Self::Size => f.write_str("size"),
            Self::DiffId => f.write_str("diff_id"),
            Self::LayerCount => f.write_str("number of layers"),
            Self::ImageCount => f.write_str("number of images"),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// Reading or writing failed.
    #[error("{doing}: {source}{}", advice(source))]
    Io {
        /// What was attempted, e.g. `cannot read`.
        doing: Cow<'static, str>,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that are not what their format asks for.
    #[error("{what}: expected {expected}, found {found}")]
    Malformed {
        /// The field or structure.
        what: Cow<'static, str>,
        /// What the format asks for.
        expected: Cow<'static, str>,
        /// What is there, made printable.
        found: String,
    },
    /// Bytes that are well formed but not those that a digest, size or diff_id names.
    #[error("{what} does not match: expected {expected}, found {found}")]
    Mismatch {
        /// The property.
        what: Property,
        /// What the referring document says.
        expected: String,
        /// What the bytes say.
        found: String,
    },
    /// A limit that keeps hostile input from using up memory.
    #[error("{what} is over the limit: {found}, at most {limit} allowed")]
    Limit {
        /// What is limited.
        what: Cow<'static, str>,
        /// The limit, in the unit of `found`.
        limit: u64,
        /// What the input asked for.
        found: String,
    },
    /// Something that is referred to but not there.
    #[error("{what} is missing")]
    Missing {
        /// What is missing.
        what: Cow<'static, str>,
    },
    /// A request that can't be carried out; the text says what to do instead.
    #[error("{0}")]
    Refused(String),
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Wraps a failed system call; `doing` completes "restamp …", e.g. `cannot read`.
    pub fn io(doing: impl Into<Cow<'static, str>>, source: io::Error) -> Self {
        // A reader that wraps this library's errors hands them through `io::Error`; take ours out again.
        match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => Kind::Io { doing: doing.into(), source }.into(),
        }
    }

    /// A new blob could not be written to its temporary file.
    pub fn of_new_blob(source: io::Error) -> Self {
        Self::io("cannot write a new blob", source).with_origin(Origin::NewBlob)
    }

    /// Bytes in the place of a header block of a tar stream that are none.
    pub(crate) fn no_header_block(expected: impl Into<Cow<'static, str>>, found: impl fmt::Display) -> Self {
        Self::malformed("header block", expected, found).with_origin(Origin::HeaderBlock)
    }

    /// Something that holds no image, with what it is in its text.
    pub(crate) fn no_image(text: impl Into<String>) -> Self {
        Self::refused(text).with_origin(Origin::NoImage)
    }

    fn with_origin(mut self, origin: Origin) -> Self {
        self.inner.origin = origin;
        self
    }

    /// Malformed bytes: `what` was expected to be `expected`, `found` is shown.
    pub fn malformed(
        what: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
        found: impl fmt::Display,
    ) -> Self {
        Kind::Malformed { what: what.into(), expected: expected.into(), found: found.to_string() }.into()
    }

    /// Bytes that are not the ones that were promised.
    pub fn mismatch(what: Property, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Kind::Mismatch { what, expected: expected.to_string(), found: found.to_string() }.into()
    }

    /// A limit that was exceeded.
    pub fn limit(what: impl Into<Cow<'static, str>>, limit: u64, found: impl fmt::Display) -> Self {
        Kind::Limit { what: what.into(), limit, found: found.to_string() }.into()
    }

    /// Something that is referred to but is not there.
    pub fn missing(what: impl Into<Cow<'static, str>>) -> Self {
        Kind::Missing { what: what.into() }.into()
    }

    /// A request that can't be carried out.
    pub fn refused(text: impl Into<String>) -> Self {
        Kind::Refused(text.into()).into()
    }

    /// The run was asked to stop.
    pub fn interrupted() -> Self {
        Kind::Interrupted.into()
    }

    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.inner.kind
    }

    /// Where it went wrong.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Says which file, directory or stream it was, unless a more exact place is known already.
    #[must_use]
    pub fn in_file(mut self, file: impl fmt::Display) -> Self {
        self.inner.place.file.get_or_insert_with(|| file.to_string());
        self
    }

    /// Says which blob or document it was, unless known already.
    #[must_use]
    pub fn in_blob(mut self, blob: impl fmt::Display) -> Self {
        self.inner.place.blob.get_or_insert_with(|| blob.to_string());
        self
    }

    /// Says which tar entry or JSON path it was, unless known already.
    #[must_use]
    pub fn at_entry(mut self, entry: impl fmt::Display) -> Self {
        self.inner.place.entry.get_or_insert_with(|| entry.to_string());
        self
    }

    /// Says at which byte it was, unless known already.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.inner.place.offset.get_or_insert(offset);
        self
    }

    /// Was it a new blob that could not be written? Then the input is not at fault, and its place is not shown.
    pub fn is_of_new_blob(&self) -> bool {
        self.inner.origin == Origin::NewBlob
    }

    /// Does a tar stream not even begin with a header, so that it is no archive?
    pub fn is_no_archive(&self) -> bool {
        let Place { entry, offset, .. } = &self.inner.place;
        self.inner.origin == Origin::HeaderBlock && *offset == Some(0) && entry.is_none()
    }

    /// Is it said of something that holds no image?
    pub(crate) fn is_no_image(&self) -> bool {
        self.inner.origin == Origin::NoImage
    }

    /// Another reason at the same place.
    #[must_use]
    pub(crate) fn because(self, text: impl Into<String>) -> Self {
        let mut error = Self::refused(text);
        error.inner.place = self.inner.place;
        error
    }

    /// The same error at the same place, with its text changed.
    #[cfg(feature = "registry")]
    #[must_use]
    pub(crate) fn because_of(self, change: impl FnOnce(&str) -> String) -> Self {
        let text = change(&self.inner.kind.to_string());
        self.because(text)
    }

    /// Is this the read or write end of a pipe that the other side has closed?
    pub fn is_broken_pipe(&self) -> bool {
        matches!(&self.inner.kind, Kind::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What can be done about a failure that is not of the image's making.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE) => "; raise the limit (ulimit -n)",
        Some(rustix::io::Errno::FBIG) => "; raise the limit (ulimit -f)",
        _ => "",
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { inner: Box::new(Inner { kind, place: Place::default(), origin: Origin::default() }) }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.inner.place, self.inner.kind)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        if let Some(blob) = &self.blob {
            write!(f, "{blob}: ")?;
        }
        if let Some(entry) = &self.entry {
            write!(f, "{entry}: ")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "offset {offset}: ")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.inner.kind).field("place", &self.inner.place).finish()
    }
}

// The cause is part of the message already; as a `source` it would be printed twice.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_every_part_of_the_place() {
        let error = Error::malformed("mtime", "an octal number", "12x").at_offset(1024).at_entry("usr/bin/env");
        let error = error.in_blob("sha256:ab").in_file("image.tar").at_offset(7);
        assert_eq!(
            error.to_string(),
            "image.tar: sha256:ab: usr/bin/env: offset 1024: mtime: expected an octal number, found 12x"
        );
    }

    #[test]
    fn an_error_survives_a_trip_through_io_error() {
        let error = Error::io("cannot read", io::Error::from(Error::missing("blob").in_blob("x")));
        assert_eq!(error.to_string(), "x: blob is missing");
    }
}
