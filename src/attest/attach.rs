//! Puts signed statements beside the image that they are about: as referrers, in a layout or in a repository
//! (OCI image-spec, manifest.md; distribution-spec, "Listing Referrers").

use std::collections::BTreeMap;

use crate::context::RunContext;
use crate::document::manifest::Manifest;
use crate::document::referrer::Referrer;
use crate::document::write::NewDescriptor;
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::media_type::OCI_MANIFEST;
use crate::signing::{Bundle, bundle};
use crate::statement::Head;
use crate::store::attach;
use crate::store::location::{Carrier, Location, Where};
use crate::store::open::Source;

/// What a bundle holds: a DSSE envelope.
const CONTENT: (&str, &str) = ("dev.sigstore.bundle.content", "dsse-envelope");
/// Which kind of statement is in it.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// Attaches bundles to the image that each is about, by the names and bytes of their files. Who has signed them is not looked
/// at. How many were not there before.
///
/// # Errors
///
/// If one is no bundle, or about something else than an image that is there; if there can't be written.
pub fn attach(image: &Location, bundles: &[(String, Vec<u8>)], context: &RunContext) -> Result<usize> {
    let source = Source::open(image, context)?;
    let set = ImageSet::load(&source)?;
    let referrers: Vec<Referrer> = bundles
        .iter()
        .map(|(name, bytes)| referrer(&set, bytes).map_err(|e| e.in_file(name)))
        .collect::<Result<_>>()?;
    match (&image.place, source.carrier()) {
        (Where::Path(folder), Carrier::Oci) => attach::to_layout(folder, &referrers, &context.limits, &context.spools),
        #[cfg(feature = "registry")]
        (Where::Registry(name), _) => attach::to_registry(name, &referrers, context),
        _ => {
            let text = "nothing can be attached to an archive: name a layout in a directory (oci:DIR) or a repository";
            Err(Error::refused(text).in_file(image))
        }
    }
}

fn referrer(set: &ImageSet<'_>, file: &[u8]) -> Result<Referrer> {
    let head = Head::parse(Bundle::parse(file)?.payload())?;
    let subject = head.subject()?;
    let manifest = set
        .documents
        .manifest(&subject)
        .ok_or_else(|| Error::refused(format!("it is about {subject}, which is no image in {}", set.source.name())))?;
    let media_type = Manifest::parse(&manifest.bytes)?.media_type().unwrap_or_else(|| OCI_MANIFEST.to_owned());
    let annotations = BTreeMap::from([
        (CONTENT.0.to_owned(), CONTENT.1.to_owned()),
        (PREDICATE_TYPE.to_owned(), head.predicate_type),
    ]);
    let subject = NewDescriptor::new(media_type, subject, manifest.bytes.len() as u64);
    Referrer::new(subject, bundle::MEDIA_TYPE, file.to_vec(), annotations)
}
