//! Adds documents about an image to where it is: to a layout, or to a repository.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, REF_NAME};
use crate::document::fallback::{fallback_tag, with_referrer};
use crate::document::index::Index;
use crate::document::referrer::{Referrer, replaced};
use crate::document::write::NewDescriptor;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::media_type::OCI_INDEX;
use crate::spool::Spools;
use crate::store::directory::Directory;
use crate::store::{BlobRef, BlobStore};

/// Adds referrers to a layout: their blobs, each as a descriptor in `index.json`, and a list of them by the tag that stands in
/// for one. `index.json` is replaced in one step, last. How many were not there before.
///
/// # Errors
///
/// If it is no layout, or can't be written.
pub fn to_layout(folder: &Path, referrers: &[Referrer], limits: &Limits, spools: &Spools) -> Result<usize> {
    let layout = Layout { folder, store: Directory::new(folder, &folder.display().to_string()), limits, spools };
    layout.add(referrers).map_err(|e| e.in_file(folder.display()))
}

struct Layout<'l> {
    folder: &'l Path,
    store: Directory,
    limits: &'l Limits,
    spools: &'l Spools,
}

impl Layout<'_> {
    fn add(&self, referrers: &[Referrer]) -> Result<usize> {
        // Another one that attaches here waits: what it read would be replaced. The lock goes with the open directory.
        let folder = File::open(self.folder).map_err(|e| Error::io("cannot open", e))?;
        rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|e| Error::io("cannot lock", e.into()))?;
        let limit = self.limits.document_bytes;
        if self.store.document("oci-layout", limit)?.is_none() {
            return Err(Error::missing("oci-layout"));
        }
        let mut index = self.store.document("index.json", limit)?.ok_or_else(|| Error::missing("index.json"))?;
        let (mut added, mut lists) = (0, BTreeMap::new());
        for referrer in referrers {
            added += usize::from(self.one(&mut index, &mut lists, referrer).map_err(|e| e.in_blob("index.json"))?);
        }
        for (tag, list) in &lists {
            let mut descriptor = NewDescriptor::new(OCI_INDEX, self.blob(list)?, list.len() as u64);
            descriptor.annotations.insert(REF_NAME.to_owned(), tag.clone());
            index = replaced(&index, tag, &[descriptor])?;
        }
        if added > 0 {
            self.write(&self.folder.join("index.json"), &index)?;
        }
        Ok(added)
    }

    /// Adds one to the bytes of `index.json`, and to the list of its tag; false if it is there.
    fn one(&self, index: &mut Vec<u8>, lists: &mut BTreeMap<String, Vec<u8>>, referrer: &Referrer) -> Result<bool> {
        let tag = fallback_tag(&referrer.subject);
        let parsed = Index::parse(index)?;
        let list = parsed.manifests().iter().find(|one| one.ref_name() == Some(&*tag)).map(|one| one.digest);
        let is_listed = parsed.manifests().iter().any(|one: &Descriptor| one.digest == referrer.descriptor.digest);
        let old = match (lists.get(&tag), list) {
            (Some(list), _) => Some(list.clone()),
            (None, Some(digest)) => Some(self.document(&digest)?),
            (None, None) => None,
        };
        let new = with_referrer(old.as_deref(), &referrer.descriptor)?;
        if is_listed && new.is_none() {
            return Ok(false);
        }
        for bytes in referrer.blobs.iter().chain([&referrer.manifest]) {
            self.blob(bytes)?;
        }
        if !is_listed {
            *index = Index::parse(index)?.with(std::slice::from_ref(&referrer.descriptor))?;
        }
        lists.extend(new.map(|list| (tag, list)));
        Ok(true)
    }

    fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let found: Option<Extent> = self.store.blob(BlobRef::Digest(digest))?;
        let found = found.ok_or_else(|| Error::missing("list of referrers").in_blob(digest))?;
        found.verified_bytes(digest, None, self.limits.document_bytes).map_err(|e| e.in_blob(digest))
    }

    fn blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::sha256(bytes);
        let path = self.folder.join(digest.path());
        let folders = ["blobs".to_owned(), format!("blobs/{}", digest.algorithm().name())];
        for folder in folders.iter().map(|name| self.folder.join(name)) {
            match fs::symlink_metadata(&folder) {
                Ok(found) if found.is_dir() => {}
                // A link may lead anywhere.
                Ok(_) => return Err(Error::refused(format!("{} is not a directory", folder.display()))),
                Err(_) => fs::create_dir(&folder).map_err(|e| Error::io("cannot make", e).in_file(folder.display()))?,
            }
        }
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64) {
            self.write(&path, bytes)?;
        }
        Ok(digest)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut output = self.spools.output_file(path)?;
        let written = output.file_mut()?.write_all(bytes);
        written.map_err(|e| Error::io("cannot write", e).in_file(path.display()))?;
        output.rename_to(path)
    }
}

/// Adds referrers to a repository; where the registry keeps no list of them, to the tag that stands in for one. How many
/// were sent.
///
/// # Errors
///
/// What the registry says.
#[cfg(feature = "registry")]
pub fn to_registry(
    name: &crate::registry::RegistryName,
    referrers: &[Referrer],
    context: &crate::context::RunContext,
) -> Result<usize> {
    use std::io::Cursor;

    use crate::media_type::OCI_MANIFEST;
    use crate::registry::{Client, Scope};

    let limit = context.limits.document_bytes;
    let pool = context.pool.clone();
    let client = Client::new(name, &context.registry.options()?, std::sync::Arc::new(move || pool.check()))?.for_push();
    let add = |referrer: &Referrer| {
        let Referrer { subject, manifest, descriptor, blobs } = referrer;
        for bytes in blobs {
            let digest = Digest::sha256(bytes);
            if client.blob_size(&digest, Scope::Push)?.is_none() {
                client.upload(&digest, bytes.len() as u64, &|| Ok(Box::new(Cursor::new(bytes.clone()))))?;
            }
        }
        let digest = descriptor.digest;
        if !client.put_manifest(&digest.to_string(), OCI_MANIFEST, &digest, manifest)? {
            client.add_referrer(subject, descriptor, limit)?;
        }
        Ok(())
    };
    referrers.iter().try_for_each(add).map_err(|e: Error| e.in_file(format!("docker://{name}")))?;
    Ok(referrers.len())
}
