//! What `manifest.json` lists, and what built the images: of whole sources.

use std::collections::HashMap;

use crate::causes::Class;
use crate::diff::document::builders::builder;
use crate::diff::layer::compare::Comparison;
use crate::diff::model::{Difference, Role};
use crate::diff::view::Image;
use crate::digest::Digest;
use crate::error::Result;

impl Comparison<'_> {
    /// Notes what built the images, and whether all of them are the same.
    pub(crate) fn note_images(&mut self, pairs: &[[Option<&Image>; 2]]) -> Result<()> {
        let overview = &mut self.findings.overview;
        overview.same_manifests = true;
        let has_archives = self.views.iter().all(|view| !view.set.archive.is_empty());
        for pair in pairs {
            let [Some(x), Some(y)] = pair else {
                overview.same_manifests = false;
                continue;
            };
            overview.same_manifests &= x.manifest.is_some() && x.manifest == y.manifest;
            if x.config_digest != y.config_digest {
                let builders = [builder(&x.config.bytes)?, builder(&y.config.bytes)?];
                if overview.builders.last() != Some(&builders) {
                    overview.builders.push(builders);
                }
            }
            if has_archives {
                self.configs.insert(x.config_digest, y.config_digest);
            }
        }
        Ok(())
    }

    /// Compares the order in which both archives list the images that both have.
    pub(crate) fn archive_order(&mut self) {
        let [a, b] = self.views.map(|view| {
            let all = view.set.archive.iter().map(|image| image.id);
            all.collect::<Vec<Digest>>()
        });
        let left: Vec<Digest> = a.iter().filter_map(|id| self.configs.get(id)).copied().collect();
        // An image may be listed more than once, under several names.
        let count = |list: &[Digest]| {
            let mut counts: HashMap<Digest, usize> = HashMap::new();
            list.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
            counts
        };
        if left != b && left.len() == a.len() && count(&left) == count(&b) {
            let place = self.index_place();
            let difference = Difference::new(Class::Order, place, "manifest.json", [None, None]);
            self.findings.push(difference.note("the same images in another order").role(Role::ListOrder));
        }
    }
}
