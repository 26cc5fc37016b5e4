//! What a rewrite says of itself: the report, on standard output too, and the summary.

use super::*;
use serde_json::{Value, json};

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

fn oci() -> Vec<u8> {
    Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).tar(&Build::FIRST)
}

#[test]
fn the_report_goes_to_standard_output_where_the_image_does_not() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &oci());
    let to = dir.path().join("out.tar");
    let rewrite = ["rewrite", "--epoch", "1700000000", text(&source)];
    let to = [text(&to)];
    let with_json = run(rewrite.iter().chain(&to).chain(&["--json"])).expect(0);
    let report = json_of(&with_json.stdout);
    assert_eq!((&report["schema"], with_json.stderr.as_str()), (&json!(2), ""));
    let by_report = run(rewrite.iter().chain(&to).chain(&["--report", "-"])).expect(0);
    assert_eq!(json_of(&by_report.stdout), report);
    assert!(by_report.stderr.contains("rewritten; "), "{}", by_report.stderr);
    let dry = run(rewrite.iter().chain(&["--dry-run", "--json"])).expect(0);
    assert_eq!(json_of(&dry.stdout)["dry_run"], json!(true));
    // The image has standard output for itself.
    run(rewrite.iter().chain(&["--json"])).expect_error(&["--json", "standard output", "DEST"]);
    run(rewrite.iter().chain(&["/dev/stdout", "--json"])).expect_error(&["--json", "standard output"]);
    let piped = run(rewrite.iter().chain(&["--report", "-", "-q"])).expect(0);
    assert!(piped.stdout == std::fs::read(to[0]).unwrap());
    assert_eq!(json_of(piped.stderr.as_bytes())["names"], report["names"]);
    let digest = run(rewrite.iter().chain(&to).chain(&["-q", "--digest-file", "-"])).expect(0);
    assert_eq!(digest.text().trim(), report["names"][0]["digest"]["new"].as_str().unwrap());
}

#[test]
fn old_and_new_have_one_shape_and_layers_are_in_the_order_of_the_image() {
    // Names of layers, which are digests, are in another order for some number of files.
    for count in 0..6_u8 {
        let build = Build::FIRST;
        let tars = [
            app(&build),
            base(&build),
            support::tarball::tar(&[support::tarball::Entry::file("x", vec![count; 9], 5)]),
        ];
        let layers = tars.into_iter().map(|tar| Layer::new(tar, Packing::Gzip, Family::Oci, &build)).collect();
        let image = Image::new(layers, Family::Oci, &build, &["app:1"]);
        let dir = scratch();
        let source = write(dir.path(), "in.tar", &Layout::of(&image, &build).tar(&build));
        let to = dir.path().join("out.tar");
        let arguments = ["rewrite", "--epoch", "1700000000", text(&source), text(&to)];
        let report = json_of(&run(arguments.iter().chain(&["--json"])).expect(0).stdout);
        let own = report["images"][0]["layers"].as_array().unwrap();
        for (number, (layer, made)) in own.iter().zip(&image.layers).enumerate() {
            assert_eq!((&layer["layer"], &layer["diff_id"]["old"]), (&json!(number), &json!(made.diff_id())));
            let change = &report["layers"][number];
            assert_eq!(change["digest"]["old"], made.digest());
            assert_eq!(change["size"]["old"], made.blob.len());
            assert_eq!(change["compression"], json!({"old": "gzip", "new": "gzip"}));
            assert_eq!(change["diff_id"], layer["diff_id"]);
        }
        assert_eq!(own.len(), 3);
        let said = run(arguments.iter().chain(&["-v"])).expect(0).stderr;
        let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text} in {said}"));
        assert!(at("layer 0/3 rewritten") < at("layer 1/3") && at("layer 1/3") < at("layer 2/3"), "{said}");
        let digest = |number: usize| at(&image.layers[number].digest());
        assert!(digest(0) < digest(1) && digest(1) < digest(2), "{said}");
    }
}

#[test]
fn what_was_only_compressed_again_is_not_called_rewritten() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &filter(&oci(), &[]));
    let to = dir.path().join("out.tar");
    let arguments = ["rewrite", "--epoch", "1700000000", "--compression", "none", text(&source), text(&to)];
    let said = run(arguments).expect(0).stderr;
    assert!(said.contains("2 layers encoded again (no time in them changed); 0 entries"), "{said}");
    assert!(!said.contains("rewritten"), "{said}");
    let report = json_of(&run(arguments.iter().chain(&["--json"])).expect(0).stdout);
    assert_eq!(report["layers"][0]["action"], "encoded-again");
    let again =
        json_of(&run(["rewrite", "--epoch", "1700000000", "--json", text(&source), text(&to)]).expect(0).stdout);
    assert_eq!(again["layers"][0]["action"], "unchanged");
}

#[test]
fn what_is_kept_is_said() {
    let said = pipe(["rewrite", "--epoch", "1700000000", "--base-layers", "1"], &oci()).expect(0).stderr;
    assert!(said.contains("1 layer rewritten, 1 layer kept as it was; "), "{said}");
    let verbose = pipe(["rewrite", "-v", "--epoch", "1700000000", "--base-layers", "1"], &oci()).expect(0).stderr;
    assert!(verbose.contains("layer 0/2 base, kept"), "{verbose}");
}

#[test]
fn every_line_of_a_dry_run_says_that_it_is_one() {
    let stamped = filter(&oci(), &[]);
    for (input, closing) in [(oci(), "2 layers would be rewritten; "), (stamped, "nothing to stamp: 2 layers")] {
        let said = pipe(["rewrite", "--dry-run", "--epoch", "1700000000"], &input).expect(0).stderr;
        assert!(said.lines().all(|line| line.starts_with("dry run: ")), "{said}");
        assert!(said.lines().last().unwrap().starts_with(&format!("dry run: {closing}")), "{said}");
    }
}

#[test]
fn what_the_cache_has_spared_is_in_the_report() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &oci());
    let (to, cache) = (dir.path().join("out.tar"), dir.path().join("cache"));
    let arguments = ["rewrite", "--epoch", "1700000000", "--cache", text(&cache), text(&source), text(&to)];
    for hits in [0, 1] {
        let report = json_of(&run(arguments.iter().chain(&["--json"])).expect(0).stdout);
        assert_eq!(report["layers"][0]["cache"], json!({"chunks": 1, "hits": hits}));
    }
    let said = run(arguments.iter().chain(&["-v"])).expect(0).stderr;
    assert!(said.contains("1 of 1 chunk from the cache"), "{said}");
    let without = json_of(&run(["rewrite", "--epoch", "1", "--json", text(&source), text(&to)]).expect(0).stdout);
    assert_eq!(without["layers"][0]["cache"], Value::Null);
}

#[test]
fn zstd_layers_in_an_archive_of_docker_are_warned_of() {
    let warning = "can't load";
    let rewrite = |options: &[&str]| {
        let to = ["rewrite", "--epoch", "1700000000", "-", "docker-archive:-"];
        pipe(to.iter().chain(options), &oci()).expect(0).stderr
    };
    let said = rewrite(&["--compression", "zstd"]);
    assert!(said.contains("warning: 2 layers are compressed with zstd, which Docker before 23 can't load"), "{said}");
    assert!(!rewrite(&[]).contains(warning));
    let said = pipe(["rewrite", "--epoch", "1700000000", "--compression", "zstd"], &oci()).expect(0).stderr;
    assert!(!said.contains(warning), "{said}");
}
