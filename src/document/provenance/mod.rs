//! What a statement of a build's provenance says that went into it: SLSA v0.2's `materials` and v1's
//! `resolvedDependencies`, as BuildKit and others write them (BuildKit, docs/attestations/slsa-definitions.md).
//!
//! The predicate may be tens of megabytes: the document is indexed within the parser's limits, and lists have limits of
//! their own. `purl.rs` reads the package URLs by which BuildKit names images.

mod purl;

pub use purl::{ImageName, PackageUrl};

use super::attestation::{Attestation, Subject};
use super::json::{Json, Value};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};

/// What went into a build, at most.
const MAX_DEPENDENCIES: usize = 10_000;
/// The longest address or name that is kept.
const MAX_TEXT: usize = 4096;
/// Layers of one step that are kept.
const MAX_LAYERS: usize = 1000;
/// BuildKit's own part of `metadata`, in both versions of the predicate.
const BUILDKIT: [&str; 2] = ["https://mobyproject.org/buildkit@v1#metadata", "buildkit_metadata"];

/// What a statement says of a build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The type of its predicate.
    pub predicate_type: String,
    /// What it is about.
    pub subjects: Vec<Digest>,
    /// Who built: `builder.id`, where it is not empty.
    pub builder: Option<String>,
    /// How: `buildType`.
    pub build_type: Option<String>,
    /// What went in.
    pub dependencies: Vec<Dependency>,
    /// Does the builder say that nothing else did (v0.2: `completeness.materials`; BuildKit in v1:
    /// `buildkit_completeness.resolvedDependencies`)?
    pub is_complete: bool,
    /// Where the recipe came from: `configSource` with an address.
    pub recipe: Option<Dependency>,
    /// The repository and commit that the client's directory was checked out of (BuildKit's `vcs`).
    pub checkout: Option<(String, String)>,
    /// The image of the frontend, which is no base of anything.
    pub frontend: Option<String>,
    /// The images that steps start from, by BuildKit's identifiers, each with its layers.
    pub sources: Vec<SourceStep>,
}

/// Something that went into a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What it is called.
    pub uri: String,
    /// Its digests: algorithm, and hexadecimal digits.
    pub digests: Vec<(String, String)>,
}

impl Dependency {
    /// The digits of an algorithm.
    pub fn digest(&self, algorithm: &str) -> Option<&str> {
        self.digests.iter().find(|(name, _)| name == algorithm).map(|(_, hex)| hex.as_str())
    }
}

/// A step that takes an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStep {
    /// `docker-image://docker.io/library/debian:12@sha256:…`
    pub identifier: String,
    /// The layers of that image.
    pub layers: Vec<Digest>,
}

/// Is this the type of a predicate that is read here?
pub fn is_provenance(predicate_type: &str) -> bool {
    matches!(predicate_type, "https://slsa.dev/provenance/v0.2" | "https://slsa.dev/provenance/v1")
}

impl Provenance {
    /// Reads a statement; `None` if it is of another type, or signed.
    ///
    /// # Errors
    ///
    /// It is no JSON, or beyond a limit.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Attestation::Statement(statement) = Attestation::parse(bytes)? else { return Ok(None) };
        let head = Json::parse_only(bytes, &["predicateType"])?;
        let predicate_type = head.root().get("predicateType").and_then(text).unwrap_or_default();
        if !is_provenance(&predicate_type) {
            return Ok(None);
        }
        let subjects = statement.subjects().iter().flat_map(|subject: &Subject| subject.digests.clone()).collect();
        let json = Json::parse_only(bytes, &["predicate"])?;
        let predicate = json.root().get("predicate");
        let found = match predicate {
            Some(predicate) if predicate_type.ends_with("/v1") => v1(predicate)?,
            Some(predicate) => v02(predicate)?,
            None => Self::default(),
        };
        Ok(Some(Self { predicate_type, subjects, ..found }))
    }
}

fn v02(predicate: Value<'_>) -> Result<Provenance> {
    let invocation = predicate.entry("invocation");
    let parameters = at(invocation, &["parameters"]);
    let metadata = predicate.entry("metadata");
    Ok(Provenance {
        builder: at(Some(predicate), &["builder", "id"]).and_then(text),
        build_type: predicate.entry("buildType").and_then(text),
        dependencies: dependencies(predicate.entry("materials"))?,
        is_complete: is_true(at(metadata, &["completeness", "materials"])),
        recipe: at(invocation, &["configSource"]).and_then(dependency),
        checkout: checkout(metadata),
        frontend: frontend(parameters),
        sources: sources(at(Some(predicate), &["buildConfig"]), metadata),
        ..Provenance::default()
    })
}

fn v1(predicate: Value<'_>) -> Result<Provenance> {
    let definition = predicate.entry("buildDefinition");
    let run = predicate.entry("runDetails");
    let metadata = at(run, &["metadata"]);
    Ok(Provenance {
        builder: at(run, &["builder", "id"]).and_then(text),
        build_type: at(definition, &["buildType"]).and_then(text),
        dependencies: dependencies(at(definition, &["resolvedDependencies"]))?,
        is_complete: is_true(at(metadata, &["buildkit_completeness", "resolvedDependencies"])),
        recipe: at(definition, &["externalParameters", "configSource"]).and_then(dependency),
        checkout: checkout(metadata),
        frontend: frontend(at(definition, &["externalParameters", "request"])),
        sources: sources(at(definition, &["internalParameters", "buildConfig"]), metadata),
        ..Provenance::default()
    })
}

/// The value at the end of a path of keys.
fn at<'j>(value: Option<Value<'j>>, path: &[&str]) -> Option<Value<'j>> {
    path.iter().try_fold(value?, |value, key| value.entry(key))
}

fn is_true(value: Option<Value<'_>>) -> bool {
    value.and_then(Value::as_bool) == Some(true)
}

/// A text that is there, and not of any length.
fn text(value: Value<'_>) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= MAX_TEXT).then(|| text.into_owned())
}

fn dependencies(list: Option<Value<'_>>) -> Result<Vec<Dependency>> {
    let all: Vec<Dependency> =
        list.into_iter().flat_map(Value::elements).filter_map(dependency).take(MAX_DEPENDENCIES + 1).collect();
    match all.len() {
        0..=MAX_DEPENDENCIES => Ok(all),
        _ => Err(Error::limit("number of dependencies of a build", MAX_DEPENDENCIES as u64, "more")),
    }
}

fn dependency(value: Value<'_>) -> Option<Dependency> {
    let uri = value.entry("uri").and_then(text)?;
    let digests = value.entry("digest").into_iter().flat_map(Value::members).take(16);
    let digests = digests.filter_map(|member| {
        let hex = text(member.value)?;
        let is_hex = hex.len() <= 256 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && member.key.len() <= 64).then(|| (member.key.to_ascii_lowercase(), hex))
    });
    Some(Dependency { uri, digests: digests.collect() })
}

fn buildkit(metadata: Option<Value<'_>>) -> Option<Value<'_>> {
    BUILDKIT.iter().find_map(|key| metadata?.entry(key))
}

fn checkout(metadata: Option<Value<'_>>) -> Option<(String, String)> {
    let vcs = buildkit(metadata)?.entry("vcs")?;
    Some((vcs.entry("source").and_then(text)?, vcs.entry("revision").and_then(text)?))
}

/// The image of a frontend that is one: `# syntax=` of a Dockerfile.
fn frontend(request: Option<Value<'_>>) -> Option<String> {
    let is_image = at(request, &["frontend"]).and_then(text)? == "gateway.v0";
    let args = at(request, &["args"]).filter(|_| is_image)?;
    args.entry("source").or_else(|| args.entry("cmdline")).and_then(text)
}

/// Which step takes which image is in the definition of the build, and the layers of that are in the metadata; both are
/// there in provenance of `mode=max`.
fn sources(config: Option<Value<'_>>, metadata: Option<Value<'_>>) -> Vec<SourceStep> {
    let layers = buildkit(metadata).and_then(|own| own.entry("layers"));
    let steps = at(config, &["llbDefinition"]).into_iter().flat_map(Value::elements);
    let steps = steps.filter_map(|step| {
        let source = at(Some(step), &["op", "Op", "source"]).or_else(|| at(Some(step), &["op", "source"]))?;
        let identifier = source.entry("identifier").and_then(text)?;
        let is_image = ["docker-image://", "oci-layout://"].iter().any(|scheme| identifier.starts_with(scheme));
        let id = step.entry("id").filter(|_| is_image).and_then(text)?;
        // One output, and of its lists the first.
        let list = layers?.entry(&format!("{id}:0"))?.elements().next()?;
        let digests = list.elements().take(MAX_LAYERS).map(|layer| layer.entry("digest")?.as_str()?.parse().ok());
        Some(SourceStep { identifier, layers: digests.collect::<Option<Vec<Digest>>>()? })
    });
    steps.take(MAX_DEPENDENCIES).collect()
}

/// The digest of an image among those of a dependency.
pub fn image_digest(dependency: &Dependency) -> Option<Digest> {
    [Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .find_map(|algorithm| Digest::from_hex(algorithm, dependency.digest(algorithm.name())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "094a269dede9209d39d0155aa0cc970318eed70d63428cc3248f6116b9898e7d";

    fn statement(version: &str, predicate: &str) -> Provenance {
        let json = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v0.1","subject":[{{"name":"x","digest":{{"sha256":"{HEX}"}}}}],
            "predicateType":"https://slsa.dev/provenance/{version}","predicate":{predicate}}}"#
        );
        Provenance::parse(json.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn both_versions_are_read() {
        let materials = format!(
            r#"[{{"uri":"pkg:docker/debian@12?platform=linux%2Famd64","digest":{{"sha256":"{HEX}"}}}},
            {{"uri":"https://github.com/a/b.git#v1","digest":{{"sha1":"0123456789012345678901234567890123456789"}}}}]"#
        );
        let layers = format!(r#""layers":{{"step0:0":[[{{"digest":"sha256:{HEX}"}}]]}}"#);
        let steps = r#""llbDefinition":[{"id":"step0","op":{"Op":{"source":{"identifier":"docker-image://docker.io/library/debian:12"}}}}]"#;
        let request = r#"{"frontend":"gateway.v0","args":{"source":"docker/dockerfile:1"}}"#;
        let vcs = r#""vcs":{"source":"https://example.com/x.git","revision":"abc"}"#;
        let old = statement(
            "v0.2",
            &format!(
                r#"{{"builder":{{"id":"https://example.com/run"}},"buildType":"t","materials":{materials},
            "invocation":{{"configSource":{{"uri":"https://example.com/x.git#main"}},"parameters":{request}}},
            "buildConfig":{{{steps}}},"metadata":{{"https://mobyproject.org/buildkit@v1#metadata":{{{vcs},{layers}}}}}}}"#
            ),
        );
        let new = statement(
            "v1",
            &format!(
                r#"{{"buildDefinition":{{"buildType":"t","resolvedDependencies":{materials},"externalParameters":
            {{"configSource":{{"uri":"https://example.com/x.git#main"}},"request":{request}}},
            "internalParameters":{{"buildConfig":{{{steps}}}}}}},"runDetails":{{"builder":{{"id":"https://example.com/run"}},
            "metadata":{{"buildkit_metadata":{{{vcs},{layers}}}}}}}}}"#
            ),
        );
        for found in [old, new] {
            assert_eq!(found.dependencies.len(), 2);
            assert_eq!(image_digest(&found.dependencies[0]).unwrap().hex(), HEX);
            assert_eq!(found.builder.as_deref(), Some("https://example.com/run"));
            assert_eq!(found.frontend.as_deref(), Some("docker/dockerfile:1"));
            assert_eq!(found.recipe.unwrap().uri, "https://example.com/x.git#main");
            assert_eq!(found.checkout.unwrap().1, "abc");
            assert_eq!(found.sources[0].layers.len(), 1);
            assert_eq!(found.subjects.len(), 1);
        }
    }

    #[test]
    fn what_is_no_provenance_is_none() {
        let other = br#"{"_type":"x","subject":[],"predicateType":"https://spdx.dev/Document","predicate":{}}"#;
        assert_eq!(Provenance::parse(other).unwrap(), None);
        assert_eq!(Provenance::parse(br#"{"payload":"","payloadType":"x","signatures":[]}"#).unwrap(), None);
        assert_eq!(Provenance::parse(b"{}").unwrap(), None);
        Provenance::parse(b"{").unwrap_err();
        let odd = statement("v1", r#"{"buildDefinition":[],"runDetails":{"builder":{"id":""}}}"#);
        assert_eq!((odd.builder, odd.dependencies), (None, Vec::new()));
        assert_eq!(statement("v0.2", "null").dependencies, []);
    }
}
