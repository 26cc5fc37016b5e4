//! The documents of a carrier, whatever carrier the image came in.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, DescriptorEdit, IMAGE_NAME, REF_NAME};
use crate::document::docker::{Archive, ArchiveEntryEdit, Repositories};
use crate::document::write::{self, NewArchiveEntry, NewDescriptor, NewPlatform};
use crate::error::{Error, Result};
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig, ManifestNode};
use crate::image::location::Kind;
use crate::image::sink::Content;
use crate::image::source::Source;
use crate::media_type::{Compression, Family, LayerType, OCI_CONFIG, OCI_MANIFEST};
use crate::rewrite::documents::{Documents, ImagePlan};
use crate::rewrite::report::{Change, Image};
use crate::rewrite::select::{familiar, names, platform_of};

/// What goes beside the blobs.
#[derive(Debug, Default)]
pub struct Finished {
    /// In the order in which an archive has them.
    pub documents: Vec<(&'static str, Vec<u8>)>,
    /// For the report.
    pub images: Vec<Image>,
    /// `index.json` before and after.
    pub index: Option<Change>,
    /// What somebody should know.
    pub warnings: Vec<String>,
}

/// An image as `manifest.json` lists it.
struct Entry {
    tags: Vec<String>,
    config: Digest,
    layers: Vec<Digest>,
}

/// Makes the documents that the carrier has.
pub fn finish(
    documents: &mut Documents<'_>,
    root: Option<Vec<u8>>,
    docker: &[DockerImage],
    plans: &[ImagePlan],
    kind: Kind,
) -> Result<Finished> {
    let mut finished = Finished::default();
    let (source, graph) = (documents.source(), documents.graph());
    for image in images(graph).into_iter().filter(|image| documents.selection().keeps(&image.digest)) {
        finished.images.push(graph_image(documents, &image));
    }
    let mut entries = Vec::new();
    for (image, plan) in docker.iter().zip(plans) {
        entries.push(docker_image(documents, image, plan)?);
    }
    if finished.images.is_empty() {
        finished.images = docker.iter().map(|image| docker_report(documents, image)).collect();
    }
    let layout = source.document("oci-layout")?.unwrap_or_else(|| write::OCI_LAYOUT.to_vec());
    finished.documents.push(("oci-layout", layout));
    let listed = graph.root.as_ref().is_some_and(|root| !root.children.is_empty());
    let index = match root {
        // An untagged image of Docker 25 is listed in `manifest.json` only, and stays so in an archive of Docker's.
        Some(bytes) if listed || docker.is_empty() || kind == Kind::DockerArchive => bytes,
        _ => new_index(documents, docker, &entries, kind)?,
    };
    finished.index = source.index().map(|old| Change { old: Digest::sha256(old), new: Digest::sha256(&index) });
    finished.documents.push(("index.json", index));
    if kind == Kind::DockerArchive {
        docker_documents(documents, docker, plans, &entries, &mut finished)?;
    }
    if finished.images.is_empty() {
        finished.warnings.push("there is no image in it".to_owned());
    }
    Ok(finished)
}

/// An image that `index.json` leads to.
#[derive(Debug)]
pub struct Found<'g> {
    /// Its manifest.
    pub digest: Digest,
    /// Its own names, or those of the index that it is in.
    pub names: Vec<String>,
    /// The manifest.
    pub node: &'g ManifestNode,
    /// The config.
    pub image: &'g ImageConfig,
}

/// All images of a layout, each once, in the order of the indexes.
pub fn images(graph: &Graph) -> Vec<Found<'_>> {
    graph.root.as_ref().map(|root| images_below(graph, &root.children)).unwrap_or_default()
}

/// The images below some descriptors, each once, in their order.
fn images_below<'g>(graph: &'g Graph, children: &'g [Descriptor]) -> Vec<Found<'g>> {
    let mut found: Vec<Found<'g>> = Vec::new();
    let mut pending: Vec<(&Descriptor, Vec<String>)> = Vec::new();
    let own = |child: &Descriptor, inherited: &[String]| -> Vec<String> {
        let own: Vec<String> = names(child).map(str::to_owned).collect();
        if own.is_empty() { inherited.to_vec() } else { own }
    };
    pending.extend(children.iter().rev().map(|child| (child, own(child, &[]))));
    let mut seen = BTreeSet::new();
    while let Some((child, names)) = pending.pop() {
        match graph.nodes.get(&child.digest).map(|node| &node.body) {
            Some(Body::Index(index)) if seen.insert((child.digest, names.clone())) => {
                pending.extend(index.children.iter().rev().map(|child| (child, own(child, &names))));
            }
            Some(Body::Manifest(node)) if node.is_image() => {
                match found.iter_mut().find(|f| f.digest == child.digest) {
                    Some(known) => {
                        let new: Vec<String> = names.into_iter().filter(|name| !known.names.contains(name)).collect();
                        known.names.extend(new);
                    }
                    None => found.extend(node.image.as_ref().map(|image| Found {
                        digest: child.digest,
                        names,
                        node,
                        image,
                    })),
                }
            }
            _ => {}
        }
    }
    found
}

fn graph_image(documents: &Documents<'_>, found: &Found<'_>) -> Image {
    let change = |old: Digest| Change { old, new: documents.moved(old) };
    let config = found.node.config.as_ref().map_or(found.digest, |config| config.digest);
    Image {
        names: found.names.clone(),
        platform: platform_of(found.node),
        manifest: Some(change(found.digest)),
        config: change(config),
        layers: found.image.diff_ids.clone(),
    }
}

fn docker_report(documents: &Documents<'_>, image: &DockerImage) -> Image {
    Image {
        names: image.entry.repo_tags.clone(),
        platform: image.config.platform(),
        manifest: None,
        config: Change { old: image.id, new: documents.moved(image.id) },
        layers: image.config.diff_ids.clone(),
    }
}

/// Rewrites an image of `manifest.json`.
fn docker_image(documents: &mut Documents<'_>, image: &DockerImage, plan: &ImagePlan) -> Result<Entry> {
    let diff_ids = documents.diff_ids(&image.config, plan)?;
    documents.config(image.id, &image.config, &diff_ids, plan.base_history)?;
    let mut layers = Vec::new();
    for (number, key) in plan.layers.iter().enumerate() {
        let done = documents.layers().done(key, image.config.diff_id(number)?)?;
        documents.keep_layer(done);
        layers.push(done.digest);
    }
    Ok(Entry { tags: image.entry.repo_tags.clone(), config: documents.moved(image.id), layers })
}

/// An `index.json` for images that only `manifest.json` listed, with the manifests that it takes.
fn new_index(documents: &mut Documents<'_>, docker: &[DockerImage], entries: &[Entry], kind: Kind) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    let all_tags: Vec<&str> = entries.iter().flat_map(|entry| &entry.tags).filter_map(|tag| tag_of(tag)).collect();
    for (image, entry) in docker.iter().zip(entries) {
        let mut layers = Vec::new();
        for digest in &entry.layers {
            let content = documents.blobs.get(digest);
            let compression = content.map_or(Ok(Compression::None), sniff)?;
            let media_type = LayerType { family: Family::Oci, foreign: false, compression }.to_string();
            layers.push(NewDescriptor::new(media_type, *digest, content.map_or(0, Content::len)));
        }
        let size = documents.blobs.get(&entry.config).map_or(0, Content::len);
        let manifest = write::manifest(None, &NewDescriptor::new(OCI_CONFIG, entry.config, size), &layers)?;
        let mut descriptor = NewDescriptor::new(OCI_MANIFEST, Digest::sha256(&manifest), manifest.len() as u64);
        descriptor.platform = new_platform(&image.config);
        documents.blobs.insert(descriptor.digest, Content::Bytes(manifest));
        if entry.tags.is_empty() {
            list.push(descriptor.clone());
        }
        for tag in &entry.tags {
            let mut named = descriptor.clone();
            let short = tag_of(tag).unwrap_or(tag);
            // A reference name may occur only once; where two repositories have the same tag, the whole name tells.
            let unique = all_tags.iter().filter(|other| **other == short).count() == 1;
            let name = if unique || kind == Kind::DockerArchive { short } else { tag };
            named.annotations.insert(IMAGE_NAME.to_owned(), full_name(tag));
            named.annotations.insert(REF_NAME.to_owned(), name.to_owned());
            list.push(named);
        }
    }
    write::index(&list)
}

fn docker_documents(
    documents: &mut Documents<'_>,
    docker: &[DockerImage],
    plans: &[ImagePlan],
    entries: &[Entry],
    finished: &mut Finished,
) -> Result<()> {
    let Some(old) = documents.source().docker() else {
        let graph = documents.graph();
        return from_layout(documents, &images(graph), finished);
    };
    let manifest = match &old.manifest {
        Some(bytes) if !docker.is_empty() => {
            let mut kept = docker.iter().zip(entries).zip(plans);
            let mut edits = Vec::new();
            for keep in documents.selection().docker_kept() {
                let next = if *keep { kept.next() } else { None };
                edits.push(next.map(|((image, entry), plan)| entry_edit(documents, image, entry, plan)).transpose()?);
            }
            let patched = Archive::parse(bytes)
                .and_then(|archive| archive.patch(&edits, &documents.moves))
                .map_err(|e| e.in_blob("manifest.json"))?;
            finished.warnings.extend(patched.warnings.iter().map(|warning| format!("manifest.json: {warning}")));
            patched.bytes
        }
        Some(bytes) => bytes.clone(),
        None => write::archive(&[])?,
    };
    finished.documents.push(("manifest.json", manifest));
    if let Some(bytes) = &old.repositories {
        let repositories = Repositories::parse(bytes).map_err(|e| e.in_blob("repositories"))?;
        let mut ids = BTreeMap::new();
        for (name, tag, id) in repositories.tags() {
            let full = format!("{name}:{tag}");
            if let Some(entry) = entries.iter().find(|entry| entry.tags.contains(&full)) {
                ids.insert(id, entry.layers.last().unwrap_or(&entry.config).hex());
            }
        }
        finished.documents.push(("repositories", repositories.patch(&ids)?.bytes));
    }
    Ok(())
}

fn entry_edit(
    documents: &Documents<'_>,
    image: &DockerImage,
    entry: &Entry,
    plan: &ImagePlan,
) -> Result<ArchiveEntryEdit<'static>> {
    let mut sources = BTreeMap::new();
    let new = documents.diff_ids(&image.config, plan)?;
    for ((old, new), blob) in image.config.diff_ids.iter().zip(new).zip(&entry.layers) {
        let size = documents.blobs.get(blob).map_or(0, Content::len);
        let mut edit = DescriptorEdit::blob(*blob, size);
        let listed = image.entry.sources.iter().find(|(diff_id, _)| diff_id == old);
        if let Some(layer) = listed.and_then(|(_, descriptor)| LayerType::parse(&descriptor.media_type)) {
            // It may name what the layer was pulled as; it names what is in this archive now.
            let compression = documents.blobs.get(blob).map_or(Ok(layer.compression), sniff)?;
            edit.media_type = Some(layer.with(compression).to_string());
        }
        sources.insert(*old, (new, edit));
    }
    Ok(ArchiveEntryEdit {
        config: Some(entry.config.path()),
        layers: entry.layers.iter().map(Digest::path).collect(),
        sources,
    })
}

/// `manifest.json` and `repositories` for what was a layout.
fn from_layout(documents: &mut Documents<'_>, images: &[Found<'_>], finished: &mut Finished) -> Result<()> {
    let mut list = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for found in images.iter().filter(|found| documents.selection().keeps(&found.digest)) {
        let config = documents.moved(found.node.config.as_ref().map_or(found.digest, |config| config.digest));
        let layers: Vec<Digest> = found.node.layers.iter().map(|layer| documents.moved(layer.digest)).collect();
        // Several platforms have one name, and `docker load` takes one image of a name: the first keeps it.
        let tags: Vec<String> =
            found.names.iter().filter(|name| tag_of(name).is_some()).map(|name| familiar(name).to_owned()).collect();
        let tags: Vec<String> = tags.into_iter().filter(|tag| taken.insert(tag.clone())).collect();
        for tag in &tags {
            if let Some((name, short)) = tag.rsplit_once(':') {
                let top = layers.last().unwrap_or(&config).hex();
                repositories.entry(name.to_owned()).or_default().insert(short.to_owned(), top);
            }
        }
        list.push(NewArchiveEntry {
            config: config.path(),
            repo_tags: Some(tags).filter(|tags| !tags.is_empty()),
            layers: layers.iter().map(Digest::path).collect(),
            parent: None,
            layer_sources: BTreeMap::new(),
        });
    }
    if list.is_empty() {
        // `docker load` would fail, and so would this program when it reads what it wrote.
        let text = "the layout lists no image that an archive of docker save could hold";
        return Err(Error::refused(text).in_blob("index.json"));
    }
    finished.documents.push(("manifest.json", write::archive(&list)?));
    if !repositories.is_empty() {
        finished.documents.push(("repositories", write::repositories(&repositories)?));
    }
    Ok(())
}

/// The tag in a full name: `registry:5000/app:v1` has `v1`, `v1` alone and a digest have none.
fn tag_of(name: &str) -> Option<&str> {
    let (repository, tag) = name.rsplit_once(':')?;
    (!repository.is_empty() && !repository.contains('@') && !tag.contains('/')).then_some(tag)
}

/// A name with its registry, as containerd wants it.
fn full_name(tag: &str) -> String {
    let first = tag.split('/').next().unwrap_or_default();
    let registry = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (registry, tag.contains('/')) {
        (true, _) => tag.to_owned(),
        (false, true) => format!("docker.io/{tag}"),
        (false, false) => format!("docker.io/library/{tag}"),
    }
}

fn new_platform(config: &ImageConfig) -> Option<NewPlatform> {
    let platform = &config.platform;
    Some(NewPlatform {
        architecture: platform.architecture.clone().filter(|text| !text.is_empty())?,
        os: platform.os.clone().filter(|text| !text.is_empty())?,
        os_version: platform.os_version.clone(),
        os_features: platform.os_features.clone(),
        variant: platform.variant.clone().filter(|text| !text.is_empty()),
    })
}

fn sniff(content: &Content) -> Result<Compression> {
    let mut head = [0; 4];
    let count = match content {
        Content::Bytes(bytes) => {
            let count = bytes.len().min(4);
            head[..count].copy_from_slice(&bytes[..count]);
            count
        }
        Content::Source(extent) | Content::Spool(extent) => extent.head(&mut head)?,
    };
    Ok(Compression::sniff(&head[..count]))
}

/// Files that nothing refers to, and which are therefore left out.
pub fn unreferenced(source: &Source, graph: &Graph, used: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut known: BTreeSet<String> = graph.reachable().iter().map(Digest::path).collect();
    known.extend(["oci-layout", "index.json", "manifest.json", "repositories"].map(str::to_owned));
    known.extend(used.iter().map(|path| source.resolved(path)));
    let is_v1 = |name: &String| ["/VERSION", "/json", "/layer.tar"].iter().any(|end| name.ends_with(end));
    let unknown = source.files()?.into_iter().filter(|name| !known.contains(name));
    let (v1, others): (Vec<String>, Vec<String>) = unknown.partition(is_v1);
    let mut list: Vec<String> =
        others.into_iter().map(|name| format!("file {name}, which nothing refers to")).collect();
    if !v1.is_empty() {
        list.push(format!("{} files of Docker's v1 format, which no loader reads beside a manifest.json", v1.len()));
    }
    Ok(list)
}
