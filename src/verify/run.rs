//! Reading the image, and counting.

use super::Report;
use super::collect::{Bundles, collect};
use super::count::Count;
use crate::context::{RunContext, RunSettings, run_setters};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::stabilizer::{StabilizedImage, stabilize};
use crate::store::location::Location;
use crate::store::open::Source;
use crate::trust::Trust;

/// Says whether enough of those who are trusted have reproduced an image.
#[derive(Debug, Clone)]
#[must_use]
pub struct Verify {
    trust: Trust,
    from: Vec<Bundles>,
    platform: Option<Platform>,
    at: Option<i64>,
    run: RunSettings,
}

impl Verify {
    /// By what this file says.
    pub fn new(trust: Trust) -> Self {
        Self { trust, from: Vec::new(), platform: None, at: None, run: RunSettings::default() }
    }

    /// Reads bundles from there. May be called more than once; by default, those that are attached to the image are read.
    pub fn from(mut self, bundles: Bundles) -> Self {
        self.from.push(bundles);
        self
    }

    /// Only the image of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// The time of today, in seconds since 1970: statements may be too old, or not yet made.
    pub fn at(mut self, seconds: i64) -> Self {
        self.at = Some(seconds);
        self
    }

    run_setters!();

    /// Verifies an image.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is not what its digests say; if it has no manifest that a statement could be about; if a place of
    /// bundles can't be read. A bundle that is none is no error, but ignored.
    pub fn run(&self, target: &Location) -> Result<Report> {
        let context = self.run.context(None)?;
        let source = Source::open(target, &context)?;
        self.verify(&source, target, &context).map_err(|e| e.in_file(source.name()))
    }

    fn verify(&self, source: &Source, target: &Location, context: &RunContext) -> Result<Report> {
        let images = stabilize(source, target.reference.as_deref(), self.platform.as_ref(), context)?;
        let mut subjects: Vec<(Digest, &StabilizedImage)> = Vec::new();
        for image in &images {
            let digest = image.manifest.ok_or_else(|| {
                let text = "it has no manifest whose digest a statement could be about, as docker save wrote it before \
                            version 25";
                Error::refused(text)
            })?;
            subjects.push((digest, image));
        }
        let digests: Vec<Digest> = subjects.iter().map(|(digest, _)| *digest).collect();
        let own = [Bundles::AttachedTo(target.clone())];
        let places = if self.from.is_empty() { &own[..] } else { &self.from };
        let mut count = Count::new(&subjects, &self.trust);
        collect(places, &digests, (source, target), context, &mut |found| count.add(found))?;
        let tally = count.finish(self.at);
        let require = &self.trust.require;
        Ok(Report {
            target: source.name().to_owned(),
            threshold: require.threshold,
            operators: self.trust.operators().len(),
            accept: require.accept.clone(),
            no_dissent: require.no_dissent,
            policy: self.trust.digest(),
            unused_max_age: require.max_age.filter(|_| self.at.is_none()),
            images: tally.images,
            ignored: tally.ignored,
            not_listed: tally.not_listed,
        })
    }
}
