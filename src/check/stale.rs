//! Do copies of mtimes still match? Python bytecode, caches of fontconfig and bootsnap's compile cache hold the mtime
//! of the file that they were made from. If it differs, the program makes them again; if it is the same by mistake, the
//! program uses old content.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::Source as Carrier;
use crate::context::{RunContext, RunSettings, new_blobs, run_setters};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::layers::LayerId;
use crate::image::{ImageSet, Select};
use crate::layer::{LayerExpected, scan_hashed_notes};
use crate::platform::Platform;
use crate::repair::notes::Notes;
use crate::store::location::Location;
use crate::store::open::Source;

pub use crate::repair::copies::CopyKind;
pub use crate::repair::survey::{CopyCounts, CopyFault, FaultyCopy, Survey};

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// So many faulty copies of an image are listed; more are counted.
const LISTED_MAX: usize = 100_000;

/// What was found of copies of mtimes. The JSON form is stable: fields are added, never renamed or removed, while `schema`
/// is 1.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What was looked at.
    pub source: Carrier,
    /// Every image.
    pub images: Vec<ImageSurvey>,
}

/// What an image has of them.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ImageSurvey {
    /// Its names.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Its manifest, where there is one.
    pub manifest: Option<Digest>,
    /// Its config, whose digest Docker calls the image ID.
    pub config: Digest,
    /// What was found.
    #[serde(flatten)]
    pub survey: Survey,
    /// Layers that were not looked into: their blobs are not in the image, or are no tar that restamp reads.
    pub unread: Vec<String>,
}

impl Report {
    /// How many copies have something wrong with them, in all images.
    pub fn faulty(&self) -> u64 {
        self.images.iter().map(|image| image.survey.faulty()).sum()
    }
}

/// Counts and lists copies of mtimes that are stale, or taken for up to date by mistake.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct StaleCheck {
    select: Select,
    run: RunSettings,
}

impl StaleCheck {
    /// Looks at all images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks only at images of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.select.platform = Some(platform);
        self
    }

    run_setters!();

    /// Looks at the images of a source. Every layer is read and verified.
    ///
    /// # Errors
    ///
    /// If there is no image, it can't be read, or is not what its digests say.
    pub fn run(&self, location: &Location) -> Result<Report> {
        let context = self.run.context(None)?;
        let source = Source::open(location, &context)?;
        self.run_on(&source, location.reference.as_deref())
    }

    /// The same for an open image, such as one in your own [`BlobStore`](crate::BlobStore).
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_on(&self, source: &Source, reference: Option<&str>) -> Result<Report> {
        let select = Select { reference: reference.map(str::to_owned), ..self.select.clone() };
        look_at(source, &select, &self.run.context(None)?).map_err(|e| e.in_file(source.name()))
    }
}

fn look_at(source: &Source, select: &Select, context: &RunContext) -> Result<Report> {
    let mut set = ImageSet::load(source)?.sound()?;
    set.select(select)?;
    set.documents.something_here(|digest| set.keeps(digest))?;
    let mut tasks = BTreeMap::new();
    for (id, diff_id) in set.images.iter().flat_map(|image| &image.layers) {
        let layer = set.layer(*id);
        if layer.kind.is_tar()
            && let Some(extent) = set.extent(layer)?
        {
            let expect = LayerExpected { digest: layer.digest, size: layer.size, diff_id: Some(*diff_id) };
            tasks.insert((*id, *diff_id), (extent, expect, layer.name()));
        }
    }
    let tasks: Vec<_> = tasks.into_iter().collect();
    let sizes = tasks.iter().map(|(_, (extent, ..))| extent.len());
    context.progress.set_total(sizes.fold(0, u64::saturating_add));
    let blobs = new_blobs(&context.spools);
    let noted = context.pool.each(&tasks, |(key, (extent, expect, place)), batch| {
        let notes = scan_hashed_notes(extent, expect, batch, &blobs);
        notes.map(|notes| (*key, notes)).map_err(|e: Error| e.in_blob(place))
    })?;
    let notes: BTreeMap<(LayerId, Digest), Notes> = noted.into_iter().collect();
    let none = Notes::default();
    let mut images = Vec::new();
    for image in &set.images {
        let of_layers: Vec<&Notes> = image.layers.iter().map(|key| notes.get(key).unwrap_or(&none)).collect();
        let unread = image.layers.iter().filter(|key| !notes.contains_key(key)).map(|(id, _)| set.layer(*id).name());
        images.push(ImageSurvey {
            names: image.names.clone(),
            platform: image.platform(),
            manifest: image.manifest,
            config: image.config_digest,
            survey: Survey::of(&of_layers, LISTED_MAX)?,
            unread: unread.collect(),
        });
    }
    let source = Carrier { name: source.name().to_owned(), kind: source.carrier() };
    Ok(Report { schema: SCHEMA, source, images })
}
