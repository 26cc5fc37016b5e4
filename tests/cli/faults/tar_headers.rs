//! Headers of a layer's tar that were refused.

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, read_tar};
use crate::support::tarball::{Dialect, Entry, tar};
use crate::support::{Build, EPOCH, judge, pipe};

pub(super) fn image(tar: Vec<u8>, build: &Build) -> Vec<u8> {
    let layer = Layer::new(tar, Packing::Gzip, Family::Oci, build);
    Layout::of(&Image::new(vec![layer], Family::Oci, build, &["one:1"]), build).tar(build)
}

/// The layer's tar after a rewrite.
#[track_caller]
pub(super) fn rewritten(tar: Vec<u8>) -> Vec<u8> {
    let new = pipe(["rewrite", "-q", "--epoch", "1700000000"], &image(tar, &Build::FIRST)).expect(0).stdout;
    judge::walk(&read_tar(&new)).layers.remove(0).2
}

#[test]
fn a_directory_of_an_old_archive_with_a_size_is_a_header_without_content() {
    for dialect in [Dialect::V7, Dialect::Ustar, Dialect::Gnu] {
        for kind in [0, b'5'] {
            let layer = |time| {
                let folder = Entry { size: Some(1234), dialect, ..Entry::new(kind, "dir/", time) };
                let file = Entry { dialect, ..Entry::file("dir/f", "data", time) };
                tar(&[folder, file])
            };
            let new = rewritten(layer(Build::FIRST.seconds));
            assert!(new == layer(EPOCH), "{dialect:?} {kind}");
        }
    }
}

#[test]
fn a_file_whose_name_ends_in_a_slash_has_content() {
    let layer = |time| tar(&[Entry::file("dir/", vec![b'x'; 1234], time), Entry::file("dir/f", "data", time)]);
    assert!(rewritten(layer(Build::FIRST.seconds)) == layer(EPOCH));
}
