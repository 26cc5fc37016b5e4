//! The documents that the destination's carrier has and the source lacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::{IMAGE_NAME, REF_NAME};
use crate::document::json::element_path;
use crate::document::write::{self, NewArchiveEntry, NewDescriptor, NewPlatform};
use crate::error::{Error, Result, printable};
use crate::image::archive::ArchiveImage;
use crate::image::documents::ImageConfig;
use crate::image::{Image, ImageSet};
use crate::media_type::{Class, Compression, Family, LayerType, OCI_CONFIG, OCI_MANIFEST, classify};
use crate::name::{familiar, full_name, tag_of};
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::documents::{NewDocuments, NewImageRefs};
use crate::store::location::Carrier;
use crate::store::write::Content;

/// Documents for a carrier, in the order in which an archive has them.
#[derive(Debug, Default)]
pub struct Exported {
    pub documents: Vec<(&'static str, Vec<u8>)>,
    pub warnings: Vec<Notice>,
}

/// An image of `manifest.json`, as it is now.
#[derive(Debug)]
pub struct Entry {
    /// Its names.
    pub tags: Vec<String>,
    /// What it consists of now.
    pub made: NewImageRefs,
}

/// The images that indexes list, and their manifests.
pub fn listed<'s>(set: &'s ImageSet<'_>) -> impl Iterator<Item = (&'s Image, Digest)> {
    set.images.iter().filter(|image| image.is_listed()).filter_map(|image| Some((image, image.manifest?)))
}

/// Manifests for images that `manifest.json` alone listed.
#[derive(Debug, Default)]
pub struct NewManifests {
    /// As an index lists them, once for each name.
    pub list: Vec<NewDescriptor>,
    /// Their digests, in the order of the images.
    pub digests: Vec<Digest>,
}

/// Manifests for images that only `manifest.json` listed, as an index lists them beside others whose tags are `taken`.
pub fn new_manifests<'d>(
    documents: &mut NewDocuments<'_>,
    images: impl Iterator<Item = (&'d ArchiveImage, &'d Entry)> + Clone,
    taken: &[&str],
    carrier: Carrier,
) -> Result<NewManifests> {
    let NewManifests { mut list, mut digests } = NewManifests::default();
    let tags = images.clone().flat_map(|(_, entry)| &entry.tags).filter_map(|tag| tag_of(tag));
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in tags.chain(taken.iter().copied()) {
        *uses.entry(tag).or_default() += 1;
    }
    for (image, entry) in images {
        let mut layers = Vec::new();
        for digest in &entry.made.layers {
            let content = documents.blobs.get(digest);
            let compression = content.map_or(Ok(Compression::None), Content::compression)?;
            let media_type = LayerType { family: Family::Oci, foreign: false, compression }.to_string();
            layers.push(NewDescriptor::new(media_type, *digest, content.map_or(0, Content::len)));
        }
        let size = documents.blobs.get(&entry.made.config).map_or(0, Content::len);
        let manifest = write::manifest(None, &NewDescriptor::new(OCI_CONFIG, entry.made.config, size), &layers)?;
        let mut descriptor = NewDescriptor::new(OCI_MANIFEST, Digest::sha256(&manifest), manifest.len() as u64);
        descriptor.platform = new_platform(&image.config);
        digests.push(descriptor.digest);
        let content = documents.content(manifest)?;
        documents.blobs.insert(descriptor.digest, content);
        if entry.tags.is_empty() {
            list.push(descriptor.clone());
        }
        for tag in &entry.tags {
            let mut named = descriptor.clone();
            let short = tag_of(tag).unwrap_or(tag);
            // A reference name may occur only once; where two repositories have the same tag, the full name is used.
            let unique = uses.get(short) == Some(&1);
            let name = if unique || carrier == Carrier::DockerArchive { short } else { tag };
            named.annotations.insert(IMAGE_NAME.to_owned(), full_name(tag));
            named.annotations.insert(REF_NAME.to_owned(), name.to_owned());
            list.push(named);
        }
    }
    Ok(NewManifests { list, digests })
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

/// `manifest.json` and `repositories` for what a layout lists.
pub fn archive_documents(documents: &mut NewDocuments<'_>, is_renamed: bool) -> Result<Exported> {
    let mut exported = Exported::default();
    let mut list = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (found, manifest) in listed(documents.set) {
        let NewImageRefs { config, layers } = documents.made(&manifest)?.clone();
        loadable(documents, found, &layers).map_err(|e| e.in_blob(manifest))?;
        let full: Vec<&str> =
            found.names.iter().filter(|name| tag_of(name).is_some()).map(|name| familiar(name)).collect();
        if full.is_empty() && !found.names.is_empty() && !is_renamed {
            let names = found.names.iter().map(|name| format!("\"{}\"", printable(name.as_bytes())));
            let names = names.collect::<Vec<_>>().join(", ");
            let text = "is not REPOSITORY:TAG, so the docker archive has the image without a name; --name APP:TAG gives it one";
            let text = format!("{manifest}: the name {names} {text}");
            exported.warnings.push(Notice::new(NoticeKind::Name, text));
        }
        // Several platforms have one name, and `docker load` takes one image of a name: the first keeps it.
        let tags: Vec<String> =
            full.into_iter().filter(|tag| taken.insert((*tag).to_owned())).map(str::to_owned).collect();
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
    exported.documents.push(("manifest.json", write::archive(&list)?));
    if !repositories.is_empty() {
        exported.documents.push(("repositories", write::repositories(&repositories)?));
    }
    Ok(exported)
}

/// Warns of layers that older versions of Docker can't load.
pub fn zstd_layers(documents: &NewDocuments<'_>, entries: &[Entry]) -> Result<Option<Notice>> {
    let mut layers: BTreeSet<Digest> = entries.iter().flat_map(|entry| entry.made.layers.iter().copied()).collect();
    for (_, manifest) in listed(documents.set) {
        layers.extend(&documents.made(&manifest)?.layers);
    }
    let mut count = 0_usize;
    for content in layers.iter().filter_map(|digest| documents.blobs.get(digest)) {
        count += usize::from(content.compression()? == Compression::Zstd);
    }
    let layers = if count == 1 { "1 layer is" } else { &format!("{count} layers are") };
    let text = format!(
        "{layers} compressed with zstd, which Docker before 23 can't load; --compression gzip works with every version"
    );
    Ok((count > 0).then(|| Notice::new(NoticeKind::Compatibility, text)))
}

/// An archive of `docker save` has all layers of an image, and says of none what it is: each is taken for a tar.
fn loadable(documents: &NewDocuments<'_>, found: &Image, layers: &[Digest]) -> Result<()> {
    for (number, ((id, _), new)) in found.layers.iter().zip(layers).enumerate() {
        let media_type = documents.set.layer(*id).media_type.as_deref().unwrap_or_default();
        if !matches!(classify(media_type), Class::Layer(_)) {
            let text = format!(
                "a layer of the media type {:?} is not a tar, so an archive of docker save can't hold it",
                printable(media_type.as_bytes())
            );
            return Err(Error::refused(text).at_entry(element_path("layers", number)));
        }
        if !documents.blobs.contains_key(new) {
            let text = "the blob of a layer is not in the image, and an archive of docker save must have it";
            return Err(Error::refused(text).at_entry(element_path("layers", number)));
        }
    }
    Ok(())
}
