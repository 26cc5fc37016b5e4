//! Opening an image, whatever it is carried in: a directory, a file, a pipe, compressed as a whole or not.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::blob::{Extent, Growing, open_beneath, read_full};
use crate::decode::{Decoder, Expect, Window};
use crate::digest::Digest;
use crate::document::json::Json;
use crate::error::{self, Error, Result, printable};
use crate::limits::Limits;
use crate::media_type::Compression;
use crate::name::tag_of;
use crate::spool::Spools;
use crate::store::archive::Archive;
use crate::store::directory;
use crate::store::location::{Kind, Location, Where};
use crate::sync::start;
use crate::tar::Entry;

/// The largest document that is read, [`Limits::document_bytes`], where there is no source to ask.
pub const DOCUMENT_LIMIT: u64 = Limits::DEFAULT.document_bytes;

/// What every source is opened with.
const LIMITS: Limits = Limits::DEFAULT;

/// An open image.
#[derive(Debug)]
pub struct Source {
    name: String,
    kind: Kind,
    store: Store,
    index: Option<Vec<u8>>,
    docker: Option<Docker>,
    gzip_mtime: Option<u32>,
    /// `oci-layout`, once it was read.
    layout: OnceLock<Option<Vec<u8>>>,
    limits: Limits,
}

/// The documents that only an archive of `docker save` has.
#[derive(Debug)]
pub struct Docker {
    /// `manifest.json`; archives of Docker before 1.10 have none.
    pub manifest: Option<Vec<u8>>,
    /// `repositories`.
    pub repositories: Option<Vec<u8>>,
}

struct Opened {
    store: Store,
    gzip_mtime: Option<u32>,
}

#[derive(Debug)]
enum Store {
    Folder(PathBuf),
    Archive(Archive),
}

/// Is told of each file of an archive as its header is read: its name, and its bytes, which may still be on the way.
pub type Arrived<'a> = dyn FnMut(&str, &Extent) + 'a;

impl Source {
    /// Opens what a location names.
    pub fn open(location: &Location, spools: &Spools, arrived: &mut Arrived<'_>) -> Result<Self> {
        let name = match &location.place {
            Where::Stdio => "standard input".to_owned(),
            Where::Path(path) => path.display().to_string(),
        };
        let opened = match &location.place {
            Where::Path(path) if path.is_dir() => Ok(Opened { store: Store::Folder(path.clone()), gzip_mtime: None }),
            Where::Path(path) => {
                File::open(path).map_err(|e| cannot_open(&name, e)).and_then(|f| archive(f, spools, arrived))
            }
            Where::Stdio => rustix::io::dup(io::stdin())
                .map_err(|e| Error::io("cannot read", e.into()))
                .and_then(|fd| archive(File::from(fd), spools, arrived)),
        };
        opened.and_then(|opened| Self::detect(name.clone(), opened, location.kind)).map_err(|e| e.in_file(name))
    }

    fn detect(name: String, opened: Opened, forced: Option<Kind>) -> Result<Self> {
        let Opened { store, gzip_mtime } = opened;
        let mut source = Self {
            name,
            kind: Kind::Oci,
            store,
            index: None,
            docker: None,
            gzip_mtime,
            layout: OnceLock::new(),
            limits: LIMITS,
        };
        source.index = source.document("index.json")?;
        let layout = source.index.is_some();
        let folder = matches!(source.store, Store::Folder(_));
        if !folder {
            let manifest = source.document("manifest.json")?;
            let repositories = source.document("repositories")?;
            if manifest.is_some() || (!layout && repositories.is_some()) {
                source.docker = Some(Docker { manifest, repositories });
            }
        }
        let found = match (folder, &source.docker) {
            (true, _) if layout => Kind::Oci,
            (false, Some(_)) => Kind::DockerArchive,
            (false, None) if layout => Kind::OciArchive,
            _ => {
                let expected = if folder { "index.json" } else { "index.json, manifest.json or repositories" };
                return Err(Error::missing(format!("{expected} (this is not a container image)")));
            }
        };
        source.kind = match (forced, found) {
            (None, found) => found,
            (Some(forced), found) if forced == found => found,
            // Docker's archives since version 25 are layouts as well.
            (Some(Kind::OciArchive), Kind::DockerArchive) if layout => {
                source.docker = None;
                Kind::OciArchive
            }
            (Some(forced), found) => {
                return Err(Error::malformed("kind of image", forced.name(), found.name()));
            }
        };
        Ok(source)
    }

    /// An error if it is a layout of a version that nobody has defined yet, which may mean anything.
    pub fn known_layout(&self) -> Result<()> {
        let Some(bytes) = self.layout()? else { return Ok(()) };
        let in_blob = |e: Error| e.in_blob("oci-layout");
        let json = Json::parse(bytes).map_err(in_blob)?;
        let version = json.root().get("imageLayoutVersion").and_then(|version| version.as_str());
        match version.as_deref() {
            Some("1.0.0") => Ok(()),
            found => Err(in_blob(Error::malformed("imageLayoutVersion", "1.0.0", found.unwrap_or("none")))),
        }
    }

    /// The bytes of `oci-layout`, read once: those that were looked at are those that are written.
    pub fn layout(&self) -> Result<Option<&[u8]>> {
        if self.layout.get().is_none() {
            let _ = self.layout.set(self.document("oci-layout")?);
        }
        Ok(self.layout.get().and_then(|bytes| bytes.as_deref()))
    }

    /// What it was opened from, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much of it may have to be held in memory.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it is carried in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first MTIME that is not 0 in the gzip headers of an archive that is compressed as a whole.
    pub fn gzip_mtime(&self) -> Option<u32> {
        self.gzip_mtime
    }

    /// Shows the headers of every entry of an archive; a directory has none.
    pub fn archive_entries(&self, visit: &mut dyn FnMut(&Entry) -> Result<()>) -> Result<()> {
        match &self.store {
            Store::Folder(_) => Ok(()),
            Store::Archive(archive) => archive.entries(visit),
        }
    }

    /// The bytes of `index.json`.
    pub fn index(&self) -> Option<&[u8]> {
        self.index.as_deref()
    }

    /// The documents of `docker save`.
    pub fn docker(&self) -> Option<&Docker> {
        self.docker.as_ref()
    }

    /// A blob of the layout; `None` if it is not there.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Extent>> {
        self.file(&digest.path())
    }

    /// A file by its name in the archive or below the directory.
    ///
    /// For a directory the name has to come from here or from a [`Digest`], never from a document.
    pub fn file(&self, name: &str) -> Result<Option<Extent>> {
        match &self.store {
            Store::Folder(folder) => Extent::of_path(&folder.join(name)),
            Store::Archive(archive) => archive.file(name),
        }
    }

    /// The name of the file that a name leads to, links resolved.
    pub fn resolved(&self, name: &str) -> String {
        match &self.store {
            Store::Folder(_) => name.to_owned(),
            Store::Archive(archive) => archive.resolved(name),
        }
    }

    /// A small file's bytes; `None` if it is not there. No digest guards it, so in a directory no link that leads out of
    /// that is followed.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let extent = match &self.store {
            Store::Folder(folder) => match open_beneath(folder, name) {
                Ok((file, len)) => Ok(Some(Extent::of_file(file, len))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("cannot open", error)),
            },
            Store::Archive(archive) => archive.file(name),
        };
        let bytes = extent.and_then(|extent| extent.map(|extent| extent.bytes(self.limits.document_bytes)).transpose());
        bytes.map_err(|e| e.in_blob(printable(name.as_bytes())))
    }

    /// Names of all files, sorted; of what is deeper in a directory than a layout goes, those of its folders.
    pub fn files(&self) -> Result<Vec<String>> {
        match &self.store {
            Store::Archive(archive) => Ok(archive.files().map(str::to_owned).collect()),
            Store::Folder(path) => directory::files(path),
        }
    }
}

/// Indexes an archive; what can't be read at any offset is spooled.
fn archive(mut file: File, spools: &Spools, arrived: &mut Arrived<'_>) -> Result<Opened> {
    let metadata = file.metadata().map_err(|e| Error::io("cannot look at it", e))?;
    if metadata.is_dir() {
        return Err(Error::malformed("source", "an archive", "a directory"));
    }
    let mut head = [0; HEAD];
    if metadata.is_file() {
        use std::os::unix::fs::FileExt;
        let count = file.read_at(&mut head, 0).map_err(|e| Error::io("cannot read", e))?;
        may_be_archive(&head[..count])?;
        if Compression::sniff(&head[..count]) == Compression::None {
            let extent = Extent::of_file(file, metadata.len());
            let store = Archive::index(&extent, &LIMITS, arrived).map(Store::Archive).map_err(no_image)?;
            return Ok(Opened { store, gzip_mtime: None });
        }
    }
    let count = read_full(&mut file, &mut head).map_err(|e| Error::io("cannot read", e))?;
    may_be_archive(&head[..count])?;
    let mut plain = io::Cursor::new(head[..count].to_vec()).chain(file);
    match Compression::sniff(&head[..count]) {
        Compression::None => Ok(Opened { store: spooled(&mut plain, spools, arrived)?, gzip_mtime: None }),
        Compression::Gzip | Compression::Zstd => {
            let mut decoder = Decoder::new(Box::new(plain), &Expect::default(), Window::any())?;
            let store = spooled(&mut decoder, spools, arrived)?;
            Ok(Opened { store, gzip_mtime: decoder.gzip_mtime() })
        }
    }
}

/// Spools an archive and indexes it while it arrives.
fn spooled(reader: &mut (dyn Read + Send), spools: &Spools, arrived: &mut Arrived<'_>) -> Result<Store> {
    let growing = Growing::new(spools.file()?);
    std::thread::scope(|scope| {
        let filler = start(scope, "fill", || growing.fill(reader))?;
        let indexed = Archive::index(&Extent::of_growing(std::sync::Arc::clone(&growing)), &LIMITS, arrived);
        // What follows the end marker is read all the same: the program that writes into this pipe must not be
        // killed by closing it. It may be once it is known that its archive is of no use.
        match &indexed {
            Ok(_) => growing.drain(),
            Err(_) => growing.stop(),
        }
        let filled = filler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A reading error explains an index that stops short, not the other way round.
        filled.and(indexed.map_err(no_image)).map(Store::Archive)
    })
}

/// Most who have no file of that name mean an image of a daemon.
fn cannot_open(name: &str, error: io::Error) -> Error {
    let is_image_name = tag_of(name).is_some() && !name.starts_with(['.', '/']);
    if error.kind() == io::ErrorKind::NotFound && is_image_name {
        return Error::refused(
            "there is no such file; an image of Docker's comes by a pipe: docker save NAME | restamp …",
        );
    }
    Error::io("cannot open", error)
}

/// So many bytes tell what a file is that is no tar.
const HEAD: usize = 10;

/// Says what it is, where the first bytes of a file show that it can't be an archive that is read here.
fn may_be_archive(head: &[u8]) -> Result<()> {
    let compressed = |by: &str, command: &str| {
        let text =
            format!("compressed with {by}, which is not read (gzip and zstd are): decompress it with {command} first");
        Err(Error::refused(text))
    };
    match head {
        [] => Err(Error::refused("it is empty, so there is no image in it: did the command that writes it fail?")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => compressed("xz", "xz -dc"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => compressed("bzip2", "bzip2 -dc"),
        _ => Ok(()),
    }
}

/// What has not even one header is no archive; what a tar reader says of it would lead astray.
fn no_image(error: Error) -> Error {
    let is_first = error.place().offset == Some(0) && error.place().entry.is_none();
    let is_header = matches!(error.kind(), error::Kind::Malformed { what, .. } if *what == "header block");
    if !(is_first && is_header) {
        return error;
    }
    let text = "this is no container image, neither an OCI image layout nor what docker save writes (as a plain tar, or \
                compressed with gzip or zstd)";
    Error::refused(text)
}
