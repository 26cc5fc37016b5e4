//! What of an image is rewritten at all: the rest is left out, and named.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::document::attestation::{Attestation, Suspect, is_statement_type, signature_kind};
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST, is_fallback_tag_of};
use crate::document::manifest::Manifest;
use crate::error::{Error, Result};
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig, ManifestNode, extent_of};
use crate::image::names::{is_name, names};
use crate::image::source::Source;
use crate::policy::{Attestations, Platform, Policy, Signatures};
use crate::rewrite::documents::STATEMENT_LIMIT;
use crate::rewrite::output;

/// What is left out.
#[derive(Debug, Default)]
pub struct Selection {
    dropped: BTreeSet<Digest>,
    dropped_roots: BTreeSet<usize>,
    docker_kept: Vec<bool>,
    docker_gone: BTreeSet<Digest>,
    reference: Option<String>,
    /// What was left out and why, for people.
    pub names: Vec<String>,
}

impl Selection {
    /// Does an image of `manifest.json` stay?
    pub fn keeps_docker(&self, policy: &Policy, image: &DockerImage) -> bool {
        let wanted = policy.platform.as_ref().is_none_or(|platform| platform.matches(&image.config.platform()));
        wanted && policy.reference.as_ref().is_none_or(|reference| is_tagged(image, reference))
    }

    /// Removes the images of `manifest.json` that are left out, and the names that were not asked for.
    pub fn docker(&mut self, graph: &Graph, policy: &Policy, images: &mut Vec<DockerImage>) {
        self.docker_kept = images.iter().map(|image| self.keeps_docker(policy, image)).collect();
        let mut keep = self.docker_kept.iter();
        let gone: Vec<DockerImage> = images.extract_if(.., |_| keep.next() == Some(&false)).collect();
        let mut still_here = output::configs(graph, self);
        still_here.extend(images.iter().map(|image| image.id));
        // What a layout has under another name is not left out.
        for image in gone.iter().filter(|image| !still_here.contains(&image.id)) {
            self.names.push(format!("image {} {}", image.entry.repo_tags.join(" "), image.id));
            self.docker_gone.insert(image.image_id());
        }
        for image in images {
            let (kept, gone) =
                std::mem::take(&mut image.entry.repo_tags).into_iter().partition(|tag| self.keeps_name(tag));
            let gone: Vec<String> = gone;
            self.names.extend(gone.iter().map(|tag| format!("name {tag} of image {}", image.id)));
            image.entry.repo_tags = kept;
        }
    }

    /// Does a name stay, of whatever image?
    pub fn keeps_name(&self, name: &str) -> bool {
        self.reference.as_ref().is_none_or(|reference| is_name(name, reference))
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
        }
        selection.signatures(graph, policy.signatures)?;
        if policy.signatures == Signatures::Drop {
            selection.signed_attestations(source, graph);
        }
        selection.referrers(graph);
        Ok(selection)
    }

    /// Leaves out attestations that are DSSE envelopes, which nothing but their content tells.
    fn signed_attestations(&mut self, source: &Source, graph: &Graph) {
        for (digest, manifest) in manifests(graph) {
            if !manifest.attestation || !self.keeps(digest) {
                continue;
            }
            // What can't be read here is an error when it is rewritten.
            let is_signed = |layer: &Descriptor| {
                let bytes =
                    extent_of(source, layer).ok().flatten().and_then(|extent| extent.bytes(STATEMENT_LIMIT).ok());
                bytes.is_some_and(|bytes| matches!(Attestation::parse(&bytes), Ok(Attestation::Signed)))
            };
            let mut statements = manifest.layers.iter().filter(|layer| is_statement_type(&layer.media_type));
            if statements.any(is_signed) {
                self.dropped.insert(*digest);
                self.names.push(format!("DSSE envelope {digest}"));
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
        let mut selection = Self { reference: policy.reference.clone(), ..Self::default() };
        if let Some(reference) = &policy.reference {
            selection.by_reference(graph, docker, reference)?;
        }
        if let Some(platform) = &policy.platform {
            let is_left = docker.iter().any(|image| selection.keeps_docker(policy, image));
            selection.by_platform(graph, platform, is_left)?;
        }
        let is_left = |image| selection.keeps_docker(policy, image);
        if !docker.is_empty() && !docker.iter().any(is_left) && !graph.images().any(|(image, _)| selection.keeps(image))
        {
            let tags = docker.iter().flat_map(|image| image.entry.repo_tags.iter().cloned());
            let all = tags.chain(docker.iter().map(|image| image.config.platform().to_string()));
            let wanted = [policy.reference.clone(), policy.platform.as_ref().map(ToString::to_string)];
            let wanted: Vec<String> = wanted.into_iter().flatten().collect();
            return Err(Error::malformed("image", wanted.join(" for "), all.collect::<Vec<_>>().join(", ")));
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

    fn drop_root(&mut self, number: usize, child: &Descriptor) {
        if self.dropped_roots.insert(number) {
            self.names.push(format!("{} {}", child.ref_name().unwrap_or("untagged"), child.digest));
        }
    }

    fn by_reference(&mut self, graph: &Graph, docker: &[DockerImage], reference: &str) -> Result<()> {
        let Some(root) = &graph.root else { return Ok(()) };
        if root.children.is_empty() {
            return Ok(()); // an untagged image of Docker's, which only `manifest.json` lists
        }
        let mut named: Vec<bool> =
            root.children.iter().map(|child| names(child).any(|name| is_name(name, reference))).collect();
        if !named.contains(&true) {
            // A name that only `manifest.json` knows is that of an image all the same.
            let tagged = || docker.iter().filter(|image| is_tagged(image, reference));
            let ids: BTreeSet<Digest> = tagged().map(|image| image.id).collect();
            named = root.children.iter().map(|child| leads_to_config(graph, &child.digest, &ids)).collect();
            if ids.is_empty() {
                let mut all: Vec<&str> = root.children.iter().flat_map(names).collect();
                for tag in docker.iter().flat_map(|image| &image.entry.repo_tags) {
                    if !all.iter().any(|name| is_name(name, tag)) {
                        all.push(tag);
                    }
                }
                let found = if all.is_empty() { "none with a name".to_owned() } else { all.join(", ") };
                return Err(Error::malformed("image name", reference.to_owned(), found));
            }
        }
        let (chosen, mut others): (Vec<_>, Vec<_>) =
            root.children.iter().enumerate().partition(|(number, _)| named.get(*number) == Some(&true));
        let mut kept = BTreeSet::new();
        for (_, child) in &chosen {
            reach(graph, &child.digest, &mut kept);
        }
        // What is about a chosen image may itself have something about it, wherever it is listed.
        loop {
            let before = others.len();
            others.retain(|(_, child)| {
                let about =
                    child.ref_name().is_some_and(|tag| kept.iter().any(|digest| is_fallback_tag_of(tag, digest)));
                let refers = subject_of(graph, &child.digest).is_some_and(|subject| kept.contains(&subject));
                if about || refers {
                    reach(graph, &child.digest, &mut kept);
                }
                !about && !refers
            });
            if others.len() == before {
                break;
            }
        }
        for (number, child) in others {
            self.drop_root(number, child);
        }
        // What only the others lead to is out of sight from here on.
        self.dropped.extend(graph.nodes.keys().filter(|digest| !kept.contains(digest)));
        Ok(())
    }

    fn by_platform(&mut self, graph: &Graph, platform: &Platform, is_elsewhere: bool) -> Result<()> {
        let mut found = BTreeSet::new();
        let mut left = 0;
        for (digest, manifest) in graph.images() {
            if !self.keeps(digest) {
                continue;
            }
            let own = platform_of(manifest);
            if platform.matches(&own) {
                left += 1;
            } else {
                self.dropped.insert(*digest);
                self.names.push(format!("{own} {digest}"));
            }
            found.insert(own.to_string());
        }
        if left == 0 && !found.is_empty() && !is_elsewhere {
            let found: Vec<String> = found.into_iter().collect();
            return Err(Error::malformed("platform", platform.to_string(), found.join(", ")));
        }
        Ok(())
    }

    fn signatures(&mut self, graph: &Graph, rule: Signatures) -> Result<()> {
        let mut found: Vec<(String, Option<Digest>)> = Vec::new();
        let roots = graph.root.iter().flat_map(|root| root.children.iter().enumerate());
        let is_kept = |number: usize, child: &Descriptor| self.keeps_root(number) && self.keeps(&child.digest);
        let tagged: Vec<_> = roots.filter(|(number, child)| is_kept(*number, child)).collect();
        for (number, child) in &tagged {
            if let Some(kind) = signature_kind(Suspect { tag: child.ref_name(), ..Suspect::default() }) {
                let name = format!("{kind} {} {}", child.ref_name().unwrap_or_default(), child.digest);
                found.push((name, Some(child.digest)));
                if rule == Signatures::Drop {
                    self.dropped_roots.insert(*number);
                }
            }
        }
        for (digest, manifest) in manifests(graph) {
            if found.iter().any(|(_, known)| *known == Some(*digest)) || !self.keeps(digest) {
                continue;
            }
            // They are a part of the manifest, which stays without them.
            if Manifest::parse(&manifest.bytes)?.has_signatures() {
                found.push((format!("signatures inside of {digest}"), None));
            }
            let mut media_types: Vec<&str> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
            media_types.extend(manifest.config.iter().map(|config| config.media_type.as_str()));
            let artifact_types: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
            let suspect = Suspect { artifact_types: &artifact_types, media_types: &media_types, tag: None };
            if let Some(kind) = signature_kind(suspect) {
                found.push((format!("{kind} {digest}"), Some(*digest)));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        if rule == Signatures::Refuse {
            let list = list.join("; ");
            let text = format!(
                "a signature is over the digests as they are and can't follow; --signatures drop leaves these out: {list}"
            );
            return Err(Error::refused(text));
        }
        self.dropped.extend(found.iter().filter_map(|(_, digest)| *digest));
        self.names.extend(list);
        Ok(())
    }

    /// What is about something that was left out goes with it.
    fn referrers(&mut self, graph: &Graph) {
        if self.dropped.is_empty() && self.dropped_roots.is_empty() {
            return;
        }
        loop {
            let mut more = Vec::new();
            for digest in graph.nodes.keys().filter(|digest| self.keeps(digest)) {
                if subject_of(graph, digest).is_some_and(|subject| !self.keeps(&subject)) {
                    more.push((*digest, format!("referrer {digest}")));
                }
            }
            for index in indexes(graph) {
                for child in index.iter().filter(|child| self.keeps(&child.digest)) {
                    let about = child.annotation(REFERENCE_DIGEST).and_then(|text| text.parse::<Digest>().ok());
                    if about.is_some_and(|about| !self.keeps(&about)) {
                        more.push((child.digest, format!("attestation {}", child.digest)));
                    }
                }
            }
            for (digest, node) in graph.nodes.iter().filter(|(digest, _)| self.keeps(digest)) {
                if let Body::Index(index) = &node.body
                    && !index.children.is_empty()
                    && index.children.iter().all(|child| !self.keeps(&child.digest))
                {
                    more.push((*digest, format!("index {digest}, of which nothing is left")));
                }
            }
            if more.is_empty() {
                break;
            }
            for (digest, name) in more {
                if self.dropped.insert(digest) {
                    self.names.push(name);
                }
            }
        }
        // A tag whose image was left out, and a tag about one.
        let roots: Vec<_> = graph.root.iter().flat_map(|root| root.children.iter().enumerate()).collect();
        for (number, child) in roots {
            let about_dropped =
                child.ref_name().is_some_and(|tag| self.dropped.iter().any(|d| is_fallback_tag_of(tag, d)));
            if about_dropped && self.keeps_root(number) {
                self.drop_root(number, child);
            } else if !self.keeps(&child.digest) {
                self.dropped_roots.insert(number);
            }
        }
    }
}

fn is_tagged(image: &DockerImage, reference: &str) -> bool {
    image.entry.repo_tags.iter().any(|tag| is_name(tag, reference))
}

/// The platform of an image, as its config says.
pub fn platform_of(manifest: &ManifestNode) -> Platform {
    manifest.image.as_ref().map(ImageConfig::platform).unwrap_or_default()
}

impl ImageConfig {
    /// What it runs on, as `--platform` has it.
    pub fn platform(&self) -> Platform {
        let platform = self.platform.clone();
        Platform {
            os: platform.os.unwrap_or_default(),
            architecture: platform.architecture.unwrap_or_default(),
            variant: platform.variant.filter(|variant| !variant.is_empty()),
        }
    }
}

fn manifests(graph: &Graph) -> impl Iterator<Item = (&Digest, &ManifestNode)> {
    graph.nodes.iter().filter_map(|(digest, node)| match &node.body {
        Body::Manifest(manifest) => Some((digest, &**manifest)),
        _ => None,
    })
}

fn indexes(graph: &Graph) -> impl Iterator<Item = &[Descriptor]> {
    let nested = graph.nodes.values().filter_map(|node| match &node.body {
        Body::Index(index) => Some(index.children.as_slice()),
        _ => None,
    });
    graph.root.iter().map(|root| root.children.as_slice()).chain(nested)
}

fn subject_of(graph: &Graph, digest: &Digest) -> Option<Digest> {
    graph.nodes.get(digest)?.subject().map(|subject| subject.digest)
}

fn leads_to_config(graph: &Graph, digest: &Digest, configs: &BTreeSet<Digest>) -> bool {
    let mut below = BTreeSet::new();
    reach(graph, digest, &mut below);
    let mut nodes = below.iter().filter_map(|digest| graph.nodes.get(digest));
    nodes.any(|node| match &node.body {
        Body::Manifest(manifest) => manifest.config.as_ref().is_some_and(|config| configs.contains(&config.digest)),
        Body::Index(_) | Body::Blob(_) | Body::Absent => false,
    })
}

fn reach(graph: &Graph, digest: &Digest, kept: &mut BTreeSet<Digest>) {
    let mut pending = vec![*digest];
    while let Some(digest) = pending.pop() {
        if kept.insert(digest) {
            if let Some(Body::Index(index)) = graph.nodes.get(&digest).map(|node| &node.body) {
                pending.extend(index.children.iter().map(|child| child.digest));
            }
            // What is about something is nothing without it.
            pending.extend(subject_of(graph, &digest));
        }
    }
}
