//! The manifests of two images, whose layers are paired already.

use crate::diff::document::subject::{Subject, both_arrays, digest_of, is_consequence, lists};
use crate::diff::document::times::Document;
use crate::diff::document::value::{Compared, compare, documents, elements};
use crate::diff::model::{Findings, Part, Place};
use crate::diff::pair::align::Pair;
use crate::diff::view::{Image, View};
use crate::document::descriptor::{UNCOMPRESSED, describes_layer_bytes};
use crate::document::json::{Json, Value as JsonValue, element_path};
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
    let about = part("subject").filter(|both| findings.are_partners(both.map(digest_of)));
    let told = |path: &str, values: [Option<JsonValue<'_>>; 2]| {
        path == "layers" && both_arrays(values).is_some()
            || config.is_some_and(|both| is_consequence("config", both, path))
            || about.is_some_and(|both| is_consequence("subject", both, path))
    };
    documents(&json_a, &json_b, &told, &mut compared);
    if let Some([x, y]) = lists(roots, &["layers"]) {
        // One without a counterpart is told by the layers.
        let both: Vec<Pair> = pairs.iter().filter(|pair| pair.0.is_some() && pair.1.is_some()).copied().collect();
        // Here one by one; what stands between them is compared with all of them passed over.
        elements(x, y, &both, "layers", &|_, _| true, &mut compared);
        let (left, right): (Vec<_>, Vec<_>) = (x.elements().collect(), y.elements().collect());
        for (i, j) in &both {
            let (Some(x), Some(y)) = (i.and_then(|i| left.get(i)), j.and_then(|j| right.get(j))) else { continue };
            layer(*x, *y, &element_path("layers", i.or(*j).unwrap_or(0)), &mut compared);
        }
    }
    Subject { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    Ok(())
}

/// The descriptors of two layers that are each other's.
fn layer<'j>(a: JsonValue<'j>, b: JsonValue<'j>, path: &str, compared: &mut Compared<'j>) {
    let of_bytes = |member: &str| {
        let key = member.strip_prefix(path).and_then(|rest| rest.strip_prefix(".annotations"));
        let key = key.map(|key| key.trim_matches(|c| matches!(c, '[' | ']' | '"' | '.')));
        key.is_some_and(|key| describes_layer_bytes(key) || key == UNCOMPRESSED)
    };
    let media_type = format!("{path}.mediaType");
    let family = |value: JsonValue<'j>| {
        let text = value.get("mediaType").and_then(JsonValue::as_str);
        text.and_then(|text| LayerType::parse(&text)).map(|kind| (kind.family, kind.foreign))
    };
    // The other half of the media type follows from the compression, which is compared itself.
    let same_family = family(a).is_some() && family(a) == family(b);
    let told = |member: &str, _: [Option<JsonValue<'_>>; 2]| {
        is_consequence(path, [a, b], member) || of_bytes(member) || same_family && member == media_type
    };
    compare(a, b, path, &told, compared);
}
