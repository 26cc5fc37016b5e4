//! Writing an image to a registry: blobs, then manifests from the bottom up, then what is about them, and the tag last. A run
//! that ends before that leaves blobs that nothing names, and the tag as it was.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::blob::{Ahead, Expected};
use crate::context::RunContext;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::Pool;
use crate::registry::{Client, RegistryName, Scope, Upload};
use crate::store::new_image::{Content, Image};
use crate::store::push_plan::{Document, Plan};
use crate::store::sent::Sent;
use crate::sync::{lock, start};

/// A repository that an image is written to.
#[derive(Debug)]
pub struct Push {
    name: RegistryName,
    client: Client,
    /// The tags that it gets, with what each was before the work.
    tags: Vec<(String, Option<Digest>)>,
    /// May a tag that something else has moved since be moved again?
    force: bool,
    /// Other repositories of the same registry that may have its blobs.
    sources: Vec<Client>,
    document_bytes: u64,
    sent: Mutex<Sent>,
}

impl Push {
    /// Looks at a repository before the work: may it be written to, and what do its tags name now? `is_dry` asks only the latter.
    /// `sources` are the names that the image and its base have where they are in registries.
    pub fn prepare(
        name: &RegistryName,
        more_tags: &[String],
        sources: &[&RegistryName],
        (force, is_dry): (bool, bool),
        context: &RunContext,
    ) -> Result<Self> {
        if let Some(digest) = name.digest() {
            let text = format!(
                "{digest} can't be asked for: the digest is what comes of the image. Write docker://{}:TAG",
                name.full_repository()
            );
            return Err(Error::refused(text));
        }
        let pool = context.pool.clone();
        let (options, stop) = (context.registry.options()?, Arc::new(move || pool.check()));
        let client = Client::new(name, &options, stop.clone())?.for_push();
        let document_bytes = context.limits.document_bytes;
        let mut tags: Vec<(String, Option<Digest>)> = Vec::new();
        for tag in name.tag().into_iter().chain(more_tags.iter().map(String::as_str)) {
            if tags.iter().all(|(known, _)| known != tag) {
                tags.push((tag.to_owned(), client.tag(tag, document_bytes)?));
            }
        }
        if !is_dry {
            client.check_push()?;
        }
        let of_registry =
            sources.iter().filter(|source| source.host() == name.host() && !source.is_same_repository(name));
        let mut others: Vec<Client> = Vec::new();
        for source in of_registry {
            if others.iter().all(|known| known.repository() != source.repository()) {
                others.push(Client::new(source, &options, stop.clone())?);
            }
        }
        let sources = others;
        Ok(Self { name: name.clone(), client, tags, force, sources, document_bytes, sent: Mutex::default() })
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        format!("docker://{}", self.name)
    }

    /// What the tag named before the work.
    pub fn old(&self) -> Option<Digest> {
        self.tags.first().and_then(|(_, old)| *old)
    }

    /// What was sent.
    pub fn sent(&self) -> Sent {
        *lock(&self.sent)
    }

    /// Writes the image.
    pub fn write(&self, image: &Image, pool: &Pool) -> Result<()> {
        let plan = Plan::of(image, &self.tags, self.document_bytes)?;
        self.blobs(&plan, |digest, content| self.send(digest, content, pool))?;
        for document in plan.documents.iter().chain(&plan.referrers) {
            self.document(document)?;
        }
        for (tag, digest) in &plan.about_tags {
            let mut all = plan.documents.iter().chain(&plan.referrers);
            if let Some(document) = all.find(|document| document.digest == *digest) {
                self.client.put_manifest(tag, &document.media_type, digest, &document.bytes)?;
            }
        }
        // Once more: it was a while ago.
        for (tag, old) in &self.tags {
            let now = self.client.tag(tag, self.document_bytes)?;
            if now != *old && now != Some(plan.root.digest) && !self.force {
                let digest = |digest: &Option<Digest>| digest.map_or("none".to_owned(), |digest| digest.to_string());
                let text = format!(
                    "the tag {tag} has moved while this ran, from {} to {}: it stays there; --force moves it to {}",
                    digest(old),
                    digest(&now),
                    plan.root.digest
                );
                return Err(Error::refused(text));
            }
        }
        for (tag, old) in &self.tags {
            if *old != Some(plan.root.digest) || self.force {
                let root = &plan.root;
                self.client.put_manifest(tag, &root.media_type, &root.digest, &root.bytes)?;
            }
        }
        Ok(())
    }

    /// Bytes that may have to be sent, of blobs that were made here.
    pub fn total(image: &Image) -> u64 {
        let new = image.blobs.values().filter(|content| !matches!(content, Content::Source(_)));
        new.map(Content::len).fold(0, u64::saturating_add)
    }

    /// Asks which blobs are there, and sends nothing.
    pub fn ask(&self, image: &Image) -> Result<()> {
        let plan = Plan::of(image, &self.tags, self.document_bytes)?;
        self.blobs(&plan, |digest, content| {
            let is_there =
                |client: &Client| -> Result<bool> { Ok(client.blob_size(digest, Scope::Pull)? == Some(content.len())) };
            if is_there(&self.client)? {
                return Ok(Upload::Present);
            }
            let is_old = matches!(content, Content::Source(_));
            for source in self.sources.iter().filter(|_| is_old) {
                if is_there(source)? {
                    return Ok(Upload::Mounted);
                }
            }
            Ok(Upload::Sent)
        })
    }

    /// Does something with every blob, several at a time.
    fn blobs(&self, plan: &Plan<'_>, each: impl Fn(&Digest, &Content) -> Result<Upload> + Sync) -> Result<()> {
        let mut queue: Vec<(&Digest, &Content)> =
            plan.blobs.iter().map(|(digest, content)| (digest, &**content)).collect();
        // The largest first, so that no long one is left to run alone at the end.
        queue.sort_by_key(|(digest, content)| (content.len(), **digest));
        let queue = Mutex::new(queue);
        let (failed, is_over) = (Mutex::new(None), AtomicBool::new(false));
        let work = || {
            while !is_over.load(Ordering::Relaxed) {
                let Some((digest, content)) = lock(&queue).pop() else { return };
                match each(digest, content) {
                    Ok(upload) => self.count(upload, content.len()),
                    Err(error) => {
                        is_over.store(true, Ordering::Relaxed);
                        lock(&failed).get_or_insert(error.in_blob(digest));
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.client.jobs() {
                // Where there can be no threads, this one does it all.
                let _ = start(scope, "upload", work);
            }
            work();
        });
        let failed = lock(&failed).take();
        failed.map_or(Ok(()), Err)
    }

    fn count(&self, upload: Upload, len: u64) {
        let mut sent = lock(&self.sent);
        match upload {
            Upload::Present => sent.present += 1,
            Upload::Mounted => sent.mounted += 1,
            Upload::Sent => {
                sent.sent += 1;
                sent.sent_bytes = sent.sent_bytes.saturating_add(len);
            }
        }
    }

    fn send(&self, digest: &Digest, content: &Content, pool: &Pool) -> Result<Upload> {
        pool.check()?;
        let is_new = !matches!(content, Content::Source(_));
        if self.client.blob_size(digest, Scope::Push)? == Some(content.len()) {
            if is_new {
                pool.add_bytes_read(content.len());
            }
            return Ok(Upload::Present);
        }
        if matches!(content, Content::Source(_)) {
            for source in &self.sources {
                if self.client.mount(digest, source.repository())? {
                    return Ok(Upload::Mounted);
                }
            }
        }
        let open = || -> Result<Box<dyn Read>> {
            let inner: Box<dyn Read> = match content {
                Content::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
                Content::Spool(extent) => Box::new(extent.reader()?),
                // What comes from the source is verified as it goes by, before its last block is sent.
                Content::Source(extent) => {
                    Box::new(Ahead::new(extent.verified_reader(Expected::new(*digest, extent.len()))?))
                }
            };
            Ok(Box::new(Watched { inner, pool: pool.clone(), is_counted: is_new }))
        };
        self.client.upload(digest, content.len(), &open)?;
        Ok(Upload::Sent)
    }

    fn document(&self, document: &Document) -> Result<()> {
        let reference = document.digest.to_string();
        let knows_subject =
            self.client.put_manifest(&reference, &document.media_type, &document.digest, &document.bytes)?;
        match &document.subject {
            Some(subject) if !knows_subject => {
                self.client.add_referrer(subject, &document.as_referrer(), self.document_bytes)
            }
            _ => Ok(()),
        }
    }
}

/// Ends with an error once the run is to stop, and counts what goes by.
struct Watched {
    inner: Box<dyn Read>,
    pool: Pool,
    is_counted: bool,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pool.check()?;
        let count = self.inner.read(buffer)?;
        if self.is_counted {
            self.pool.add_bytes_read(count as u64);
        }
        Ok(count)
    }
}
