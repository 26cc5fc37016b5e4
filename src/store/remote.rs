//! A repository of a registry as a store: the image that a tag or digest names, with all that is about it.
//!
//! It is shown as a layout: an `index.json` that lists the image, under its tag, and its referrers. Documents are fetched at
//! once, layers when they are read, and blobs that nobody reads not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::blob::Extent;
use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::DescriptorCount;
use crate::document::attestation::is_attestation;
use crate::document::descriptor::{Descriptor, IMAGE_NAME, REF_NAME};
use crate::document::index::Index;
use crate::document::manifest::Manifest;
use crate::document::write::{self, NewDescriptor};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::media_type::{Class, classify};
use crate::name::is_tag;
use crate::registry::{Client, Downloads, Fetched, RegistryName, Scope};
use crate::store::{BlobRef, BlobStore, Listing};
use crate::sync::lock;

/// An image in a registry.
pub struct Remote {
    name: String,
    repository: RegistryName,
    client: Arc<Client>,
    downloads: Downloads,
    limits: Limits,
    index: Vec<u8>,
    known: Mutex<Known>,
}

/// What the documents so far say of blobs.
#[derive(Default)]
struct Known {
    /// Manifests and indexes, which have a path of their own.
    documents: BTreeSet<Digest>,
    /// Those that were fetched to see what they list.
    fetched: BTreeMap<Digest, Extent>,
    /// Configs, which are read at once.
    configs: BTreeSet<Digest>,
    /// Blobs that were looked up; `None` for those that are not there.
    blobs: BTreeMap<Digest, Option<Extent>>,
}

impl Remote {
    /// Resolves a name once: from here on, it is the digest that it has now.
    pub fn open(repository: &RegistryName, name: &str, context: &RunContext) -> Result<Self> {
        let pool = context.pool.clone();
        let client = Arc::new(Client::new(repository, &context.registry.options()?, Arc::new(move || pool.check()))?);
        let limits = context.limits.clone();
        let digest = repository.digest().map(ToString::to_string);
        let reference = digest.as_deref().or(repository.tag()).unwrap_or_default();
        let top = client.manifest(reference, limits.document_bytes)?;
        let top = top.ok_or_else(|| {
            Error::refused(format!("there is no image of this name: the registry knows no {reference}"))
        })?;
        let mut known = Known::default();
        let list = Lister::new(&client, &limits, &mut known).list(&top, repository)?;
        Ok(Self {
            name: name.to_owned(),
            repository: repository.clone(),
            downloads: Downloads::new(Arc::clone(&client), context.spools.clone()),
            client,
            limits,
            index: write::index(&list)?,
            known: Mutex::new(known),
        })
    }

    fn lookup(&self, digest: &Digest) -> Result<Option<Extent>> {
        let mut known = lock(&self.known);
        if let Some(extent) = known.fetched.get(digest) {
            return Ok(Some(extent.clone()));
        }
        if known.documents.contains(digest) {
            let found = self.client.manifest(&digest.to_string(), self.limits.document_bytes)?;
            return found.map(|found| known.learn(&found)).transpose();
        }
        if let Some(found) = known.blobs.get(digest) {
            return Ok(found.clone());
        }
        let found = if known.configs.contains(digest) {
            self.client.small_blob(digest, self.limits.document_bytes)?.map(Extent::of_bytes)
        } else {
            let size = self.client.blob_size(digest, Scope::Pull)?;
            size.map(|size| self.downloads.blob(*digest, size))
        };
        known.blobs.insert(*digest, found.clone());
        Ok(found)
    }
}

impl Known {
    /// What a document says of others. It is only looked at here: what is wrong with it is said by those who read it.
    fn learn(&mut self, found: &Fetched) -> Result<Extent> {
        match classify(&found.media_type) {
            Class::Index => {
                let index = Index::parse(&found.bytes).map_err(|e| e.in_blob(found.digest))?;
                self.documents.extend(index.manifests().iter().map(|child| child.digest));
            }
            _ => {
                if let Ok(manifest) = Manifest::parse(&found.bytes) {
                    self.configs.extend(manifest.config().map(|config| config.digest));
                }
            }
        }
        Ok(Extent::of_bytes(found.bytes.clone()))
    }
}

/// Lists what belongs to an image.
struct Lister<'a> {
    client: &'a Client,
    limits: &'a Limits,
    count: DescriptorCount,
    known: &'a mut Known,
    /// Documents whose referrers are asked for, in the order in which they were found.
    subjects: VecDeque<Digest>,
    seen: BTreeSet<Digest>,
    /// Bytes of the documents that were fetched.
    bytes: u64,
}

impl<'a> Lister<'a> {
    fn new(client: &'a Client, limits: &'a Limits, known: &'a mut Known) -> Self {
        let count = DescriptorCount::new(limits);
        Self { client, limits, count, known, subjects: VecDeque::new(), seen: BTreeSet::new(), bytes: 0 }
    }

    fn add(&mut self, digest: Digest) -> bool {
        let is_new = self.seen.insert(digest);
        if is_new {
            self.subjects.push_back(digest);
        }
        is_new
    }

    /// The image, then its referrers and theirs, each once.
    fn list(mut self, top: &Fetched, name: &RegistryName) -> Result<Vec<NewDescriptor>> {
        let mut listed = NewDescriptor::new(top.media_type.clone(), top.digest, top.bytes.len() as u64);
        if let Some(tag) = name.tag() {
            listed.annotations.insert(IMAGE_NAME.to_owned(), format!("{}:{tag}", name.full_repository()));
            listed.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        }
        let mut list = vec![listed];
        self.add(top.digest);
        self.tree(top, 0)?;
        while let Some(subject) = self.subjects.pop_front() {
            for referrer in self.client.referrers(&subject, self.limits.document_bytes, &mut self.count)? {
                // What the index itself lists is there already.
                if !self.known.documents.contains(&referrer.digest) && self.add(referrer.digest) {
                    self.known.documents.insert(referrer.digest);
                    list.push(NewDescriptor::new(referrer.media_type, referrer.digest, referrer.size));
                }
                if list.len() > self.limits.documents {
                    return Err(Error::limit("number of documents", self.limits.documents as u64, list.len()));
                }
            }
        }
        list.extend(self.by_tag(&top.digest)?);
        Ok(list)
    }

    /// What cosign says about an image under tags that its digest makes: signatures, attestations, SBOMs.
    fn by_tag(&mut self, digest: &Digest) -> Result<Vec<NewDescriptor>> {
        let mut list = Vec::new();
        for suffix in ["sig", "att", "sbom"] {
            let tag = format!("{}-{}.{suffix}", digest.algorithm().name(), digest.hex());
            // Longer ones are none (sha512).
            if !is_tag(&tag) {
                continue;
            }
            if let Some(found) = self.client.manifest(&tag, self.limits.document_bytes)? {
                let extent = self.known.learn(&found)?;
                self.known.documents.insert(found.digest);
                self.known.fetched.insert(found.digest, extent);
                let mut listed = NewDescriptor::new(found.media_type, found.digest, found.bytes.len() as u64);
                listed.annotations.insert(REF_NAME.to_owned(), tag);
                list.push(listed);
            }
        }
        Ok(list)
    }

    /// A document and the documents below it.
    fn tree(&mut self, found: &Fetched, depth: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(found.bytes.len() as u64);
        if self.bytes > self.limits.all_document_bytes {
            return Err(Error::limit("size of all documents in bytes", self.limits.all_document_bytes, "more"));
        }
        let extent = self.known.learn(found)?;
        self.known.documents.insert(found.digest);
        self.known.fetched.insert(found.digest, extent);
        if classify(&found.media_type) != Class::Index || depth >= self.limits.nesting {
            return Ok(());
        }
        let index = Index::parse_within(&found.bytes, &mut self.count).map_err(|e| e.in_blob(found.digest))?;
        let (children, _) = index.into_parts();
        let is_new = |child: &&Descriptor| !is_attestation(&child.annotations, child.artifact_type.as_deref());
        for child in children.iter().filter(is_new) {
            if !self.add(child.digest) || classify(&child.media_type) != Class::Index {
                continue;
            }
            if let Some(found) = self.client.manifest(&child.digest.to_string(), self.limits.document_bytes)? {
                self.tree(&found, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl BlobStore for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn document(&self, name: &str, _limit: u64) -> Result<Option<Vec<u8>>> {
        Ok(match name {
            "index.json" => Some(self.index.clone()),
            "oci-layout" => Some(write::OCI_LAYOUT.to_vec()),
            _ => None,
        })
    }

    fn blob(&self, blob: BlobRef<'_>) -> Result<Option<Extent>> {
        match blob {
            BlobRef::Digest(digest) => self.lookup(digest).map_err(|e| e.in_blob(digest)),
            BlobRef::Path(_) => Ok(None),
        }
    }

    fn listing(&self) -> &dyn Listing {
        self
    }

    fn repository(&self) -> Option<&RegistryName> {
        Some(&self.repository)
    }
}

impl Listing for Remote {
    fn files(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.downloads.stop();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}
