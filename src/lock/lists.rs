//! `packages.MANAGER`: one line a package, its fields with tabs in between, and `-` for one that is not known.

use crate::lock::report::PackageList;
use crate::origin::Package;

/// The list. Names, versions and hashes are words of printable ASCII, so that no line breaks and no field is two.
pub(super) fn text(list: &PackageList) -> String {
    list.list.iter().map(line).collect()
}

fn line(package: &Package) -> String {
    let known = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
    let (source, hash) = (known(&package.source), known(&package.hash));
    format!("{}\t{}\t{}\t{source}\t{hash}\n", package.name, package.version, package.architecture)
}
