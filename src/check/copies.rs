//! Copies of mtimes that are stale because an mtime has changed: a note, since the image still works.

use super::findings::Findings;
use super::layers::Layers;
use super::report::{Kind, What};
use crate::error::{Result, thousands};
use crate::image::ImageSet;
use crate::image::layers::LayerId;
use crate::repair::notes::Notes;
use crate::repair::survey::Survey;

/// Notes for every image how many of its copies an mtime has left behind.
pub(super) fn note_left_behind(set: &ImageSet<'_>, layers: &Layers, findings: &mut Findings) -> Result<()> {
    let none = Notes::default();
    for image in &set.images {
        let of_layers = image.layers.iter().map(|(id, _)| layers.notes(&name(set, *id)).unwrap_or(&none));
        let survey = Survey::of(&of_layers.collect::<Vec<_>>(), 1)?;
        let (left, wrong) = (survey.left_behind(), survey.wrongly_fresh());
        if left + wrong == 0 {
            continue;
        }
        let place = findings.place(What::Config, &image.config_digest.to_string(), &image.names.join(", "));
        let first = survey.faults.first().map(|fault| format!(", first {}", fault.path)).unwrap_or_default();
        let text = format!(
            "{} of the copies of mtimes in files (Python bytecode, caches) are stale only because the mtime has \
             changed, {} look up to date and are not{first}: `restamp check --stale` lists them",
            thousands(left),
            thousands(wrong)
        );
        findings.note(&place, Kind::StaleCopy, "copies of mtimes", text);
    }
    Ok(())
}

/// What a layer is called here.
fn name(set: &ImageSet<'_>, id: LayerId) -> String {
    let layer = set.layer(id);
    layer.digest.map_or_else(|| layer.name(), |digest| digest.to_string())
}
