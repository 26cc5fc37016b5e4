//! The test ground itself: what the builders make is what other programs take it for.

use crate::support;

use crate::support::layer::{Family, Packing};
use crate::support::layout::{Layout, write_files};
use crate::support::{Build, graph, judge, oracle, scratch, write};

#[test]
fn dates_are_civil() {
    assert_eq!(support::date(support::EPOCH, 0), support::EPOCH_DATE);
    assert_eq!(support::date(951_827_696, 5), "2000-02-29T12:34:56.000000005Z");
    assert_eq!(support::date(-1, 0), "1969-12-31T23:59:59Z");
}

#[test]
fn layouts_hang_together() {
    for build in [Build::FIRST, Build::SECOND] {
        for (name, layout) in [
            ("hello", Layout::of(&support::hello(&build, Packing::Gzip), &build)),
            ("zoo", Layout::of(&support::zoo(&build, Packing::Zstd, Family::Oci), &build)),
            ("docker", Layout::of(&support::zoo(&build, Packing::Gzip, Family::Docker), &build)),
            ("old", graph::platforms(&build, Packing::Gzip, Some(graph::Attestation::Old))),
            ("new", graph::platforms(&build, Packing::Gzip, Some(graph::Attestation::New))),
            ("nested", graph::nested(&build)),
            ("referrers", graph::referrers(&build)),
            ("signed", graph::signed(&build)),
        ] {
            judge::expect_no_orphans(&layout.all(), &judge::walk(&layout.all()));
            if build.nanos == 0 {
                continue;
            }
            let dir = scratch();
            write_files(&layout.all(), &dir.path().join(name));
            let tar = write(dir.path(), "layout.tar", &layout.tar(&build));
            for path in [dir.path().join(name), tar] {
                if let Some(verdict) = oracle::oracle("validate", &[&path], &[]) {
                    assert_eq!(verdict, oracle::Verdict::Clean, "{name}");
                }
            }
        }
    }
}

#[test]
fn archives_hang_together() {
    let build = Build::FIRST;
    let dir = scratch();
    for archive in support::archives(&build) {
        let name = archive.name;
        archive.seen(&build);
        let path = write(dir.path(), name, &archive.bytes);
        if let Some(verdict) = oracle::oracle("validate", &[&path], &[]) {
            assert_eq!(verdict, oracle::Verdict::Clean, "{name}");
        }
    }
}

#[test]
fn two_builds_differ_in_time_alone() {
    let [one, two] = [Build::FIRST, Build::SECOND].map(|build| {
        let image = support::zoo(&build, Packing::Gzip, Family::Oci);
        judge::walk(&Layout::of(&image, &build).all())
    });
    assert_ne!(one.diff_ids(), two.diff_ids());
    judge::expect_lossless(&one, &two);
}

#[test]
fn the_judge_sees_every_change() {
    let build = Build::FIRST;
    let old = judge::walk(&Layout::of(&support::zoo(&build, Packing::Plain, Family::Oci), &build).all());
    let changed = |place: usize, other: u8| {
        let mut image = support::zoo(&build, Packing::Plain, Family::Oci);
        let tar = &mut image.layers[1].tar;
        tar[place] = other;
        image.layers[1].blob = tar.clone();
        let image = support::layout::Image::new(image.layers, Family::Oci, &build, &["zoo:1"]);
        judge::walk(&Layout::of(&image, &build).all())
    };
    let length = old.layers[1].2.len();
    // A byte of some file's content, and one of the padding after the end marker.
    for place in [length - 1, 512 * 4 + 1] {
        let new = changed(place, 0x55);
        assert!(std::panic::catch_unwind(|| judge::expect_lossless(&old, &new)).is_err(), "{place}");
    }
    assert!(std::panic::catch_unwind(|| judge::expect_stamped(&old, false)).is_err());
}
