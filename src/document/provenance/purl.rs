//! Package URLs, by which BuildKit names images (purl-spec; BuildKit, util/purl/image.go), and the names of images.

use std::fmt;

use crate::digest::Digest;

/// `pkg:type/namespace/name@version?qualifiers`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageUrl {
    /// `docker`, or `oci` for an image that the client had.
    pub kind: String,
    /// Namespace and name.
    pub name: String,
    /// Such as a tag.
    pub version: Option<String>,
    /// Keys and values.
    pub qualifiers: Vec<(String, String)>,
}

impl PackageUrl {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:")?.split('#').next()?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = path.trim_start_matches('/').split_once('/')?;
        let (name, version) = match path.rsplit_once('@') {
            Some((name, version)) => (name, Some(decoded(version)?).filter(|version| !version.is_empty())),
            None => (path, None),
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let qualifiers = pairs.map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_ascii_lowercase(), decoded(value)?))
        });
        let name = decoded(name)?;
        let qualifiers = qualifiers.collect::<Option<Vec<_>>>()?;
        (!name.is_empty()).then(|| Self { kind: kind.to_ascii_lowercase(), name, version, qualifiers })
    }

    /// A qualifier.
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The image that it names.
    pub fn image(&self) -> Option<ImageName> {
        let is_whole = matches!(self.qualifier("ref_type"), None | Some("image"));
        if !matches!(self.kind.as_str(), "docker" | "oci") || !is_whole {
            return None;
        }
        let digest = self.qualifier("digest").map(|digest| digest.parse().ok());
        let (tag, by_version) = match self.version.as_deref().map(|version| (version, version.parse::<Digest>())) {
            Some((_, Ok(digest))) => (None, Some(digest)),
            Some((tag, Err(_))) => (Some(tag.to_owned()), None),
            None => (None, None),
        };
        // A digest that is none is no name.
        let digest = match digest {
            Some(digest) => Some(digest?),
            None => by_version,
        };
        ImageName::of(&self.name, tag, digest)
    }
}

/// Percent-encoding (RFC 3986, 2.1) undone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The full name of an image, known to be one: it can be written into a Dockerfile or a policy as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName {
    /// `docker.io/library/debian`
    pub repository: String,
    /// `12`
    pub tag: Option<String>,
    /// Where it was named by one.
    pub digest: Option<Digest>,
}

impl ImageName {
    /// A name as people write it, in full: `debian:12` is `docker.io/library/debian:12` (distribution/reference,
    /// normalize.go). `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
            None => (text, None),
        };
        // A colon before a slash is that of a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        Self::of(name, tag, digest)
    }

    fn of(name: &str, tag: Option<String>, digest: Option<Digest>) -> Option<Self> {
        let (first, path) = name.split_once('/').unwrap_or(("", name));
        let is_host =
            first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
        let (host, path) = match is_host {
            true => (first, path.to_owned()),
            false if first.is_empty() => ("docker.io", format!("library/{path}")),
            false => ("docker.io", name.to_owned()),
        };
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        let fits = |text: &str, others: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        let is_path = |part: &str| {
            let edges = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            fits(part, b"._-")
                && edges(part.bytes().next())
                && edges(part.bytes().last())
                && !part.bytes().any(|byte| byte.is_ascii_uppercase())
        };
        let is_tag = |tag: &String| tag.len() <= 128 && fits(tag, b"._-") && !tag.starts_with(['.', '-']);
        let repository = format!("{host}/{path}");
        let fits = fits(host, b".-:")
            && !host.starts_with(['.', '-', ':'])
            && path.split('/').all(is_path)
            && repository.len() <= 255
            && tag.as_ref().is_none_or(is_tag);
        fits.then_some(Self { repository, tag, digest })
    }

    /// As it is asked for: without a tag or digest, `latest`.
    pub fn asked(&self) -> String {
        let tag = self.tag.as_deref().or(if self.digest.is_some() { None } else { Some("latest") });
        format!("{}{}", self.repository, tag.map_or(String::new(), |tag| format!(":{tag}")))
    }
}

impl ImageName {
    /// Repository and tag, without a digest.
    pub fn asked_as_written(&self) -> String {
        let tag = self.tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
        format!("{}{tag}", self.repository)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_full() {
        for (text, full) in [
            ("debian:12", "docker.io/library/debian:12"),
            ("bitnami/redis", "docker.io/bitnami/redis"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("ghcr.io/a/b", "ghcr.io/a/b"),
            ("index.docker.io/library/x:1", "docker.io/library/x:1"),
        ] {
            assert_eq!(ImageName::parse(text).unwrap().to_string(), full);
        }
        for none in ["", "a b", "a:$x", "A:1", "a/../b", "a\nb", "a@sha256:0", "a:", "-a", "a//b", "x:`y`"] {
            assert_eq!(ImageName::parse(none), None, "{none}");
        }
    }

    #[test]
    fn package_urls_name_images() {
        let hex = "094a269dede9209d39d0155aa0cc970318eed70d63428cc3248f6116b9898e7d";
        let image = |text: &str| Some(PackageUrl::parse(text)?.image()?.to_string());
        assert_eq!(image("pkg:docker/debian@12?platform=linux%2Famd64").unwrap(), "docker.io/library/debian:12");
        let digest = format!("pkg:oci/base?digest=sha256:{hex}&platform=linux%2Famd64");
        assert_eq!(image(&digest).unwrap(), format!("docker.io/library/base@sha256:{hex}"));
        let digest = format!("pkg:docker/ghcr.io/a/b@sha256%3A{hex}");
        assert_eq!(image(&digest).unwrap(), format!("ghcr.io/a/b@sha256:{hex}"));
        assert_eq!(image("pkg:docker/localhost%3A5000/x@1").unwrap(), "localhost:5000/x:1");
        for none in [
            "pkg:npm/x@1",
            "pkg:docker/x@1?ref_type=blob",
            "docker/x",
            "pkg:docker/",
            "pkg:docker/a%zz",
            "pkg:docker/a?digest=x",
        ] {
            assert_eq!(image(none), None, "{none}");
        }
    }
}
