//! What a `docker://` name means (containers-transports(5)).

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::{Error, Result, quoted};
use crate::name::{full_name, is_registry, is_repository, is_tag, tag_of};

/// `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`: what comes after `docker://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryName {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The registry that a name without a host is of.
const DOCKER: &str = "docker.io";

impl RegistryName {
    /// The registry, as it is named: `docker.io` where none is.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host and port that answer for it.
    pub fn address(&self) -> &str {
        if self.host == DOCKER { "registry-1.docker.io" } else { &self.host }
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `None` where there is only a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that it is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository by a digest alone.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Registry and repository, without tag and digest.
    pub fn full_repository(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// Is it the same repository of the same registry?
    pub fn is_same_repository(&self, other: &Self) -> bool {
        self.host == other.host && self.repository == other.repository
    }

    /// Is it a registry on this machine, which docker talks to without TLS as well?
    pub fn is_local(&self) -> bool {
        let host = host_of(&self.host);
        let is_loopback = |host: &str| host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        host == "localhost" || is_loopback(host.trim_start_matches('[').trim_end_matches(']'))
    }
}

/// The host without its port.
fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, _)) if !host.starts_with('[') || host.ends_with(']') => host,
        _ => registry,
    }
}

impl FromStr for RegistryName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |expected: &'static str| Error::malformed("name in a registry", expected, quoted(text));
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (repository, tag) = match tag_of(name) {
            Some(tag) => (name.strip_suffix(tag).and_then(|name| name.strip_suffix(':')).unwrap_or(name), Some(tag)),
            None => (name, None),
        };
        let tag = match (tag, &digest) {
            (Some(tag), _) if is_tag(tag) => Some(tag.to_owned()),
            (Some(_), _) => return Err(wrong("a tag of at most 128 letters, digits, _, . and -")),
            (None, Some(_)) => None,
            (None, None) => Some("latest".to_owned()),
        };
        let is_bracketed = repository.starts_with('[');
        let full = if is_bracketed { repository.to_owned() } else { full_name(repository) };
        let (host, path) = full.split_once('/').unwrap_or_default();
        // As docker has it, whatever of its registry's names is used.
        let host = if matches!(host, "index.docker.io" | "registry-1.docker.io") { DOCKER } else { host };
        if !is_registry(host) || !is_repository(path) || full.len() > 255 {
            let expected =
                "docker://[HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST] with a repository of lower case letters and digits";
            return Err(wrong(expected));
        }
        Ok(Self { host: host.to_owned(), repository: path.to_owned(), tag, digest })
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_up_as_docker_does() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, full, address) in [
            ("nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
            ("me/app:1", "docker.io/me/app:1", "registry-1.docker.io"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
            ("localhost/app", "localhost/app:latest", "localhost"),
            ("localhost:5000/a/b:x", "localhost:5000/a/b:x", "localhost:5000"),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000"),
            (&format!("r.example/a@{digest}"), &format!("r.example/a@{digest}"), "r.example"),
            (&format!("r.example/a:1@{digest}"), &format!("r.example/a:1@{digest}"), "r.example"),
        ] {
            let name: RegistryName = text.parse().unwrap();
            assert_eq!((name.to_string().as_str(), name.address()), (full, address), "{text}");
        }
        for bad in
            ["", "/a", "A", "a:", "a:b:c", "a@sha256:0", "http://x/a", "r.example:x/a", "a/../b", "a b", "r.example/"]
        {
            assert!(bad.parse::<RegistryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_on_this_machine_needs_no_tls() {
        for (text, local) in [
            ("localhost/a", true),
            ("localhost:5000/a", true),
            ("127.0.0.1:5000/a", true),
            ("127.9.9.9/a", true),
            ("[::1]:80/a", true),
            ("localhost.example/a", false),
            ("10.0.0.1:5000/a", false),
            ("nginx", false),
        ] {
            assert_eq!(text.parse::<RegistryName>().unwrap().is_local(), local, "{text}");
        }
    }
}
