//! Images of real builders and public projects.

use std::path::{Path, PathBuf};

use crate::graph::walk::expect_nothing_stale;
use crate::support::layout::read;
use crate::support::oracle::{Verdict, oracle};
use crate::support::{run, scratch, shared, text};

/// What the checker that may lie beside the repository says of an image: its findings, one a line.
fn findings(command: &str, images: &[&Path], options: &[&str]) -> Vec<String> {
    match oracle(command, images, options) {
        None | Some(Verdict::Clean) => Vec::new(),
        Some(Verdict::Findings(text)) => {
            let lines = text.lines().filter(|line| line.starts_with("FINDING"));
            lines.map(|line| line.split("sha256:").next().unwrap().to_owned()).collect()
        }
        Some(Verdict::Unreadable(text)) => panic!("{command} {images:?}: {text}"),
    }
}

#[test]
fn layouts_of_public_projects() {
    let Some(corpus) = shared().map(|shared| shared.join("corpus")) else { return };
    let real = corpus.join("real");
    let ggcr = real.join("google__go-containerregistry/pkg/v1/layout/testdata");
    let stereoscope = real.join("anchore__stereoscope/pkg/image/oci/testdata");
    let images: Vec<PathBuf> = vec![
        corpus.join("buildkit/run1/in-oci-attest.tar"),
        real.join("regclient__regclient/testdata/testrepo"),
        real.join("regclient__regclient/testdata/external"),
        stereoscope.join("valid_oci_dir"),
        stereoscope.join("multiplatform_oci_dir"),
        ggcr.join("test_index_media_type"),
        ggcr.join("test_index_one_image"),
        ggcr.join("test_gc_index"),
        ggcr.join("test_index"),
    ];
    for image in images {
        let dir = scratch();
        let to = dir.path().join("out");
        run(["rewrite", "-q", "--epoch", "1700000000", "--repair", "none", text(&image), text(&to)]).expect(0);
        let name = image.display();
        // No fault that was not there before.
        assert_eq!(findings("validate", &[&to], &[]), findings("validate", &[&image], &[]), "{name}");
        assert_eq!(findings("lossless", &[&image, &to], &["--epoch", "1700000000"]), [""; 0], "{name}");
        assert_eq!(findings("stamped", &[&to], &["--epoch", "1700000000"]), [""; 0], "{name}");
        // One of these lists a manifest under a media type that is none of a manifest's, so that it passes as bytes.
        if !image.starts_with(&ggcr) {
            expect_nothing_stale(&read(&image), &read(&to));
        }
        let again = dir.path().join("again");
        run(["rewrite", "-q", "--epoch", "1700000000", text(&to), text(&again)]).expect(0);
        assert!(read(&to) == read(&again), "{name}");
    }
}

#[test]
fn two_builds_with_attestations_have_one_index_without_them() {
    let Some(corpus) = shared().map(|shared| shared.join("corpus")) else { return };
    let runs = ["run1", "run2"].map(|run| corpus.join("buildkit").join(run).join("in-oci-attest.tar"));
    if !runs.iter().all(|path| path.exists()) {
        return;
    }
    let [one, two] = runs.map(|path| {
        let options = ["rewrite", "-q", "--attestations", "drop", "--epoch", "1700000000"];
        run(options.iter().copied().chain([text(&path)])).expect(0).stdout
    });
    assert!(one == two);
}
