//! The corpus of real images and tar files that may lie beside the repository, and the independent checker there:
//! it finds nothing on what comes out, but for the exceptions listed here with their reasons.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use support::layer::{Family, Layer, Packing, unpack};
use support::layout::{Image, Layout, read};
use support::oracle::{Verdict, is_fault, oracle};
use support::{Build, judge, run, scratch, shared, text, write};

/// Images that the checker takes for valid and restamp refuses: path, what the message says, why.
const NOT_REWRITTEN: &[(&str, &str, &str)] = &[
    (
        "tarball/testdata/no_manifest.tar",
        "manifest.json",
        "saved by a Docker before 1.10: v1 directories alone, and no manifest.json for any current loader to read",
    ),
    ("tarball/testdata/null_manifest.tar", "manifest.json", "its manifest.json is null: there is no image in it"),
];

/// Tar files that are refused as a layer, what the message names, and why: all are damaged, most of them on purpose,
/// as cases that Go's own reader has to refuse as well.
const REFUSED: &[(&str, &str, &str)] = &[
    ("testdata/issue10968.tar", "offset 0: header block: expected a block whose checksum is right", "random bytes"),
    ("testdata/issue11169.tar", "PaxHeaders.14463/aaa: offset 512: PAX record", "a record without its newline"),
    ("testdata/issue12435.tar", "offset 0: size", "a size of more than 63 bits"),
    ("testdata/neg-size.tar", "offset 0: size", "a negative size"),
    ("testdata/pax-bad-hdr-file.tar", "offset 512: PAX record", "a record without its newline"),
    ("testdata/pax-bad-hdr-large.tar.bz2", "offset 0: size of an extension header", "a PAX header of over 1 MiB"),
    ("testdata/pax-bad-mtime-file.tar", "offset 512: PAX mtime", "an mtime of 999xxx9324"),
    ("testdata/pax-nul-path.tar", "offset 512: PAX record", "a NUL in a path record"),
    ("testdata/pax-nul-xattrs.tar", "bad-null.txt: offset 512: PAX record", "a NUL in a key"),
    ("testdata/writer-big.tar", "tmp/16gig.txt: offset 0: content", "16 GiB of content are not there"),
    ("testdata/writer-big-long.tar", "16gig.txt: offset 1024: content", "16 GiB of content are not there"),
];

fn corpus() -> Option<PathBuf> {
    shared().map(|shared| shared.join("corpus"))
}

/// Every file below a folder, sorted.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What may be an image: layout directories and archives.
fn candidates(folder: &Path) -> Vec<PathBuf> {
    files_below(folder)
        .into_iter()
        .filter_map(|path| match path.file_name()?.to_str()? {
            "index.json" => path.parent().map(Path::to_owned),
            name => [".tar", ".tar.zst", ".tar.gz"].iter().any(|end| name.ends_with(end)).then_some(path),
        })
        .collect()
}

/// Calls a function with each item, on two threads.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(item) = next.lock().unwrap().next() else { break };
                    work(item);
                }
            });
        }
    });
}

/// Rewrites every valid image below a folder in both modes; what comes out is valid, stamped and lossless. Copies of mtimes
/// stay: that nothing but them changes where they follow is shown from the report elsewhere.
fn rewrite_all(folder: &str, at_least: usize) {
    let Some(corpus) = corpus() else { return };
    let failures = Mutex::new(Vec::new());
    let rewritten = Mutex::new(0);
    each(&candidates(&corpus.join(folder)), |source| {
        if oracle("validate", &[source], &[]) != Some(Verdict::Clean) {
            return;
        }
        let dir = scratch();
        for options in [&[][..], &["--clamp"]] {
            let to = dir.path().join(format!("out{}", options.len()));
            let arguments = ["rewrite", "--epoch", "1700000000", "--repair", "none", text(source), text(&to)];
            let outcome = run(arguments.iter().chain(options));
            let name = source.strip_prefix(&corpus).unwrap().display();
            if let Some((_, part, reason)) = NOT_REWRITTEN.iter().find(|(path, _, _)| source.ends_with(path)) {
                assert_eq!(outcome.code, Some(2), "{name} is listed as refused: {reason}");
                assert!(outcome.stderr.contains(part), "{name}: {}", outcome.stderr);
            } else if outcome.code == Some(0) {
                *rewritten.lock().unwrap() += 1;
                failures.lock().unwrap().extend(
                    judged(source, &to, options).into_iter().map(|finding| format!("{name} {options:?}: {finding}")),
                );
            } else {
                failures.lock().unwrap().push(format!("{name} {options:?}: {}", outcome.stderr));
            }
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let rewritten = rewritten.into_inner().unwrap();
    assert!(rewritten >= 2 * at_least, "{rewritten} runs under {folder}, at least {} expected", 2 * at_least);
}

/// What the checker says against a rewritten image.
fn judged(old: &Path, new: &Path, options: &[&str]) -> Vec<String> {
    let epoch: Vec<&str> = ["--epoch", "1700000000"].iter().chain(options).copied().collect();
    let commands =
        [("validate", vec![new], vec![]), ("stamped", vec![new], epoch.clone()), ("lossless", vec![old, new], epoch)];
    let verdicts =
        commands.iter().map(|(command, images, options)| (command, oracle(command, images, options).unwrap()));
    verdicts
        .filter(|(_, verdict)| is_fault(verdict))
        .map(|(command, verdict)| format!("{command}: {verdict:?}"))
        .collect()
}

#[test]
fn images_of_buildkit() {
    rewrite_all("buildkit", 6);
}

#[test]
fn images_of_docker_podman_and_containerd() {
    rewrite_all("made", 4);
}

#[test]
fn images_of_public_projects() {
    rewrite_all("real", 20);
}

#[test]
fn what_the_checker_finds_fault_with_never_comes_out_as_valid() {
    let Some(corpus) = corpus() else { return };
    each(&candidates(&corpus.join("real")), |source| {
        if oracle("validate", &[source], &["--dangling-subject-ok"]) == Some(Verdict::Clean) {
            return;
        }
        let dir = scratch();
        let to = dir.path().join("out");
        let outcome = run(["rewrite", "--epoch", "1700000000", text(source), text(&to)]);
        assert!(!outcome.stderr.contains("panicked"), "{}: {}", source.display(), outcome.stderr);
        match outcome.code {
            // A fault that a rewriter need not mind, such as a blob that nothing refers to; but no new ones.
            Some(0) => assert!(to.exists(), "{}", source.display()),
            Some(2) => assert!(!to.exists(), "{}", source.display()),
            code => panic!("{}: {code:?} {}", source.display(), outcome.stderr),
        }
    });
}

/// The tar streams of the corpus, decompressed.
fn tars() -> Vec<(String, Vec<u8>)> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let named = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        [".tar", ".tar.gz", ".tar.zst", ".tar.bz2"].iter().any(|end| name.ends_with(end))
    };
    files_below(&corpus.join("real"))
        .into_iter()
        .filter(|path| named(path))
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let tar = if text(&path).ends_with(".bz2") {
                let script = "import bz2,sys;sys.stdout.buffer.write(bz2.open(sys.argv[1]).read())";
                std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap().stdout
            } else {
                unpack(&bytes)
            };
            (path.strip_prefix(&corpus).unwrap().to_str().unwrap().to_owned(), tar)
        })
        .collect()
}

#[test]
fn every_tar_file_as_a_layer() {
    let tars = tars();
    if tars.is_empty() {
        return;
    }
    assert!(tars.len() > 80, "{} tar files", tars.len());
    let failures = Mutex::new(Vec::new());
    each(&tars, |(name, tar)| {
        let dir = scratch();
        let layers = vec![Layer::new(tar.clone(), Packing::Plain, Family::Oci, &Build::FIRST)];
        let image = Image::new(layers, Family::Oci, &Build::FIRST, &["wrapped:1"]);
        let source = write(dir.path(), "in.tar", &Layout::of(&image, &Build::FIRST).tar(&Build::FIRST));
        for options in [&[][..], &["--clamp"]] {
            let to = dir.path().join(format!("out{}.tar", options.len()));
            let outcome = run(["rewrite", "--epoch", "1700000000", "--repair", "none", text(&source), text(&to)]
                .iter()
                .chain(options));
            let refusal = REFUSED.iter().find(|(path, _, _)| name.ends_with(path));
            let complaints = match (outcome.code, refusal) {
                (Some(0), None) => judged(&source, &to, options),
                (Some(2), Some((_, part, why))) if !outcome.stderr.contains(part) => {
                    vec![format!("{why}: no {part:?} in {}", outcome.stderr)]
                }
                (Some(2), Some(_)) => Vec::new(),
                (code, _) => {
                    vec![format!("exit status {code:?}, listed as refused: {}: {}", refusal.is_some(), outcome.stderr)]
                }
            };
            failures.lock().unwrap().extend(complaints.into_iter().map(|what| format!("{name} {options:?}: {what}")));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// The diff_ids that the configs of an image list.
fn diff_ids(path: &Path) -> Vec<serde_json::Value> {
    judge::walk(&read(path)).configs.iter().map(|config| config["rootfs"]["diff_ids"].clone()).collect()
}

#[test]
fn clamped_layers_are_those_of_buildkit() {
    let Some(corpus) = corpus() else { return };
    let buildkit = corpus.join("buildkit");
    let base = format!("oci:{}", text(&buildkit.join("base-oci-layout")));
    let truth = diff_ids(&buildkit.join("run1/truth-oci-gzip.tar"));
    let dir = scratch();
    let mut outputs = Vec::new();
    for run_name in ["run1", "run2"] {
        let source = buildkit.join(run_name).join("in-oci-gzip.tar");
        let to = dir.path().join(run_name);
        run([
            "rewrite",
            "--clamp",
            "--base",
            &base,
            "--epoch",
            "1700000000",
            "--repair",
            "none",
            text(&source),
            text(&to),
        ])
        .expect(0);
        assert_eq!(diff_ids(&to), truth);
        outputs.push(std::fs::read(&to).unwrap());
    }
    assert!(outputs[0] == outputs[1], "two builds, two files");
}

#[test]
fn two_builds_of_buildkit_give_one_file() {
    let Some(corpus) = corpus() else { return };
    for options in [&[][..], &["--compression", "zstd"], &["--compression", "none"]] {
        let [one, two] = ["run1", "run2"].map(|run_name| {
            let source = corpus.join("buildkit").join(run_name).join("in-oci-gzip.tar");
            run(["rewrite", "-q", "--epoch", "1700000000", text(&source)].iter().chain(options)).expect(0).stdout
        });
        assert!(one == two, "{options:?}");
    }
}

#[test]
fn one_image_saved_by_three_programs_has_one_set_of_layers() {
    let Some(corpus) = corpus() else { return };
    let made = corpus.join("made");
    let dir = scratch();
    let mut seen = Vec::new();
    for name in [
        "torture.docker20-save.tar.zst",
        "torture.podman-docker-archive.tar.zst",
        "torture.ctr-export.tar",
        "torture.zstd.oci",
    ] {
        let to = dir.path().join(name);
        run(["rewrite", "--epoch", "1700000000", text(&made.join(name)), text(&to)]).expect(0);
        seen.push((name, diff_ids(&to)));
    }
    // Docker, podman and containerd saved the image of one build; the zstd layout has the same layers.
    for (name, ids) in &seen {
        assert_eq!(*ids, seen[0].1, "{name}");
    }
}

/// Restamps an image by another epoch and compression and attests it: the stabilized digests and the list of differences say
/// the same of each, or `attest` ends with an error.
#[test]
fn stabilized_digests_and_diff_agree_on_all_of_the_corpus() {
    let Some(corpus) = corpus() else { return };
    let failures = Mutex::new(Vec::new());
    let verdicts = Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    let images = candidates(&corpus);
    let attested = |target: &str, candidate: &str, out: &Path, is_image: bool| {
        let own = ["attest", target, candidate, "--verifier-id", "https://example.org/v1", "--json", "--out"];
        let outcome = run(own.into_iter().chain([text(out)]));
        // What is no pair of images that can be compared has no verdict; anything else that ends with an error is a fault.
        let known = [
            "no manifest",
            "several images",
            "is not in",
            "image to compare",
            "there is no image",
            "to compare is missing",
            "is listed",
        ];
        let is_known = || known.iter().any(|part| outcome.stderr.contains(part));
        if outcome.code == Some(2) && (outcome.stderr.contains("disagree") || is_image && !is_known()) {
            let wrong = format!("{target} and {candidate}: {}", outcome.stderr);
            failures.lock().unwrap().push(wrong);
        }
        let report: Option<serde_json::Value> = serde_json::from_slice(&outcome.stdout).ok();
        let verdict = report.and_then(|report| Some(report["verdict"].as_str()?.to_owned()));
        if let Some(verdict) = &verdict {
            *verdicts.lock().unwrap().entry(verdict.clone()).or_default() += 1;
        }
        verdict
    };
    let numbered: Vec<(usize, &PathBuf)> = images.iter().enumerate().collect();
    each(&numbered, |(number, path)| {
        let dir = scratch();
        let (out, stamped) = (dir.path().join("proof"), dir.path().join("stamped"));
        let to = format!("oci:{}", text(&stamped));
        for options in ["--epoch 1700000000", "--epoch 1600000000 --clamp --compression zstd"] {
            let arguments = ["rewrite", "-q", "--force", "--signatures", "drop", text(path), &to];
            if run(arguments.into_iter().chain(options.split(' '))).code != Some(0) {
                return;
            }
            let verdict = attested(text(path), text(&stamped), &out, true);
            let is_docker =
                std::fs::read(path).is_ok_and(|bytes| bytes.windows(13).any(|part| part == b"manifest.json"));
            if verdict.is_some_and(|verdict| verdict != "after-restamping" && verdict != "identical") && !is_docker {
                failures.lock().unwrap().push(format!("{} is not the same after {options}", path.display()));
            }
            let _ = std::fs::remove_dir_all(&out);
        }
        // Another image, which differs in most things.
        if let Some(other) = images.get(number + 1) {
            attested(text(path), text(other), &out, false);
        }
    });
    let (failures, verdicts) = (failures.into_inner().unwrap(), verdicts.into_inner().unwrap());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(verdicts.get("after-restamping").is_some_and(|count| *count >= 20), "{verdicts:?}");
}
