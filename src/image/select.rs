//! The selection room: which images, and what of them, a verb is about.
//!
//! A carrier may hold many images. What is asked for by name ([`Selection`], `reference.rs`) and by platform stays, what is
//! about that (`referrers.rs`) stays with it, and signatures (`signatures.rs`) and attestations as the policy has it; the
//! rest is left out, and named. [`images`](images::images) lists what stays. How much of an image is its base's is a
//! choice, too (`base.rs`).
//!
//! What never enters: what becomes of that which stays.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::document::attestation::is_attestation;
use crate::document::descriptor::Descriptor;
use crate::error::{Result, printable};
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ManifestNode};
use crate::image::reference::Asked;
use crate::image::{by_platform, set};
use crate::name::is_name;
use crate::platform::Platform;
use crate::policy::{Attestations, Policy, Signatures};
use crate::store::open::Source;

/// What is left out.
#[derive(Debug, Default)]
pub struct Selection {
    pub(super) dropped: BTreeSet<Digest>,
    pub(super) dropped_roots: BTreeSet<usize>,
    docker_kept: Vec<bool>,
    docker_gone: BTreeSet<Digest>,
    asked: Option<Asked>,
    /// What an index lists for the platform that was asked for, whatever its config says: manifests and their configs.
    pub(super) is_listed_for: BTreeSet<Digest>,
    /// What was left out and why, for people.
    pub names: Vec<String>,
}

impl Selection {
    /// Does an image of `manifest.json` stay?
    pub fn keeps_docker(&self, policy: &Policy, image: &DockerImage) -> bool {
        let fits = |platform: &Platform| platform.matches(&image.config.platform());
        let wanted = self.is_listed_for.contains(&image.id) || policy.platform.as_ref().is_none_or(fits);
        wanted
            && match &self.asked {
                Some(Asked::Name(name)) => is_tagged(image, name),
                Some(Asked::Config(id)) => image.id == *id,
                Some(Asked::Root(_)) | None => true,
            }
    }

    /// Removes the images of `manifest.json` that are left out, and the names that were not asked for.
    pub fn docker(&mut self, graph: &Graph, policy: &Policy, images: &mut Vec<DockerImage>) {
        self.docker_kept = images.iter().map(|image| self.keeps_docker(policy, image)).collect();
        let mut keep = self.docker_kept.iter();
        let gone: Vec<DockerImage> = images.extract_if(.., |_| keep.next() == Some(&false)).collect();
        let mut still_here = set::configs(graph, self);
        still_here.extend(images.iter().map(|image| image.id));
        // What a layout has under another name is not left out.
        for image in gone.iter().filter(|image| !still_here.contains(&image.id)) {
            let tags = printable(image.entry.repo_tags.join(" ").as_bytes());
            self.names.push(format!("image {tags} {}", image.id));
            self.docker_gone.insert(image.image_id);
        }
        for image in images {
            let (kept, gone) =
                std::mem::take(&mut image.entry.repo_tags).into_iter().partition(|tag| self.keeps_name(tag));
            let gone: Vec<String> = gone;
            self.names
                .extend(gone.iter().map(|tag| format!("name {} of image {}", printable(tag.as_bytes()), image.id)));
            image.entry.repo_tags = kept;
        }
    }

    /// Does a name stay, of whatever image?
    pub fn keeps_name(&self, name: &str) -> bool {
        match &self.asked {
            Some(Asked::Name(asked)) => is_name(name, asked),
            Some(Asked::Config(_) | Asked::Root(_)) | None => true,
        }
    }

    /// The IDs of the images of `manifest.json` that are left out.
    pub fn docker_gone(&self) -> &BTreeSet<Digest> {
        &self.docker_gone
    }

    /// Which entries of `manifest.json` stay, in their order.
    pub fn docker_kept(&self) -> &[bool] {
        &self.docker_kept
    }

    /// Chooses; an error if there is a signature and no word on what to do with it, or if nothing would be left.
    pub fn choose(source: &Source, graph: &Graph, docker: &[DockerImage], policy: &Policy) -> Result<Self> {
        let mut selection = Self::wanted(graph, docker, policy)?;
        // First: with what is left out anyway goes its signature.
        if policy.attestations == Attestations::Drop {
            for (digest, manifest) in manifests(graph) {
                if manifest.attestation && selection.dropped.insert(*digest) {
                    selection.names.push(format!("attestation {digest}"));
                }
            }
            selection.absent_attestations(graph);
        }
        selection.signatures(graph, policy.signatures)?;
        if policy.signatures == Signatures::Drop {
            selection.signed_attestations(source, graph)?;
        }
        selection.referrers(graph);
        Ok(selection)
    }

    /// Leaves out attestations that are not in the image: their descriptors say what they are.
    fn absent_attestations(&mut self, graph: &Graph) {
        for child in indexes(graph).flatten().filter(|child| is_absent(graph, &child.digest)) {
            if is_attestation(&child.annotations, child.artifact_type.as_deref()) && self.dropped.insert(child.digest) {
                self.names.push(format!("attestation {}, which is not in the image", child.digest));
            }
        }
    }

    /// Chooses by reference and platform alone: what is asked for, and what is about that.
    pub fn named(graph: &Graph, docker: &[DockerImage], policy: &Policy) -> Result<Self> {
        let mut selection = Self::wanted(graph, docker, policy)?;
        selection.referrers(graph);
        Ok(selection)
    }

    /// In an archive that is a layout as well, either part may list what the other one does not.
    fn wanted(graph: &Graph, docker: &[DockerImage], policy: &Policy) -> Result<Self> {
        let parse = |reference: &String| Asked::parse(graph, docker, reference);
        let asked = policy.reference.as_ref().map(parse).transpose()?;
        let mut selection = Self { asked: asked.clone(), ..Self::default() };
        if let Some(asked) = &asked {
            selection.by_reference(graph, docker, asked)?;
        }
        let of_name = graph.images().any(|(image, _)| selection.keeps(image));
        if let Some(platform) = &policy.platform {
            selection.is_listed_for = by_platform::listed_for(graph, platform);
            selection.by_platform(graph, platform);
        }
        // A layout of artifacts alone has no image to choose unless a platform is named.
        let is_asked = of_name || !docker.is_empty() || policy.platform.is_some();
        let is_left = docker.iter().any(|image| selection.keeps_docker(policy, image));
        if is_asked && !is_left && !graph.images().any(|(image, _)| selection.keeps(image)) {
            let (reference, platform) = (policy.reference.as_deref(), policy.platform.as_ref());
            return Err(by_platform::nothing_left(graph, docker, reference, platform));
        }
        Ok(selection)
    }

    /// Does this stay?
    pub fn keeps(&self, digest: &Digest) -> bool {
        !self.dropped.contains(digest)
    }

    /// Does this descriptor of `index.json` stay?
    pub fn keeps_root(&self, number: usize) -> bool {
        !self.dropped_roots.contains(&number)
    }

    pub(super) fn drop_root(&mut self, number: usize, child: &Descriptor) {
        if self.dropped_roots.insert(number) {
            let name = printable(child.ref_name().unwrap_or("untagged").as_bytes());
            self.names.push(format!("{name} {}", child.digest));
        }
    }
}

pub(super) fn is_tagged(image: &DockerImage, reference: &str) -> bool {
    image.entry.repo_tags.iter().any(|tag| is_name(tag, reference))
}

pub(super) fn manifests(graph: &Graph) -> impl Iterator<Item = (&Digest, &ManifestNode)> {
    graph.nodes.iter().filter_map(|(digest, node)| match &node.body {
        Body::Manifest(manifest) => Some((digest, &**manifest)),
        _ => None,
    })
}

pub(super) fn indexes(graph: &Graph) -> impl Iterator<Item = &[Descriptor]> {
    let nested = graph.nodes.values().filter_map(|node| match &node.body {
        Body::Index(index) => Some(index.children.as_slice()),
        _ => None,
    });
    graph.root.iter().map(|root| root.children.as_slice()).chain(nested)
}

pub(super) fn is_absent(graph: &Graph, digest: &Digest) -> bool {
    graph.nodes.get(digest).is_some_and(|node| matches!(node.body, Body::Absent))
}

pub(super) fn subject_of(graph: &Graph, digest: &Digest) -> Option<Digest> {
    graph.nodes.get(digest)?.subject().map(|subject| subject.digest)
}
