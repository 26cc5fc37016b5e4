use std::sync::Arc;

use super::findings::{Findings, List};
use super::report::{Finding, Kind, Level, MAX_FINDINGS, Place, What};

fn place(name: &str) -> Arc<Place> {
    Arc::new(Place { what: What::Layer, name: name.to_owned(), of: String::new() })
}

fn list(place: &Arc<Place>, count: usize, limit: usize) -> List {
    let mut list = List::default();
    for number in 0..count {
        list.push_with(Level::Finding, Kind::Time, limit, || Finding::new(place, Kind::Time, number.to_string()));
    }
    list
}

#[test]
fn what_is_not_kept_is_counted() {
    let layer = place("layer");
    let mut full = list(&layer, 10, 4);
    assert_eq!((full.list.len(), full.total.findings, full.total.times, full.total.not_listed), (4, 10, 10, 6));
    // A fault is kept however many timestamps there are.
    full.push(Finding::new(&layer, Kind::Digest, "x"));
    assert_eq!((full.list.len(), full.total.findings, full.total.times, full.total.not_listed), (5, 11, 10, 6));
    full.trim(2);
    assert_eq!((full.list.len(), full.total.findings, full.total.not_listed), (2, 11, 9));
    let kinds: Vec<Kind> = full.list.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Time, Kind::Digest]);
}

#[test]
fn findings_come_in_the_order_of_their_places_and_end_at_the_limit() {
    let mut findings = Findings::default();
    let first = findings.place(What::Index, "index.json", "");
    let second = findings.place(What::Layer, "layer", "of an image");
    assert_eq!(findings.place(What::Blob, "layer", "named once more"), second);
    findings.append(list(&second, MAX_FINDINGS, MAX_FINDINGS));
    findings.fault(&second, Kind::Annotation, "", "stale");
    findings.fault(&first, Kind::Tag, "manifests[0]", "is there twice");
    let (found, total) = findings.finish();
    assert_eq!((found.len(), total.findings, total.not_listed), (MAX_FINDINGS, MAX_FINDINGS as u64 + 2, 2));
    assert_eq!(
        [&found[0], &found[1], &found[2]].map(|finding| finding.kind),
        [Kind::Tag, Kind::Annotation, Kind::Time]
    );

    let mut findings = Findings::default();
    let first = findings.place(What::Index, "index.json", "");
    let second = findings.place(What::Layer, "layer", "");
    findings.append(list(&second, 2, 2));
    findings.fault(&second, Kind::Annotation, "", "stale");
    findings.fault(&first, Kind::Tag, "manifests[0]", "is there twice");
    let (found, _) = findings.finish();
    let kinds: Vec<Kind> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Tag, Kind::Annotation, Kind::Time, Kind::Time]);
    assert_eq!(found[0].message(), "manifests[0]: is there twice");
}
