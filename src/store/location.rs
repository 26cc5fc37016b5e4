//! The names of images, as containers-transports(5) has them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::registry::RegistryName;
use crate::store::transport::{self, Side};

/// What an image is carried in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// An OCI image layout in a directory.
    Oci,
    /// An OCI image layout in a tar.
    OciArchive,
    /// What `docker save` writes: a tar with a `manifest.json`.
    DockerArchive,
    /// A repository of a registry.
    Registry,
}

impl Carrier {
    /// The transport's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Registry => "docker",
        }
    }

    /// What it is, in a sentence.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Oci => "an OCI image layout in a directory",
            Self::OciArchive => "an OCI archive",
            Self::DockerArchive => "an archive of docker save",
            Self::Registry => "a repository of a registry",
        }
    }
}

/// A location that a report names.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct NamedCarrier {
    /// As it was given.
    pub name: String,
    /// `oci`, `oci-archive`, `docker-archive` or `registry`
    pub kind: Carrier,
}

/// A file or pipe by its path, or the standard stream of the direction in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// `-`
    Stdio,
    /// A file, a device or a FIFO.
    Path(PathBuf),
}

impl From<Stream> for Where {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdio => Self::Stdio,
            Stream::Path(path) => Self::Path(path),
        }
    }
}

/// A path, the standard stream of the direction in question, or a name in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// `-`
    Stdio,
    /// A file or directory.
    Path(PathBuf),
    /// An image in a registry.
    Registry(RegistryName),
}

/// `[oci:|oci-archive:|docker-archive:]PATH[:REFERENCE]`, `docker://NAME`, or `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Set if a prefix asks for it; else a source is detected and a destination takes the source's.
    pub kind: Option<Carrier>,
    /// Where it is.
    pub place: Where,
    /// Which image of several; only with a prefix, as a plain path may contain colons.
    pub reference: Option<String>,
}

impl Location {
    /// Standard input or output.
    pub fn stdio() -> Self {
        Self { kind: None, place: Where::Stdio, reference: None }
    }

    /// A plain path, whose kind is to be detected.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self { kind: None, place: Where::Path(path.into()), reference: None }
    }

    /// The path, where it is one.
    pub fn as_path(&self) -> Option<&Path> {
        match &self.place {
            Where::Path(path) => Some(path),
            Where::Stdio | Where::Registry(_) => None,
        }
    }

    /// The name in a registry, where it is one.
    pub fn as_registry(&self) -> Option<&RegistryName> {
        match &self.place {
            Where::Registry(name) => Some(name),
            Where::Stdio | Where::Path(_) => None,
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    /// As a source.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, Side::Source)
    }
}

impl Location {
    /// As [`FromStr`] parses a source: what is wrong is answered with what to do where something is to be written.
    ///
    /// # Errors
    ///
    /// It is of no transport that is written.
    pub fn destination(text: &str) -> Result<Self> {
        Self::parse(text, Side::Destination)
    }

    /// What an image is written as here: as the prefix says, else as the source is. A layout goes into an archive where the
    /// name is that of one and no directory has it.
    pub(crate) fn carrier(&self, source: Carrier) -> Carrier {
        const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst"];
        let is_archive = |path: &Path| {
            let name = path.as_os_str().to_string_lossy().to_ascii_lowercase();
            ARCHIVES.iter().any(|end| name.ends_with(end)) && !path.is_dir()
        };
        match (self.kind, source, self.as_path()) {
            (Some(kind), ..) => kind,
            (None, Carrier::Oci | Carrier::Registry, Some(path)) if is_archive(path) => Carrier::OciArchive,
            (None, Carrier::Registry, Some(_)) => Carrier::Oci,
            (None, Carrier::Registry, None) => Carrier::OciArchive,
            (None, source, _) => source,
        }
    }

    fn parse(text: &str, side: Side) -> Result<Self> {
        if let Some(error) = transport::refused(text, side) {
            return Err(error);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            let place = Where::Registry(name.parse().map_err(|e: Error| e.in_file(text))?);
            return Ok(Self { kind: Some(Carrier::Registry), place, reference: None });
        }
        let kinds = [Carrier::OciArchive, Carrier::DockerArchive, Carrier::Oci];
        let forced = kinds.into_iter().find_map(|kind| {
            let rest = text.strip_prefix(kind.name())?.strip_prefix(':')?;
            Some((kind, rest))
        });
        let Some((kind, rest)) = forced else {
            if text.is_empty() {
                return Err(Error::malformed("image", "a path, or - for standard input or output", "nothing"));
            }
            let place = if text == "-" { Where::Stdio } else { Where::Path(text.into()) };
            return Ok(Self { kind: None, place, reference: None });
        };
        // As containers/image splits it: the path ends at the first colon.
        let (path, reference) = match rest.split_once(':') {
            Some((path, reference)) => (path, Some(reference)),
            None => (rest, None),
        };
        if path.is_empty() || reference == Some("") {
            let expected = format!("{}:PATH or {}:PATH:REFERENCE", kind.name(), kind.name());
            return Err(Error::malformed("image", expected, text));
        }
        let place = if path == "-" { Where::Stdio } else { Where::Path(path.into()) };
        if kind == Carrier::Oci && place == Where::Stdio {
            let text = "oci:-: oci: is a directory; for standard input or output write oci-archive:-";
            return Err(Error::refused(text));
        }
        Ok(Self { kind: Some(kind), place, reference: reference.map(str::to_owned) })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "{}:", kind.name())?;
        }
        match &self.place {
            Where::Registry(name) => write!(f, "//{name}")?,
            Where::Stdio => f.write_str("-")?,
            Where::Path(path) => write!(f, "{}", path.display())?,
        }
        match &self.reference {
            Some(reference) => write!(f, ":{reference}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_containers_transports_has_them() {
        let parse = |text: &str| text.parse::<Location>().unwrap();
        assert_eq!(parse("-"), Location::stdio());
        assert_eq!(parse("a:b/c.tar"), Location::path("a:b/c.tar"));
        assert_eq!(parse("./oci:x"), Location::path("./oci:x"));
        let full = parse("oci:dir:registry.example:5000/app:v1");
        assert_eq!((full.kind, full.as_path()), (Some(Carrier::Oci), Some(Path::new("dir"))));
        assert_eq!(full.reference.as_deref(), Some("registry.example:5000/app:v1"));
        assert_eq!(parse("oci-archive:-").place, Where::Stdio);
        assert_eq!(parse("docker-archive:x.tar").kind, Some(Carrier::DockerArchive));
        for bad in ["", "oci:", "oci:dir:", "oci:-", "docker-archive::x"] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
        for text in ["-", "a:b", "oci:d:r:t", "oci-archive:f"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn other_transports_are_no_file_names() {
        for text in ["docker-daemon:app:1", "dir:folder", "oci://x", "sif:app.sif"] {
            assert!(text.parse::<Location>().is_err() && Location::destination(text).is_err(), "{text}");
            assert_eq!(format!("./{text}").parse::<Location>().unwrap(), Location::path(format!("./{text}")));
        }
        assert_eq!("directory/dir:x".parse::<Location>().unwrap().kind, None);
        assert_eq!("oci:///x".parse::<Location>().unwrap().as_path(), Some(Path::new("///x")));
    }
}
