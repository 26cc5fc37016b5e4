//! Docker's media types as OCI's, for an image that leaves an archive of Docker's for an OCI image layout.
//!
//! The documents are the same in all else (OCI image-spec, media-types.md, "Compatibility Matrix"), but readers of
//! layouts (skopeo, umoci) look for OCI's names and take an image with Docker's for none.

use super::Patch;
use super::json::{Json, Value};
use crate::error::Result;
use crate::media_type::{
    DOCKER_CONFIG, DOCKER_INDEX, DOCKER_MANIFEST, Family, LayerType, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST,
};

/// A manifest or index with OCI's media types, its own and those of what it lists.
///
/// # Errors
///
/// It is no JSON.
pub fn to_oci(bytes: &[u8]) -> Result<Vec<u8>> {
    let json = Json::parse(bytes)?;
    let root = json.root();
    let mut patch = Patch::new(&json);
    let single = ["config", "subject"].into_iter().filter_map(|key| root.get(key));
    let lists = ["layers", "manifests"].into_iter().filter_map(|key| root.get(key)).flat_map(Value::elements);
    for holder in std::iter::once(root).chain(single).chain(lists) {
        let Some(field) = holder.get("mediaType") else { continue };
        if let Some(name) = field.as_str().and_then(|name| oci_name(&name)) {
            patch.edits.string(field, &name);
        }
    }
    Ok(patch.finish()?.bytes)
}

fn oci_name(media_type: &str) -> Option<String> {
    match media_type {
        DOCKER_INDEX => Some(OCI_INDEX.to_owned()),
        DOCKER_MANIFEST => Some(OCI_MANIFEST.to_owned()),
        DOCKER_CONFIG => Some(OCI_CONFIG.to_owned()),
        other => LayerType::parse(other).map(|layer| LayerType { family: Family::Oci, ..layer }.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_types_of_dockers_change() {
        let manifest = br#"{ "mediaType":"application/vnd.docker.distribution.manifest.v2+json", "x":"application/vnd.docker.container.image.v1+json",
 "config":{"mediaType":"application/vnd.docker.container.image.v1+json"},
 "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip"},{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},{"mediaType":"a/b"}]}"#;
        let converted = String::from_utf8(to_oci(manifest).unwrap()).unwrap();
        assert_eq!(
            converted,
            r#"{ "mediaType":"application/vnd.oci.image.manifest.v1+json", "x":"application/vnd.docker.container.image.v1+json",
 "config":{"mediaType":"application/vnd.oci.image.config.v1+json"},
 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"},{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},{"mediaType":"a/b"}]}"#
        );
        assert_eq!(to_oci(converted.as_bytes()).unwrap(), converted.as_bytes());
    }
}
