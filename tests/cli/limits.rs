//! What hostile or merely large input may take: a message that says which limit it met, and a bounded amount of memory.

use std::io::Write;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::usage::measured;
use crate::support::{Build, restamp, scratch, text, write};

const BUILD: Build = Build::FIRST;
const MIB: u64 = 1 << 10;

/// A zstd frame with a window of so many bits, whatever it holds.
fn zstd_frame(content: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn large_windows_of_zstd_are_open_one_at_a_time() {
    let dir = scratch();
    // As large as the window, so that all of it is used; a small first frame must not hide what comes behind it.
    let layers = (0..3).map(|number| {
        let stream = tar(&[Entry::file(format!("zeros{number}"), vec![0; 132 << 20], BUILD.seconds)]);
        let (head, rest) = stream.split_at(512);
        let mut layer = Layer::new(Vec::new(), Packing::Zstd, Family::Oci, &BUILD);
        layer.blob = [zstd_frame(head, 10), zstd_frame(rest, 27)].concat();
        layer.tar = stream;
        layer
    });
    let image = Image::new(layers.collect(), Family::Oci, &BUILD, &["x:1"]);
    let source = write(dir.path(), "in.tar", &Layout::of(&image, &BUILD).tar(&BUILD));
    let arguments = ["check", "--epoch", "1700000000", "-q", "-j", "3", text(&source)];
    let (outcome, usage) = measured(restamp().args(arguments));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let allowed = (64 + 8 * 3 + 128) * MIB;
    assert!(usage.peak < allowed, "{} of {} MiB", usage.peak / MIB, allowed / MIB);
}
