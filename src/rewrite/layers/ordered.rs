//! Layers in the order of their names: sorted before they are encoded.

use std::sync::Arc;

use super::task::{self, BaseCheck, EncodeTask};
use super::{Key, Layers};
use crate::context::new_blobs;
use crate::error::Result;
use crate::layer::{self, Pool, Tree};
use crate::spool::Spools;

impl Layers {
    /// Puts the layers that are to be encoded in order, and sees which directories the others have.
    pub fn order(&mut self, pool: &Pool, spools: &Spools) -> Result<()> {
        let blobs = new_blobs(spools);
        let jobs: Vec<(Key, EncodeTask)> = std::mem::take(&mut self.jobs).into_iter().collect();
        let ordered = pool.each(&jobs, |(_, job), batch| task::ordered(job, batch, &blobs))?;
        for ((key, mut job), mut ordered) in jobs.into_iter().zip(ordered) {
            self.trees.insert(key, std::mem::take(&mut ordered.tree));
            job.spec.keep_unchanged &= !ordered.is_moved;
            job.ordered = Some(Arc::new(ordered));
            self.jobs.insert(key, job);
        }
        let kept: Vec<(&Key, &BaseCheck)> = self.base_checks.iter().filter(|(_, check)| check.is_noted).collect();
        let trees = pool.each(&kept, |(key, check), batch| {
            let tree = layer::tree(&check.extent, &check.expect, batch);
            Ok((**key, tree.map_err(|e| e.in_blob(&check.place))?))
        })?;
        self.trees.extend(trees);
        Ok(())
    }

    /// The directories of a layer, where layers are put in order and it is one whose entries are known.
    pub fn tree(&self, key: &Key) -> Option<&Tree> {
        self.trees.get(key)
    }
}
