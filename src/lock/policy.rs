//! BuildKit's source policy: rules that pin what a build asks for to the digests that are stated (BuildKit,
//! sourcepolicy/pb/policy.proto and json.go; `buildctl build --source-policy-file`,
//! `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` of buildx).
//!
//! Every rule matches exactly: a wildcard would give characters of an address a meaning.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;
use crate::document::provenance::ImageName;
use crate::error::printable;
use crate::origin::{How, Origin, SourceKind, SourceOf};

/// The version of the form.
const VERSION: u32 = 1;
/// The attributes by which BuildKit verifies a commit, and a file.
const GIT_CHECKSUM: &str = "git.checksum";
const HTTP_CHECKSUM: &str = "http.checksum";

/// `source-policy.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Policy {
    /// 1
    pub version: u32,
    /// In the order of what they select.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// `CONVERT`
    pub action: &'static str,
    /// What is asked for.
    pub selector: Selector,
    /// What is taken.
    pub updates: Update,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Selector {
    /// `docker-image://docker.io/library/debian:12`
    pub identifier: String,
    /// `EXACT`
    pub match_type: &'static str,
}

/// What a rule changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Update {
    /// `docker-image://docker.io/library/debian:12@sha256:…`
    pub identifier: String,
    /// What is verified.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: BTreeMap<&'static str, String>,
}

impl Policy {
    /// The rules for what is stated with a digest. Where two digests are stated for one name, none is taken, and a note
    /// says so.
    pub(super) fn of(origin: &mut Origin) -> Self {
        let bases = origin.base.iter().filter(|base| base.how == How::Stated).filter_map(|base| {
            let image = ImageName::parse(base.name.as_deref()?)?;
            Some(of_image(&image, base.digest?))
        });
        let all = origin.sources.iter().filter(|source| source.how == How::Stated).filter_map(of_source).chain(bases);
        let mut rules: BTreeMap<String, Option<Update>> = BTreeMap::new();
        for (identifier, update) in all {
            let rule = rules.entry(identifier).or_insert_with(|| Some(update.clone()));
            if rule.as_ref().is_some_and(|other| *other != update) {
                *rule = None;
            }
        }
        let contradicted = rules.iter().filter(|(_, update)| update.is_none());
        let notes = contradicted
            .map(|(name, _)| format!("{}: several digests are stated, so no rule pins it", printable(name.as_bytes())));
        origin.notes.extend(notes);
        let rules = rules.into_iter().filter_map(|(identifier, updates)| {
            Some(Rule { action: "CONVERT", selector: Selector { identifier, match_type: "EXACT" }, updates: updates? })
        });
        Self { version: VERSION, rules: rules.collect() }
    }
}

fn of_source(source: &SourceOf) -> Option<(String, Update)> {
    let digest = source.digest.as_deref()?;
    match source.kind {
        SourceKind::Image => {
            let image = ImageName::parse(source.name.as_deref()?)?;
            Some(of_image(&image, digest.parse().ok()?))
        }
        SourceKind::Git => {
            let identifier = git_identifier(&source.uri)?;
            let commit = digest.split_once(':').map(|(_, commit)| commit.to_owned())?;
            Some(verified(identifier, GIT_CHECKSUM, commit))
        }
        SourceKind::Http => Some(verified(source.uri.clone(), HTTP_CHECKSUM, digest.to_owned())),
        SourceKind::Checkout | SourceKind::Other => None,
    }
}

/// A name without a tag is asked for as `latest`.
fn of_image(image: &ImageName, digest: Digest) -> (String, Update) {
    let repository = &image.repository;
    let asked = format!("docker-image://{repository}:{}", image.tag.as_deref().unwrap_or("latest"));
    let tag = image.tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
    let identifier = format!("docker-image://{repository}{tag}@{digest}");
    (asked, Update { identifier, attrs: BTreeMap::new() })
}

fn verified(identifier: String, key: &'static str, value: String) -> (String, Update) {
    (identifier.clone(), Update { identifier, attrs: BTreeMap::from([(key, value)]) })
}

/// BuildKit's identifier of a repository has neither the scheme of its address nor a user (client/llb/source.go, `Git`):
/// `git://github.com/moby/buildkit.git#v0.20.0`.
fn git_identifier(uri: &str) -> Option<String> {
    let uri = uri.strip_prefix("git+").unwrap_or(uri);
    let (address, reference) = uri.split_once('#').map_or((uri, None), |(address, rest)| (address, Some(rest)));
    let place = match address.split_once("://") {
        Some((_, place)) => place.to_owned(),
        // As scp has it: git@github.com:moby/buildkit.git
        None => address.replacen(':', "/", 1),
    };
    let (host, path) = place.split_once('/')?;
    let host = host.rsplit('@').next().filter(|host| !host.is_empty())?;
    let reference = reference.map_or(String::new(), |reference| format!("#{reference}"));
    Some(format!("git://{host}/{path}{reference}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::BaseOf;

    const HEX: &str = "094a269dede9209d39d0155aa0cc970318eed70d63428cc3248f6116b9898e7d";

    fn source(kind: SourceKind, uri: &str, name: Option<&str>, digest: &str) -> SourceOf {
        let (name, digest) = (name.map(str::to_owned), Some(digest.to_owned()));
        SourceOf { kind, uri: uri.to_owned(), name, digest, how: How::Stated, from: String::new() }
    }

    #[test]
    fn what_is_stated_is_pinned() {
        let digest = format!("sha256:{HEX}");
        let sources = vec![
            source(SourceKind::Image, "pkg:docker/debian@12", Some("docker.io/library/debian:12"), &digest),
            source(SourceKind::Image, "pkg:oci/base", Some(&format!("docker.io/library/base@{digest}")), &digest),
            source(
                SourceKind::Git,
                "https://user@github.com/a/b.git#v1",
                None,
                "sha1:0123456789012345678901234567890123456789",
            ),
            source(SourceKind::Http, "https://example.com/x.tar", None, &digest),
            source(
                SourceKind::Checkout,
                "https://example.com/y.git",
                None,
                "sha1:0123456789012345678901234567890123456789",
            ),
        ];
        let base = |digest: &str| BaseOf {
            name: Some("docker.io/library/alpine:3".to_owned()),
            digest: digest.parse().ok(),
            how: How::Stated,
            from: String::new(),
        };
        let base = vec![base(&digest), base(&digest.replace("094a", "094b"))];
        let mut origin = Origin { sources, base, ..Origin::default() };
        let policy = Policy::of(&mut origin);
        let json = serde_json::to_value(&policy).unwrap();
        let rules: Vec<_> = policy
            .rules
            .iter()
            .map(|rule| (rule.selector.identifier.as_str(), rule.updates.identifier.as_str()))
            .collect();
        let image = |name: &str| format!("docker-image://docker.io/library/{name}");
        assert_eq!(
            rules,
            [
                (image("base:latest").as_str(), format!("{}@{digest}", image("base")).as_str()),
                (&image("debian:12"), &format!("{}@{digest}", image("debian:12"))),
                ("git://github.com/a/b.git#v1", "git://github.com/a/b.git#v1"),
                ("https://example.com/x.tar", "https://example.com/x.tar"),
            ]
        );
        assert_eq!(json["version"], 1);
        assert_eq!(json["rules"][0]["action"], "CONVERT");
        assert_eq!(json["rules"][0]["selector"]["match_type"], "EXACT");
        assert_eq!(json["rules"][2]["updates"]["attrs"]["git.checksum"], "0123456789012345678901234567890123456789");
        assert_eq!(json["rules"][3]["updates"]["attrs"]["http.checksum"], digest);
        assert!(origin.notes[0].contains("alpine:3: several digests"), "{:?}", origin.notes);
    }

    #[test]
    fn repositories_are_named_as_buildkit_does() {
        for (uri, identifier) in [
            ("https://github.com/moby/buildkit.git#v0.8.1", "git://github.com/moby/buildkit.git#v0.8.1"),
            ("git@github.com:moby/buildkit.git", "git://github.com/moby/buildkit.git"),
            ("ssh://git@example.com:2222/a.git#main", "git://example.com:2222/a.git#main"),
            ("git+https://github.com/a/b@refs/heads/main", "git://github.com/a/b@refs/heads/main"),
        ] {
            assert_eq!(git_identifier(uri).unwrap(), identifier);
        }
        assert_eq!(git_identifier("x"), None);
    }
}
