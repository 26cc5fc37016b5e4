//! Opening an image, whatever it is carried in: a directory, a file, a pipe, compressed as a whole or not.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::blob::{Extent, SpoolWriter, read_full};
use crate::context::RunContext;
use crate::decode::{Decoder, LayerExpected, Window};
use crate::digest::Digest;
use crate::document::json::Json;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::media_type::Compression;
use crate::registry::RegistryName;
use crate::store::archive::{Archive, OnEntry};
use crate::store::directory::Directory;
use crate::store::location::{Carrier, Location, Where};
use crate::store::recognize::{self, HEAD};
#[cfg(feature = "registry")]
use crate::store::remote::Remote;
use crate::store::transport;
use crate::store::{BlobRef, BlobStore, Listing};
use crate::sync::start;

/// An open image: a store, and the documents at its top, which say what carrier it is.
#[derive(Debug)]
pub struct Source {
    store: Box<dyn BlobStore>,
    carrier: Carrier,
    limits: Limits,
    index: Option<Vec<u8>>,
    docker: Option<Docker>,
    /// `oci-layout`, once it was read.
    layout: OnceLock<Option<Vec<u8>>>,
}

/// The documents that only an archive of `docker save` has.
#[derive(Debug)]
pub struct Docker {
    /// `manifest.json`; archives of Docker before 1.10 have none.
    pub manifest: Option<Vec<u8>>,
    /// `repositories`.
    pub repositories: Option<Vec<u8>>,
}

impl Source {
    /// Opens what a location names.
    ///
    /// # Errors
    ///
    /// If there is no image, or it can't be read.
    pub fn open(location: &Location, context: &RunContext) -> Result<Self> {
        Self::open_with(location, context, &mut |_, _| {})
    }

    /// The same. `on_entry` is called for each file of an archive.
    pub(crate) fn open_with(location: &Location, context: &RunContext, on_entry: &mut OnEntry<'_>) -> Result<Self> {
        let name = match &location.place {
            Where::Stdio => "standard input".to_owned(),
            Where::Path(path) => path.display().to_string(),
            Where::Registry(_) => location.to_string(),
        };
        let opened: Result<Box<dyn BlobStore>> = match &location.place {
            Where::Path(path) if path.is_dir() => Ok(Box::new(Directory::new(path, &name))),
            Where::Path(path) => File::open(path)
                .map_err(|e| cannot_open(location, &name, e))
                .and_then(|file| Ok(Box::new(archive(&name, file, context, on_entry)?) as Box<dyn BlobStore>))
                .map_err(|e| recognize::layout_around(path).filter(|_| e.is_no_image()).unwrap_or(e)),
            Where::Registry(registry) => remote(registry, &name, context),
            Where::Stdio => rustix::io::dup(io::stdin())
                .map_err(|e| Error::io("cannot read", e.into()))
                .and_then(|fd| Ok(Box::new(archive(&name, File::from(fd), context, on_entry)?) as Box<dyn BlobStore>)),
        };
        let detected = opened.and_then(|store| Self::detect(store, Some(location), context.limits.clone()));
        detected
            .map_err(|e| if e.is_cut_short() { e.because(cut(&location.place)) } else { e })
            .map_err(|e| e.in_file(name))
    }

    /// The repository that it is in, where it is in a registry.
    pub fn repository(&self) -> Option<&RegistryName> {
        self.store.repository()
    }

    /// Takes a store of any other kind for an image.
    ///
    /// # Errors
    ///
    /// If the documents of no image are in it.
    pub fn of(store: Box<dyn BlobStore>, limits: Limits) -> Result<Self> {
        let name = store.name().to_owned();
        Self::detect(store, None, limits).map_err(|e| e.in_file(name))
    }

    /// `location` is where it was opened, which may say what carrier it has to be.
    fn detect(store: Box<dyn BlobStore>, location: Option<&Location>, limits: Limits) -> Result<Self> {
        let document = |name: &str| store.document(name, limits.document_bytes);
        let is_archive = store.listing().is_archive();
        let index = document("index.json")?;
        let is_layout = index.is_some();
        let mut docker = None;
        if is_archive {
            let (manifest, repositories) = (document("manifest.json")?, document("repositories")?);
            if !is_layout && document("version")?.is_some_and(|version| recognize::is_dir_version(&version)) {
                return Err(recognize::dir_archive());
            }
            if manifest.is_some() || (!is_layout && repositories.is_some()) {
                docker = Some(Docker { manifest, repositories });
            }
        }
        let found = match (is_archive, &docker) {
            (false, _) if is_layout && location.is_some_and(|location| location.as_registry().is_some()) => {
                Carrier::Registry
            }
            (false, _) if is_layout => Carrier::Oci,
            (true, Some(_)) => Carrier::DockerArchive,
            (true, None) if is_layout => Carrier::OciArchive,
            _ => {
                let folder = location.and_then(Location::as_path).filter(|_| !is_archive);
                let directory = folder.map(|folder| recognize::directory(folder, store.name()));
                return Err(directory.unwrap_or_else(|| recognize::no_documents(is_archive)));
            }
        };
        let carrier = match location.and_then(|location| Some((location, location.kind?))) {
            None => found,
            Some((_, forced)) if forced == found => found,
            // Docker's archives since version 25 are layouts as well.
            Some((_, Carrier::OciArchive)) if found == Carrier::DockerArchive && is_layout => {
                docker = None;
                Carrier::OciArchive
            }
            Some((location, _)) => {
                let right = Location { kind: Some(found), ..location.clone() };
                return Err(Error::refused(format!("this is {}: write {right}", found.described())));
            }
        };
        Ok(Self { store, carrier, limits, index, docker, layout: OnceLock::new() })
    }

    /// Succeeds for a layout of the only version there is; one of a later version may mean anything.
    ///
    /// # Errors
    ///
    /// If it is of another version.
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

    /// The bytes of `oci-layout`, read once: the bytes that were validated are those that are written.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn layout(&self) -> Result<Option<&[u8]>> {
        if self.layout.get().is_none() {
            let _ = self.layout.set(self.document("oci-layout")?);
        }
        Ok(self.layout.get().and_then(|bytes| bytes.as_deref()))
    }

    /// What it was opened from, for messages.
    pub fn name(&self) -> &str {
        self.store.name()
    }

    /// How much of it may have to be held in memory.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it is carried in.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Its files.
    pub fn listing(&self) -> &dyn Listing {
        self.store.listing()
    }

    /// The bytes of `index.json`.
    pub fn index(&self) -> Option<&[u8]> {
        self.index.as_deref()
    }

    /// The documents of `docker save`.
    pub(crate) fn docker(&self) -> Option<&Docker> {
        self.docker.as_ref()
    }

    /// A blob, not verified yet; `None` if it is not here.
    ///
    /// # Errors
    ///
    /// If it can't be looked up.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Extent>> {
        self.store.blob(BlobRef::Digest(digest))
    }

    /// A file of an archive by its path, links resolved; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is a link that leads nowhere.
    pub fn file(&self, path: &str) -> Result<Option<Extent>> {
        self.store.blob(BlobRef::Path(path))
    }

    /// A document that no digest covers; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is larger than a document may be.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.store.document(name, self.limits.document_bytes)
    }
}

#[cfg(feature = "registry")]
fn remote(registry: &RegistryName, name: &str, context: &RunContext) -> Result<Box<dyn BlobStore>> {
    Ok(Box::new(Remote::open(registry, name, context)?))
}

#[cfg(not(feature = "registry"))]
fn remote(_: &RegistryName, _: &str, _: &RunContext) -> Result<Box<dyn BlobStore>> {
    Err(Error::refused("this build of the library has no registries (feature registry)"))
}

/// Indexes an archive. What can't be read at any offset is spooled.
fn archive(name: &str, mut file: File, context: &RunContext, on_entry: &mut OnEntry<'_>) -> Result<Archive> {
    let metadata = file.metadata().map_err(|e| Error::io("cannot look at it", e))?;
    if metadata.is_dir() {
        return Err(Error::malformed("source", "an archive", "a directory"));
    }
    let mut head = [0; HEAD];
    if metadata.is_file() {
        use std::os::unix::fs::FileExt;
        let count = file.read_at(&mut head, 0).map_err(|e| Error::io("cannot read", e))?;
        recognize::by_head(&head[..count]).map_or(Ok(()), Err)?;
        if Compression::sniff(&head[..count]) == Compression::None {
            let mut magic = [0; recognize::ISO.len()];
            if file.read_at(&mut magic, recognize::ISO_AT).is_ok() && magic == *recognize::ISO {
                return Err(recognize::iso());
            }
            let extent = Extent::of_file(file, metadata.len());
            return Archive::index(name, &extent, &context.limits, on_entry).map_err(no_image);
        }
    }
    let count = read_full(&mut file, &mut head).map_err(|e| Error::io("cannot read", e))?;
    recognize::by_head(&head[..count]).map_or(Ok(()), Err)?;
    let mut plain = io::Cursor::new(head[..count].to_vec()).chain(file);
    match Compression::sniff(&head[..count]) {
        Compression::None => spooled(name, &mut plain, context, on_entry),
        Compression::Gzip | Compression::Zstd => {
            let decoder = Decoder::new(Box::new(plain), &LayerExpected::default(), Window::any())?;
            let mut limited = Limited { reader: decoder, read: 0, limit: context.limits.spooled_bytes };
            let count = read_full(&mut limited, &mut head).map_err(|e| Error::io("cannot read", e))?;
            recognize::by_head(&head[..count]).map_or(Ok(()), Err)?;
            if Compression::sniff(&head[..count]) != Compression::None {
                return Err(recognize::twice_compressed());
            }
            let mut whole = io::Cursor::new(head[..count].to_vec()).chain(&mut limited);
            let archive = spooled(name, &mut whole, context, on_entry)?;
            Ok(archive.with_gzip_mtime(limited.reader.gzip_mtime()))
        }
    }
}

/// What a compressed archive becomes, up to a limit: a few megabytes of it may become terabytes.
struct Limited<R> {
    reader: R,
    read: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        if self.read > self.limit {
            let error = Error::limit("size of the decompressed archive in bytes", self.limit, "more");
            return Err(io::Error::other(error));
        }
        Ok(count)
    }
}

/// Spools an archive and indexes it while it arrives.
fn spooled(
    name: &str,
    reader: &mut (dyn Read + Send),
    context: &RunContext,
    on_entry: &mut OnEntry<'_>,
) -> Result<Archive> {
    let growing = SpoolWriter::new(context.spools.file()?);
    std::thread::scope(|scope| {
        let filler = start(scope, "fill", || growing.fill(reader))?;
        let indexed = Archive::index(name, &Extent::of_spool_writer(Arc::clone(&growing)), &context.limits, on_entry);
        // What follows the end marker is read all the same: the program that writes into this pipe must not be
        // killed by closing it. It may be once it is known that its archive is of no use.
        match &indexed {
            Ok(_) => growing.drain(),
            Err(_) => growing.stop(),
        }
        let filled = filler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A reading error explains an index that stops short, not the other way round.
        filled.and(indexed.map_err(no_image))
    })
}

/// Most who have no file of that name mean an image of a daemon, or one of several images.
fn cannot_open(location: &Location, name: &str, error: io::Error) -> Error {
    let is_missing = error.kind() == io::ErrorKind::NotFound && location.kind.is_none();
    if is_missing && location.as_path().is_some_and(Path::is_symlink) {
        return Error::refused("this is a dangling symbolic link");
    }
    let meant = if is_missing { transport::meant_by(name) } else { None };
    meant.map_or_else(|| Error::io("cannot open", error), Error::refused)
}

/// Why bytes may end where more have to follow.
fn cut(place: &Where) -> &'static str {
    match place {
        Where::Path(path) if path.is_file() => "the file ends in the middle: it was not downloaded or saved whole",
        _ => "the data ends in the middle: did the command that writes it fail?",
    }
}

/// What has not even one header is no archive; what a tar reader says of it would mislead.
fn no_image(error: Error) -> Error {
    if !error.is_no_archive() {
        return error;
    }
    let text = "this is not a container image: neither an OCI image layout nor what docker save writes (as a plain \
                tar, or compressed with gzip or zstd)";
    Error::no_image(text)
}
