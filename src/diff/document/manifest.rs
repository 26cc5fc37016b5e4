//! The manifests of two images, whose layers are paired already.

use crate::diff::document::compared::{ComparedDocument, both_arrays, digest_of, is_consequence, lists};
use crate::diff::document::path::JsonPath;
use crate::diff::document::path::Step::Key;
use crate::diff::document::times::Document;
use crate::diff::document::value::{Compared, compare, documents, elements};
use crate::diff::findings::Findings;
use crate::diff::model::{Part, Place};
use crate::diff::pair::align::Pair;
use crate::diff::view::{Image, View};
use crate::document::descriptor::{UNCOMPRESSED, describes_layer_bytes};
use crate::document::json::{Json, Value as JsonValue};
use crate::error::Result;
use crate::media_type::LayerType;

/// Compares the manifests of two images whose layers are paired as `pairs` says.
pub(crate) fn manifests(
    findings: &mut Findings,
    label: &str,
    views: [&View<'_>; 2],
    images: [&Image; 2],
    pairs: &[Pair],
) -> Result<()> {
    let ([Some(digest_a), Some(digest_b)], false) =
        (images.map(|image| image.manifest), images[0].manifest == images[1].manifest)
    else {
        return Ok(());
    };
    let (a, b) = (views[0].document(Some(&digest_a)), views[1].document(Some(&digest_b)));
    if a == b {
        return Ok(());
    }
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let roots = [json_a.root(), json_b.root()];
    let digests = [Some(digest_a), Some(digest_b)];
    let place = findings.place(Place { image: label.to_owned(), part: Part::Manifest, digests, about: String::new() });
    let mut compared = Compared::default();
    let part = |key: &str| match roots.map(|root| root.get_some(key)) {
        [Some(x), Some(y)] => Some([x, y]),
        _ => None,
    };
    // What a manifest is about is compared only where it is in both sources, as a pair.
    let config = part("config");
    let about = part("subject").filter(|both| findings.are_counterparts(both.map(digest_of)));
    let skip = |path: &JsonPath, values: [Option<JsonValue<'_>>; 2]| match path.steps().as_slice() {
        [Key("layers")] => both_arrays(values).is_some(),
        [Key("config"), within @ ..] => config.is_some_and(|both| is_consequence(both, within)),
        [Key("subject"), within @ ..] => about.is_some_and(|both| is_consequence(both, within)),
        _ => false,
    };
    documents(&json_a, &json_b, &skip, &mut compared);
    if let Some([x, y]) = lists(roots, &["layers"]) {
        // One without a counterpart is reported with the layers.
        let both: Vec<Pair> = pairs.iter().filter(|pair| pair.0.is_some() && pair.1.is_some()).copied().collect();
        // Each pair is compared below; here only the bytes between them are.
        let path = JsonPath::root().key("layers");
        elements(x, y, &both, &path, &|_, _| true, &mut compared);
        let (left, right): (Vec<_>, Vec<_>) = (x.elements().collect(), y.elements().collect());
        for (i, j) in &both {
            let (Some(x), Some(y)) = (i.and_then(|i| left.get(i)), j.and_then(|j| right.get(j))) else { continue };
            layer(*x, *y, &path.index(i.or(*j).unwrap_or(0)), &mut compared);
        }
    }
    ComparedDocument { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    Ok(())
}

/// The descriptors of two layers that are each other's.
fn layer<'j>(a: JsonValue<'j>, b: JsonValue<'j>, path: &JsonPath, compared: &mut Compared<'j>) {
    let family = |value: JsonValue<'j>| {
        let text = value.get("mediaType").and_then(JsonValue::as_str);
        text.and_then(|text| LayerType::parse(&text)).map(|kind| (kind.family, kind.foreign))
    };
    // The other half of the media type follows from the compression, which is compared itself.
    let same_family = family(a).is_some() && family(a) == family(b);
    let skip = |member: &JsonPath, _: [Option<JsonValue<'_>>; 2]| match member.steps().as_slice() {
        [_, _, Key("annotations"), Key(key)] => describes_layer_bytes(key) || *key == UNCOMPRESSED,
        [_, _, Key("mediaType")] => same_family,
        [_, _, within @ ..] => is_consequence([a, b], within),
        _ => false,
    };
    compare(a, b, path, &skip, compared);
}
