//! What whole images have in common.

use crate::causes::Class;
use crate::diff::model::{Difference, Part, Report, Role};
use crate::diff::overview::Overview;

/// What kinds of attestations begin like.
const PROVENANCE: &str = "https://slsa.dev/provenance";
const INVENTORIES: [&str; 3] = ["https://spdx.dev/Document", "https://cyclonedx.org/bom", "https://syft.dev/bom"];

pub(super) fn sentences(report: &Report, overview: &Overview) -> Vec<String> {
    [rootfs(report, overview), attached(report, overview), list(report), builders(report, overview)]
        .into_iter()
        .flatten()
        .collect()
}

fn part<'r>(report: &'r Report, difference: &Difference) -> &'r Part {
    &report.place(difference).part
}

/// The root filesystems are the same though the layers differ.
fn rootfs(report: &Report, overview: &Overview) -> Option<String> {
    let cuts: Vec<_> = overview.cuts.iter().copied().collect::<Option<_>>()?;
    let differs = report.differences.iter().any(|one| matches!(part(report, one), Part::Layer(_)));
    if !differs || !cuts.iter().any(|cut| cut.is_cut) || report.differences.iter().any(is_lone_image) {
        return None;
    }
    let but = if cuts.iter().any(|cut| cut.times) { " except for times of files" } else { "" };
    let how = match cuts.iter().all(|cut| cut.same_files) {
        true => "the same files are split into layers in another way",
        false => {
            "the files are split into layers in another way, and differ in files that other layers replace or delete"
        }
    };
    Some(format!("the root filesystems are the same{but}: {how}; see restamp diff --rootfs A B"))
}

fn is_lone_image(difference: &Difference) -> bool {
    difference.role == Role::Image
}

/// Only what is about the images differs.
fn attached(report: &Report, overview: &Overview) -> Option<String> {
    let is_attached = |one: &&Difference| *part(report, one) == Part::Attached;
    // An index lists what is about an image, so that there may be one more on the way, and in another order.
    let is_of_index =
        |one: &Difference| *part(report, one) == Part::Index && matches!(one.class, Class::Format | Class::Order);
    let only = report.differences.iter().all(|one| is_attached(&one) || is_of_index(one));
    if !only || !overview.same_manifests || !report.differences.iter().any(|one| is_attached(&one)) {
        return None;
    }
    let kinds = || report.differences.iter().filter(is_attached).map(|one| report.place(one).about.as_str());
    let is_provenance = |kind: &str| kind.split(' ').any(|word| word.starts_with(PROVENANCE));
    let is_inventory = |kind: &str| kind.split(' ').any(|word| INVENTORIES.iter().any(|known| word.starts_with(known)));
    if !kinds().all(|kind| is_provenance(kind) || is_inventory(kind)) {
        return None;
    }
    let (what, option) = match (kinds().any(is_provenance), kinds().any(is_inventory)) {
        (true, false) => ("the provenance differs", "--provenance=false"),
        (false, _) => ("the SBOM differs", "--sbom=false"),
        (true, true) => ("provenance and SBOM differ", "--provenance=false --sbom=false"),
    };
    let images = if overview.cuts.len() == 1 { "the image is the same" } else { "the images are the same" };
    Some(format!("{images}, {what} (to build without it: docker buildx build {option})"))
}

/// `manifest.json` has another order.
fn list(report: &Report) -> Option<String> {
    let differs = report.differences.iter().any(|one| one.role == Role::ListOrder);
    differs.then(|| "manifest.json lists the same images in another order".to_owned())
}

/// All images of one side were built by one program, and those of the other by another one.
fn builders(report: &Report, overview: &Overview) -> Option<String> {
    let first = overview.builders.first()?;
    let [Some(a), Some(b)] = first else { return None };
    let is_same = a == b || overview.builders.iter().any(|pair| pair != first);
    (!is_same && !report.differences.is_empty()).then(|| format!("A was built by {a}, B by {b}"))
}
