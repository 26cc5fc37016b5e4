//! Files among logs and caches that may run all the same: configs, and links in any layer, lead to them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::causes::Class;
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::path::normal;
use crate::diff::layer::plan::expected;
use crate::diff::layer::programs::{LinksIn, Reached};
use crate::diff::model::{Difference, Rank, Role};
use crate::diff::view::{Image, Layer};
use crate::digest::Digest;
use crate::error::Result;
use crate::layer::{self, Event, Pool};

impl Comparison<'_> {
    /// Notes which of the differences found since then count less for the place of a file alone.
    pub(crate) fn note_idle(&mut self, place: usize, since: usize) {
        let found = self.findings.differences.iter().enumerate().skip(since);
        let idle = found.filter(|(_, difference)| is_idle(difference)).map(|(number, _)| number);
        self.idle.entry(place).or_default().extend(idle);
    }

    /// Makes content of what may run in one of these images; their differences are in these places.
    pub(crate) fn raise(&mut self, images: [&Image; 2], places: &[usize]) -> Result<()> {
        if places.iter().all(|place| self.idle.get(place).is_none_or(Vec::is_empty)) {
            return Ok(());
        }
        self.read_links(images)?;
        let layers = images.into_iter().flat_map(|image| &image.layers);
        let links: Vec<Arc<LinksIn>> =
            layers.filter_map(|layer| self.links.get(&layer.diff_id)).map(Arc::clone).collect();
        self.raise_by(images, places, links.iter().map(|links| &**links))
    }

    /// The same, with the links that lead to idle places.
    pub(crate) fn raise_by<'l>(
        &mut self,
        images: [&Image; 2],
        places: &[usize],
        links: impl IntoIterator<Item = &'l LinksIn>,
    ) -> Result<()> {
        let reached = Reached::new(images.map(|image| image.config.bytes.as_slice()), links)?;
        for number in places.iter().filter_map(|place| self.idle.get(place)).flatten() {
            let Some(difference) = self.findings.differences.get_mut(*number) else { continue };
            let is_reached = reached.has(difference.outer_path())
                || difference.role == Role::Data && reached.names(difference.outer_path());
            if is_idle(difference) && is_reached {
                difference.class = Class::Content;
                difference.rank = difference.rank.min(Rank::Program);
            }
        }
        Ok(())
    }

    /// Reads the links of all layers that were not read before: those that both images have, too.
    fn read_links(&mut self, images: [&Image; 2]) -> Result<()> {
        let mut known = HashSet::new();
        let layers =
            images.into_iter().enumerate().flat_map(|(side, image)| image.layers.iter().map(move |l| (side, l)));
        let unread = layers.filter(|(_, layer)| layer.is_tar && layer.extent.is_some());
        let unread: Vec<(usize, &Layer)> = unread
            .filter(|(_, layer)| !self.links.contains_key(&layer.diff_id) && known.insert(layer.diff_id))
            .collect();
        let read = self.pool.each(&unread, |(side, layer), batch| self.links_of(*side, layer, batch))?;
        let read = unread.iter().map(|(_, layer)| layer.diff_id).zip(read);
        let read: Vec<(Digest, Arc<LinksIn>)> = read.map(|(id, links)| (id, Arc::new(links))).collect();
        self.links.extend(read);
        Ok(())
    }

    fn links_of(&self, side: usize, layer: &Layer, pool: &Pool) -> Result<LinksIn> {
        let mut links = LinksIn::default();
        let Some(extent) = &layer.extent else { return Ok(links) };
        let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        let scanned = layer::scan(extent, &expected(layer), pool, &mut |event| {
            if let Event::Entry(entry) = event {
                links.add(entry.kind(), &normal(&entry.name()), entry.link_name());
            }
            Ok(())
        });
        scanned.map_err(|e| e.in_blob(layer.digest.unwrap_or(layer.diff_id)).in_file(name))?;
        Ok(links)
    }
}

fn is_idle(difference: &Difference) -> bool {
    match difference.class {
        Class::PackageDb | Class::LogOrCache => !difference.path.is_empty(),
        // A text without a mode or a name that says so may be run by an interpreter all the same.
        Class::EmbeddedTime | Class::Order | Class::Format => {
            difference.role == Role::Data && difference.archives.is_empty()
        }
        _ => false,
    }
}
