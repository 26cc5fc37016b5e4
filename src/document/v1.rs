//! The `<id>/json` files that `docker save` wrote for each layer before Docker 25 (moby, image/spec/v1.md).
//!
//! No loader since Docker 1.10 reads them, but they say when the image was made.

use super::commands::{Commands, OldTimes, command_sites};
use super::config::image_sites;
use super::descriptor::text;
use super::json::Json;
use super::times::{Site, TimeKeys, TimeSite};
use crate::error::Result;

/// A parsed v1 file.
#[derive(Debug)]
pub struct V1<'a> {
    json: Json<'a>,
    keys: TimeKeys,
}

impl<'a> V1<'a> {
    /// Parses a v1 file.
    ///
    /// # Errors
    ///
    /// It is no JSON object.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let json = Json::parse(bytes)?;
        json.root_object("v1 image")?;
        Ok(Self { json, keys: TimeKeys::default() })
    }

    /// The labels of these keys hold times as well.
    #[must_use]
    pub fn with_time_keys(mut self, keys: &TimeKeys) -> Self {
        self.keys = keys.clone();
        self
    }

    /// Its ID, which is the name of its folder.
    pub fn id(&self) -> Option<String> {
        text(self.json.root(), "id")
    }

    /// The ID of the layer below.
    pub fn parent(&self) -> Option<String> {
        text(self.json.root(), "parent")
    }

    /// Every place that holds a time.
    pub fn times(&self) -> Vec<TimeSite> {
        self.sites().iter().map(Site::public).collect()
    }

    fn sites(&self) -> Vec<Site<'_>> {
        let root = self.json.root();
        let mut sites = image_sites(root, &self.keys);
        command_sites(root, &Commands::of(root, &self.keys, &OldTimes::default()), 0, &mut sites);
        sites
    }
}
