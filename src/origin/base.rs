//! What an image's documents say of its base, its sources and its builder: provenance that is attached to it, annotations
//! and labels.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::attestation::is_statement_type;
use crate::document::config::Config;
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST};
use crate::document::json::{Json, MAX_STATEMENT, Value};
use crate::document::provenance::{Dependency, ImageName, PackageUrl, Provenance, image_digest};
use crate::error::{Error, Result, printable};
use crate::image::documents::extent_of;
use crate::image::{Image, ImageSet};
use crate::origin::{BaseOf, BuilderOf, How, SourceKind, SourceOf};

/// The annotations, and labels, that name a base (OCI image-spec, annotations.md).
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// What the documents say.
#[derive(Debug, Default)]
pub struct Said {
    /// Bases, the surest first.
    pub base: Vec<BaseOf>,
    /// What went into the build.
    pub sources: BTreeSet<SourceOf>,
    /// Who built.
    pub builder: Option<BuilderOf>,
    /// What could not be read.
    pub problems: Vec<String>,
    /// What contradicts itself, or is not what it should be.
    pub notes: Vec<String>,
}

/// Reads what the documents of an image say.
///
/// # Errors
///
/// A document of the image can't be read. What is attached to it is named where that is broken.
pub fn said(set: &ImageSet<'_>, image: &Image, attached: &Attached) -> Result<Said> {
    let mut said = Said::default();
    let manifest = image.manifest.and_then(|digest| set.documents.manifest(&digest));
    if let Some(manifest) = manifest {
        let json = Json::parse(&manifest.bytes)?;
        let annotations = json.root().get("annotations");
        let texts: Vec<(String, String)> = annotations
            .into_iter()
            .flat_map(Value::members)
            .filter_map(|member| Some((member.key.into_owned(), member.value.as_str()?.into_owned())))
            .collect();
        said.named_base(&texts, "annotations of the manifest");
    }
    let links = image.links.iter().filter_map(|link| {
        let index = set.documents.index(link.parent.as_ref())?;
        index.children.get(link.number)
    });
    for link in links {
        said.named_base(&link.annotations, "annotations of the descriptor");
    }
    let layers: Vec<Digest> =
        manifest.iter().flat_map(|manifest| manifest.layers.iter().map(|layer| layer.digest)).collect();
    for statement in image.manifest.iter().flat_map(|digest| attached.statements(set, digest)) {
        said.statement(set, image, attached, statement, &layers);
    }
    let config = Config::parse(&image.config.bytes)?;
    // A label may be one that the base had itself, so it comes last.
    said.named_base(&config.labels(), "labels of the config");
    said.builder_of_config(&image.config.bytes)?;
    said.contradictions();
    Ok(said)
}

/// Bytes of statements that are read, of all images together: any number of images may share one.
const MAX_STATEMENTS: u64 = 256 << 20;

/// The manifests of statements, by what they are about: those beside it in an index, and its referrers.
#[derive(Debug)]
pub struct Attached {
    manifests: BTreeMap<Digest, BTreeSet<Digest>>,
    /// Bytes of statements that may yet be read.
    left: Cell<u64>,
}

impl Attached {
    /// Those of all images.
    pub fn of(set: &ImageSet<'_>) -> Self {
        let mut manifests: BTreeMap<Digest, BTreeSet<Digest>> = BTreeMap::new();
        for child in set.documents.indexes().flatten() {
            if let Some(about) = child.annotation(REFERENCE_DIGEST).and_then(|text| text.parse().ok()) {
                manifests.entry(about).or_default().insert(child.digest);
            }
        }
        for (digest, manifest) in set.documents.manifests() {
            if let Some(subject) = &manifest.subject {
                manifests.entry(subject.digest).or_default().insert(*digest);
            }
        }
        Self { manifests, left: Cell::new(MAX_STATEMENTS) }
    }

    fn statements<'d>(&self, set: &'d ImageSet<'_>, about: &Digest) -> Vec<&'d Descriptor> {
        let manifests = self.manifests.get(about).into_iter().flatten();
        let layers =
            manifests.filter_map(|digest| set.documents.manifest(digest)).flat_map(|manifest| &manifest.layers);
        layers.filter(|layer| is_statement_type(&layer.media_type)).collect()
    }

    /// What went into the build of an image, where its provenance says that this is all. What can't be read says nothing.
    #[cfg(feature = "attest")]
    pub fn complete_inputs(&self, set: &ImageSet<'_>, about: &Digest) -> Vec<Dependency> {
        let read = |link: &Descriptor| -> Option<Provenance> {
            let extent = extent_of(set.source, link).ok()??;
            self.take(extent.len()).ok()?;
            Provenance::parse(&extent.verified_bytes(&link.digest, Some(link.size), MAX_STATEMENT as u64).ok()?).ok()?
        };
        let mut all = self.statements(set, about).into_iter().filter_map(read);
        let found = all.find(|found| found.is_complete && found.subjects.contains(about));
        found.map(|found| found.dependencies).unwrap_or_default()
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.ok_or_else(|| Error::limit("size of all statements", MAX_STATEMENTS, "more"))?);
        Ok(())
    }
}

impl Said {
    fn named_base(&mut self, texts: &[(String, String)], from: &str) {
        let find = |key: &str| texts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let (name, digest) = (find(BASE_NAME), find(BASE_DIGEST));
        if name.is_none() && digest.is_none() {
            return;
        }
        let parsed: Option<Digest> = digest.and_then(|text| text.parse().ok());
        if digest.is_some() && parsed.is_none() {
            self.notes.push(format!("{BASE_DIGEST} in the {from} is no digest"));
        }
        let image = name.and_then(ImageName::parse);
        if name.is_some() && image.is_none() {
            self.notes.push(format!("{BASE_NAME} in the {from} is no name of an image"));
        }
        if image.is_some() || parsed.is_some() {
            let digest = parsed.or(image.as_ref().and_then(|image| image.digest));
            let name = image.map(|image| image.asked());
            self.base.push(BaseOf { name, digest, how: How::Stated, from: from.to_owned() });
        }
    }

    /// A statement that can't be read is named; it is no fault of the image.
    fn statement(
        &mut self,
        set: &ImageSet<'_>,
        image: &Image,
        attached: &Attached,
        link: &Descriptor,
        layers: &[Digest],
    ) {
        let predicate = link.annotation("in-toto.io/predicate-type");
        if predicate.is_some_and(|predicate| !predicate.starts_with("https://slsa.dev/provenance/")) {
            return;
        }
        let read = || -> Result<Option<Provenance>> {
            let Some(extent) = extent_of(set.source, link)? else { return Ok(None) };
            attached.take(extent.len())?;
            let bytes = extent.verified_bytes(&link.digest, Some(link.size), MAX_STATEMENT as u64)?;
            Provenance::parse(&bytes)
        };
        match read() {
            Ok(Some(found))
                if !found.subjects.is_empty()
                    && !found.subjects.iter().any(|digest| Some(*digest) == image.manifest) =>
            {
                self.notes
                    .push("a statement of provenance that is attached to the image is about another one".to_owned());
            }
            Ok(Some(found)) => self.provenance(&found, layers),
            Ok(None) => {}
            Err(error) => self.problems.push(format!("provenance: {}", error.kind())),
        }
    }

    fn provenance(&mut self, found: &Provenance, layers: &[Digest]) {
        let list = if found.predicate_type.ends_with("/v1") { "resolvedDependencies" } else { "materials" };
        let from = format!("{list} of the provenance ({})", found.predicate_type);
        let sources: Vec<SourceOf> = found.dependencies.iter().map(|dependency| source(dependency, &from)).collect();
        self.base_among(found, &sources, layers);
        self.sources.extend(sources);
        if let Some(recipe) = &found.recipe {
            let from = format!("configSource of the provenance ({})", found.predicate_type);
            self.sources.insert(source(recipe, &from));
        }
        if let Some((address, revision)) = &found.checkout {
            let digest = is_commit(revision).then(|| format!("{}:{revision}", commit_algorithm(revision)));
            let from = format!("vcs of the provenance ({})", found.predicate_type);
            let (kind, uri) = (SourceKind::Checkout, address.clone());
            self.sources.insert(SourceOf { kind, uri, name: None, digest, how: How::Stated, from });
        }
        let build_type = found.build_type.as_deref().filter(|kind| kind.contains("buildkit")).map(|_| "BuildKit");
        if self.builder.is_none() && (found.builder.is_some() || build_type.is_some()) {
            let from = format!("provenance ({})", found.predicate_type);
            let (name, id) = (build_type.map(str::to_owned), found.builder.clone());
            self.builder = Some(BuilderOf { name, id, how: How::Stated, from });
        }
    }

    /// Which of the images is the base: the one whose layers this image begins with, else the only one.
    fn base_among(&mut self, found: &Provenance, sources: &[SourceOf], layers: &[Digest]) {
        let frontend = found.frontend.as_deref().and_then(ImageName::parse).map(|name| name.repository);
        let images: Vec<&SourceOf> = sources
            .iter()
            .filter(|source| source.kind == SourceKind::Image)
            .filter(|source| frontend.is_none() || repository(source) != frontend)
            .collect();
        let mut below: Vec<_> =
            found.sources.iter().filter(|step| !step.layers.is_empty() && layers.starts_with(&step.layers)).collect();
        below.sort_by_key(|step| std::cmp::Reverse(step.layers.len()));
        let named = below.first().and_then(|step| {
            let (_, name) = step.identifier.split_once("://")?;
            let name = ImageName::parse(name)?;
            images.iter().find(|source| {
                source.name.as_deref().and_then(ImageName::parse).is_some_and(|other| {
                    other.repository == name.repository && (other.asked() == name.asked() || name.digest.is_some())
                })
            })
        });
        let (source, why) = match (named, images.as_slice()) {
            (Some(source), _) => (*source, "the image's first layers are that one's"),
            (None, [only]) => (*only, "it is the only image"),
            _ => return,
        };
        let Some(name) = source.name.as_deref().and_then(ImageName::parse) else { return };
        let digest = source.digest.as_deref().and_then(|digest| digest.parse().ok());
        let from = format!("{}: {why}", source.from);
        self.base.push(BaseOf { name: Some(name.asked()), digest, how: How::Derived, from });
    }

    /// A builder that says nothing is known by what it leaves in the config.
    fn builder_of_config(&mut self, config: &[u8]) -> Result<()> {
        if self.builder.is_some() {
            return Ok(());
        }
        let json = Json::parse(config)?;
        let root = json.root();
        let text = |value: Option<Value<'_>>| {
            value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(|text| printable(text.as_bytes()))
        };
        let last = root.get("history").and_then(|history| history.elements().last());
        let comment = text(last.and_then(|step| step.get("comment")));
        let label = root
            .get("config")
            .and_then(|config| config.get("Labels"))
            .and_then(|labels| labels.entry("io.buildah.version"));
        let found = if comment.is_some_and(|comment| comment.starts_with("buildkit.")) {
            Some(("BuildKit".to_owned(), "comment of the last step of the history"))
        } else if let Some(version) = text(label) {
            Some((format!("buildah {version}"), "label io.buildah.version"))
        } else {
            text(root.get("docker_version"))
                .map(|version| (format!("docker {version}"), "docker_version of the config"))
        };
        self.builder = found.map(|(name, from)| BuilderOf {
            name: Some(name),
            id: None,
            how: How::Derived,
            from: from.to_owned(),
        });
        Ok(())
    }

    fn contradictions(&mut self) {
        self.base.dedup();
        let digests: BTreeSet<Digest> = self.base.iter().filter_map(|base| base.digest).collect();
        if digests.len() > 1 {
            self.notes.push("the base has several digests; the first of the list counts".to_owned());
        }
    }
}

fn repository(source: &SourceOf) -> Option<String> {
    Some(ImageName::parse(source.name.as_deref()?)?.repository)
}

fn source(dependency: &Dependency, from: &str) -> SourceOf {
    let uri = dependency.uri.clone();
    let image = PackageUrl::parse(&uri).and_then(|url| url.image());
    let commit = ["sha1", "gitCommit", "gitcommit"].iter().find_map(|name| dependency.digest(name));
    let sha256 = dependency.digest("sha256");
    let is_git = uri.starts_with("git+")
        || uri.starts_with("git@")
        || uri.starts_with("ssh://")
        || uri.starts_with("git://")
        || uri.split('#').next().is_some_and(|address| address.ends_with(".git"));
    let is_web = uri.starts_with("https://") || uri.starts_with("http://");
    let (kind, name, digest) = match image {
        Some(image) => {
            let digest = image_digest(dependency).or(image.digest).map(|digest| digest.to_string());
            (SourceKind::Image, Some(image.to_string()), digest)
        }
        None if is_git || (is_web && commit.is_some()) => {
            let commit = commit.or(sha256).filter(|commit| is_commit(commit));
            (SourceKind::Git, None, commit.map(|commit| format!("{}:{commit}", commit_algorithm(commit))))
        }
        None if is_web => (SourceKind::Http, None, image_digest(dependency).map(|digest| digest.to_string())),
        None => {
            let first = dependency.digests.first();
            (SourceKind::Other, None, first.map(|(name, hex)| format!("{name}:{hex}")))
        }
    };
    SourceOf { kind, uri, name, digest, how: How::Stated, from: from.to_owned() }
}

/// A commit in full.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn commit_algorithm(commit: &str) -> &'static str {
    if commit.len() == 64 { "sha256" } else { "sha1" }
}
