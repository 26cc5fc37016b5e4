//! The stabilized digest of an image: that of its manifest after its times were set by a profile that everybody has.
//!
//! It depends on the image alone, so that those who build an image again agree on it without having talked to each other.
//! The profile is a text in the program; its digest is part of each statement, so that a profile which has changed is another
//! one.

use crate::context::RunContext;
use crate::digest::Digest;
use crate::error::{Error, Result, quoted};
use crate::image::unjudged::none_unjudged;
use crate::image::{ImageSet, Select};
use crate::media_type::Compression;
use crate::platform::Platform;
use crate::rewrite::{Attestations, Repair, Rewrite, Signatures};
use crate::stamp::{Epoch, Stamp};
use crate::store::location::Carrier;
use crate::store::open::Source;

/// What identifies the profile.
pub const URI: &str = "https://restamp.dev/stabilizer/v1";
/// The profile.
pub const PROFILE: &str = include_str!("profile-v1.txt");
/// What it does, as options of `restamp rewrite`.
pub const OPTIONS: [&str; 10] =
    ["--epoch", "0", "--compression", "none", "--repair", "copies", "--attestations", "drop", "--signatures", "drop"];

/// The digest of the profile's text.
pub fn digest() -> Digest {
    Digest::sha256(PROFILE.as_bytes())
}

/// An image, and what the profile makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StabilizedImage {
    /// What it is called where it is.
    pub names: Vec<String>,
    /// What it is for, as its config has it; a variant that goes without saying is left out.
    pub platform: Platform,
    /// The digest of its manifest; an archive of `docker save` need not have one.
    pub manifest: Option<Digest>,
    /// The digest of its config.
    pub config: Digest,
    /// The digest of the manifest that the profile makes.
    pub stabilized: Digest,
}

/// The images of a source, each once, with their stabilized digests. All that is read is verified.
///
/// # Errors
///
/// If an image can't be read, is not what its digests say, or can't be rewritten.
pub fn stabilize(
    source: &Source,
    reference: Option<&str>,
    platform: Option<&Platform>,
    context: &RunContext,
) -> Result<Vec<StabilizedImage>> {
    let mut rewrite = Rewrite::new(Stamp::set(Epoch::from_seconds(0)?))
        .compression(Compression::None)
        .repair(Repair { copies: true, ..Repair::NONE })
        .attestations(Attestations::Drop)
        .signatures(Signatures::Drop)
        .with_context(context);
    if let Some(platform) = platform {
        rewrite = rewrite.platform(platform.clone());
    }
    let mut report = rewrite.digests(source, reference, source.carrier())?;
    // An untagged image that only manifest.json lists has no manifest in such an archive.
    if report.images.iter().any(|image| image.manifest.is_none()) {
        report = rewrite.digests(source, reference, Carrier::OciArchive)?;
    }
    let mut images: Vec<StabilizedImage> = Vec::new();
    for image in report.images {
        let manifest = image.manifest.ok_or_else(|| Error::missing("manifest").in_blob(image.config.old))?;
        let known = images.iter_mut().find(|known| known.stabilized == manifest.new && known.manifest == manifest.old);
        match known {
            Some(known) => known.names.extend(image.names),
            None => images.push(StabilizedImage {
                names: image.names,
                platform: image.platform.normalized(),
                manifest: manifest.old,
                config: image.config.old,
                stabilized: manifest.new,
            }),
        }
    }
    all_judged(source, reference, platform, &images)?;
    Ok(images)
}

/// Succeeds if nothing that could be run by this name is missing among these images.
fn all_judged(
    source: &Source,
    reference: Option<&str>,
    platform: Option<&Platform>,
    images: &[StabilizedImage],
) -> Result<()> {
    let is_odd = |image: &&StabilizedImage| !image.platform.is_nothing() && !image.platform.is_canonical();
    if let Some(image) = images.iter().find(is_odd) {
        let platform = quoted(image.platform.to_string().as_bytes());
        let text = format!("its config names the platform {platform}, which tools read in several ways");
        return Err(Error::refused(text).in_blob(image.manifest.unwrap_or(image.config)));
    }
    let mut set = ImageSet::load(source)?;
    set.select(&Select { reference: reference.map(str::to_owned), platform: None })?;
    none_unjudged(&set, &images.iter().filter_map(|image| image.manifest).collect(), platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_the_one_that_statements_were_issued_with() {
        // A change of one byte is another profile: statements that name this digest would not count any more.
        assert!(PROFILE.contains(URI) && PROFILE.contains(&OPTIONS.join(" ")));
    }
}
