//! Images put together from all that lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::archive::ArchiveImage;
use super::by_platform;
use super::documents::{Capped, Documents};
use super::layers::Gathered;
use super::listing::{Listed, NamesOf, listed};
use super::select::Select;
use super::selection::Selection;
use super::{Image, ImageSet};
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::error::Result;
use crate::store::open::Source;

impl<'s> ImageSet<'s> {
    /// Reads all documents of a source. What is wrong with them is in the set; no image is listed in it before
    /// [`select`](Self::select).
    ///
    /// # Errors
    ///
    /// If there is no document that lists images, or more than the limits allow.
    pub fn load(source: &'s Source) -> Result<Self> {
        let documents = Documents::load(source)?;
        let mut problems = Capped::new(source.limits().problems);
        let archive = ArchiveImage::collect(source, &documents, &mut problems)?;
        let (layers, images, selection) = (Vec::new(), Vec::new(), Selection::default());
        Ok(Self { source, documents, archive, layers, images, selection, problems })
    }

    /// The same, of an image in which the labels and annotations of these keys hold times as well.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn load_with(source: &'s Source, keys: &TimeKeys) -> Result<Self> {
        let mut set = Self::load(source)?;
        set.documents.know_time_keys(keys).map_err(|e| e.in_file(source.name()))?;
        Ok(set)
    }

    /// The set, if nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn sound(mut self) -> Result<Self> {
        self.documents.check()?;
        if self.problems.list.is_empty() { Ok(self) } else { Err(self.problems.list.swap_remove(0)) }
    }

    /// Leaves out what is not asked for, and lists the images that stay.
    ///
    /// # Errors
    ///
    /// If nothing is of the name or platform that is asked for.
    pub fn select(&mut self, select: &Select) -> Result<()> {
        self.select_and(select, |_| Ok(()))
    }

    /// The same, with what else `leave_out` does not want, before what is about it goes too.
    ///
    /// # Errors
    ///
    /// If nothing is of the name or platform that is asked for, or `leave_out` fails.
    pub fn select_and(&mut self, select: &Select, leave_out: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.selection = Selection::wanted(&self.documents, &self.archive, select)?;
        leave_out(self)?;
        self.selection.referrers(&self.documents);
        self.selection.of_archive(&self.documents, select, &mut self.archive)?;
        self.list()
    }

    /// Leaves out what is about something that was left out since.
    pub fn leave_out_referrers(&mut self) {
        self.selection.referrers(&self.documents);
    }

    /// Succeeds if a list of images has one that stays, or none was asked for.
    ///
    /// # Errors
    ///
    /// That there is none, and which there are.
    pub fn check_listed(&self, select: &Select) -> Result<()> {
        let is_asked = select.reference.is_some() || select.platform.is_some();
        if !is_asked || self.images.iter().any(Image::is_listed) {
            return Ok(());
        }
        let (reference, platform) = (select.reference.as_deref(), select.platform.as_ref());
        Err(by_platform::nothing_left(&self.documents, &self.archive, reference, platform))
    }

    /// Does a document or blob stay?
    pub fn keeps(&self, digest: &Digest) -> bool {
        self.selection.keeps(digest)
    }

    /// The names that `index.json` gives every manifest that it leads to, of images that were left out as well.
    ///
    /// # Errors
    ///
    /// If there are more than the limits allow.
    pub fn all_names(&self) -> Result<BTreeMap<Digest, Vec<&str>>> {
        let all = listed(&self.documents, &Selection::default(), NamesOf::Roots)?;
        Ok(all.into_iter().map(|listed| (listed.digest, listed.names)).collect())
    }

    fn list(&mut self) -> Result<()> {
        let mut layers = Gathered::default();
        let mut images = images(&self.documents, &self.selection, &mut layers)?;
        // The first image with a config, and whether an index lists one.
        let mut known: BTreeMap<Digest, (usize, bool)> = BTreeMap::new();
        for (number, image) in images.iter().enumerate() {
            known.entry(image.config_digest).or_insert((number, false)).1 |= image.is_listed();
        }
        for (number, image) in self.archive.iter_mut().enumerate() {
            let own = known.get(&image.id).and_then(|(number, _)| images.get(*number)).map(|image| &image.layers);
            let own = |number: usize| own?.get(number).map(|(id, _)| *id);
            let ids = image.files.iter().enumerate().map(|(number, file)| layers.file(file, own(number)));
            image.layers = ids.zip(image.config.diff_ids.iter().copied()).collect();
            if !known.get(&image.id).is_some_and(|(_, is_listed)| *is_listed) {
                images.push(Image {
                    names: image.entry.repo_tags.clone(),
                    manifest: None,
                    links: Vec::new(),
                    archive_entry: Some(number),
                    config_digest: image.id,
                    config: Arc::clone(&image.config),
                    layers: image.layers.clone(),
                });
            }
        }
        (self.layers, self.images) = (layers.layers, images);
        Ok(())
    }
}

/// The images of documents: those that are listed, then those that only a subject leads to.
fn images(documents: &Documents, selection: &Selection, layers: &mut Gathered) -> Result<Vec<Image>> {
    let mut all = listed(documents, selection, NamesOf::Images)?;
    let known: BTreeSet<Digest> = all.iter().map(|listed| listed.digest).collect();
    let others = documents.images().map(|(digest, _)| *digest).filter(|digest| selection.keeps(digest));
    let others = others.filter(|digest| !known.contains(digest));
    all.extend(others.map(|digest| Listed { digest, names: Vec::new(), links: Vec::new() }));
    let mut images = Vec::with_capacity(all.len());
    for Listed { digest, names, links } in all {
        let Some(manifest) = documents.manifest(&digest) else { continue };
        let (Some(config), Some(descriptor)) = (&manifest.image, &manifest.config) else { continue };
        let mut own = Vec::with_capacity(manifest.layers.len());
        for (number, (layer, diff_id)) in manifest.layers.iter().zip(&config.diff_ids).enumerate() {
            own.push((layers.described(digest, number, layer), *diff_id));
        }
        images.push(Image {
            names: names.into_iter().map(str::to_owned).collect(),
            manifest: Some(digest),
            links,
            archive_entry: None,
            config_digest: descriptor.digest,
            config: Arc::clone(config),
            layers: own,
        });
    }
    Ok(images)
}
