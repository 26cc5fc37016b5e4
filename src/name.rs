//! What images are called: names in an index, as Docker shows them, and as containerd wants them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, quoted};

/// Do these two name the same image? Docker shortens what is on its own registry.
pub fn is_name(name: &str, reference: &str) -> bool {
    familiar(name) == familiar(reference)
}

/// A name as Docker shows it: without its own registry and `library/`.
pub fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// The names of an image as Docker shows them: an index has the tag of a name once more, alone.
pub fn shown(names: &[String]) -> Vec<&str> {
    let full: BTreeSet<&str> = names.iter().map(|name| familiar(name)).filter(|name| tag_of(name).is_some()).collect();
    let tags: BTreeSet<&str> = full.iter().filter_map(|name| tag_of(name)).collect();
    let mut seen = BTreeSet::new();
    let all = names.iter().map(|name| familiar(name)).filter(|name| full.contains(name) || !tags.contains(name));
    all.filter(|name| seen.insert(*name)).collect()
}

/// The tag in a full name: `registry:5000/app:v1` has `v1`, `v1` alone and a digest have none.
pub fn tag_of(name: &str) -> Option<&str> {
    let (repository, tag) = name.rsplit_once(':')?;
    (!repository.is_empty() && !repository.contains('@') && !tag.contains('/')).then_some(tag)
}

/// A name with its registry, as containerd wants it.
pub fn full_name(tag: &str) -> String {
    let first = tag.split('/').next().unwrap_or_default();
    let registry = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (registry, tag.contains('/')) {
        (true, _) => tag.to_owned(),
        (false, true) => format!("docker.io/{tag}"),
        (false, false) => format!("docker.io/library/{tag}"),
    }
}

/// A name that an image is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    ref_name: String,
    /// Repository and tag, as Docker shows them.
    image: Option<String>,
}

impl NewName {
    /// A name in an OCI layout, as skopeo has it: the whole text is the name.
    ///
    /// # Errors
    ///
    /// It is no reference name (OCI image-spec, annotations.md).
    pub fn in_layout(text: &str) -> Result<Self> {
        let component = |component: &str| {
            is_joined(component, &["--", "-", ".", "_", ":", "@", "+"], |b| b.is_ascii_alphanumeric())
        };
        if !text.split('/').all(component) {
            let expected = "letters, digits and single separators (. _ - : + @ /) between them, as in oci:DIR:app:1";
            return Err(Error::malformed("reference name", expected, quoted(text)));
        }
        let image = if tag_of(text).is_some() { Some(Self::from_str(text)?.image).flatten() } else { None };
        Ok(Self { ref_name: text.to_owned(), image })
    }

    /// What an index calls it: the tag, or what it was given as.
    pub fn ref_name(&self) -> &str {
        &self.ref_name
    }

    /// Repository and tag, as Docker shows them; none for a tag alone.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// The same with its registry, as containerd wants it.
    pub fn full(&self) -> Option<String> {
        self.image().map(full_name)
    }
}

impl FromStr for NewName {
    type Err = Error;

    /// `[REGISTRY[:PORT]/]REPOSITORY[:TAG]`; the tag is `latest` if there is none.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |expected: &'static str| Err(Error::malformed("name", expected, quoted(text)));
        if text.contains('@') {
            return wrong("REPOSITORY:TAG, without a digest: the result has its own");
        }
        let (repository, tag) = match tag_of(text) {
            Some(tag) => (text.strip_suffix(tag).and_then(|text| text.strip_suffix(':')).unwrap_or(text), tag),
            None => (text, "latest"),
        };
        if !is_tag(tag) {
            return wrong("a tag of at most 128 letters, digits, _, . and -");
        }
        let full = full_name(repository);
        let (registry, path) = full.split_once('/').unwrap_or_default();
        if !is_repository(path) || !is_registry(registry) || full.len() > 255 {
            return wrong(
                "[REGISTRY[:PORT]/]REPOSITORY[:TAG] with a repository of lower case letters and digits, as app:1",
            );
        }
        let image = format!("{}:{tag}", familiar(repository));
        Ok(Self { ref_name: tag.to_owned(), image: Some(image) })
    }
}

impl fmt::Display for NewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.image().unwrap_or(&self.ref_name))
    }
}

/// Is it a tag (OCI distribution-spec, "Pulling manifests")?
pub fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

/// Is it the name of a repository, without its registry?
pub fn is_repository(text: &str) -> bool {
    let is_lower = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    text.split('/').all(|part| is_joined(part, &["__", "_", ".", "-"], is_lower))
}

/// Is it a registry: a host, and a port where it has one?
pub fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.starts_with('[') || host.ends_with(']') => (host, port),
        _ => (text, "0"),
    };
    let is_address = || {
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inside.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_host = is_address() || is_joined(host, &[".", "-"], |b| b.is_ascii_alphanumeric());
    is_host && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Words with one separator between each two; a hyphen may be repeated, as in names of images.
fn is_joined(text: &str, separators: &[&str], is_word: impl Fn(u8) -> bool) -> bool {
    let mut rest = text;
    loop {
        let word = rest.bytes().take_while(|b| is_word(*b)).count();
        if word == 0 {
            return false;
        }
        rest = rest.get(word..).unwrap_or_default();
        if rest.is_empty() {
            return true;
        }
        let hyphens = rest.trim_start_matches('-');
        let after = separators.iter().find_map(|separator| rest.strip_prefix(separator));
        rest =
            if hyphens.len() < rest.len() && separators.contains(&"-") { hyphens } else { after.unwrap_or_default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_and_filled_up_as_docker_does() {
        for (full, short, tag) in [
            ("docker.io/library/app:1", "app:1", Some("1")),
            ("docker.io/me/app:1", "me/app:1", Some("1")),
            ("localhost/app:1", "localhost/app:1", Some("1")),
            ("registry:5000/app:v1", "registry:5000/app:v1", Some("v1")),
        ] {
            assert_eq!((familiar(full), full_name(short).as_str(), tag_of(short)), (short, full, tag));
            assert!(is_name(full, short));
        }
        for none in ["v1", "registry:5000/app", "app@sha256:00"] {
            assert_eq!(tag_of(none), None, "{none}");
        }
    }
    #[test]
    fn a_tag_beside_its_name_is_not_shown() {
        let names = ["docker.io/library/app:1", "1", "other", "app:1"].map(str::to_owned);
        assert_eq!(shown(&names), ["app:1", "other"]);
        assert_eq!(shown(&["1".to_owned()]), ["1"]);
    }

    #[test]
    fn a_new_name_is_one_that_docker_takes() {
        for (text, ref_name, full) in [
            ("app:1", "1", "docker.io/library/app:1"),
            ("app", "latest", "docker.io/library/app:latest"),
            ("me/app__x-y.z:V_1.0-a", "V_1.0-a", "docker.io/me/app__x-y.z:V_1.0-a"),
            ("docker.io/library/app:1", "1", "docker.io/library/app:1"),
            ("localhost/app--x:1", "1", "localhost/app--x:1"),
            ("Registry.example:5000/team/app:v1", "v1", "Registry.example:5000/team/app:v1"),
            ("registry.example:5000/app", "latest", "registry.example:5000/app:latest"),
        ] {
            let name: NewName = text.parse().unwrap();
            assert_eq!((name.ref_name(), name.full().as_deref()), (ref_name, Some(full)), "{text}");
        }
        let long = format!("app:{}", "x".repeat(129));
        for bad in [
            "",
            ":",
            "app:",
            ":1",
            "App:1",
            "app:1:2",
            "a//b:1",
            "/app",
            "app/",
            "app:-1",
            "a b",
            "app:1\n",
            "app@sha256:00",
            "-app",
            "a___b:1",
            "a..b",
            "reg.example:x/app",
            &long,
        ] {
            assert!(bad.parse::<NewName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_in_a_layout_is_kept_whole() {
        for (text, image) in
            [("v1", None), ("App", None), ("app:1", Some("app:1")), ("docker.io/library/a:1", Some("a:1"))]
        {
            let name = NewName::in_layout(text).unwrap();
            assert_eq!((name.ref_name(), name.image()), (text, image));
        }
        for bad in ["", "@0", "-v", "v-", "a//b", "a b", "a::b", "App:1:2"] {
            assert!(NewName::in_layout(bad).is_err(), "{bad}");
        }
    }
}
