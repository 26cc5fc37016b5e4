//! `restamp lock`: what an image says of where it comes from, and the files that are made of it.

mod images;
mod page;

use crate::support::layout::Layout;
use crate::support::tarball::Entry;
use crate::support::{names, run, scratch, sha256, text, write};
use images::{BUILD, DEBIAN, MTIME, attested, debian, debian_base, dpkg, file, image, layer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The files of a lock of an image, by name.
fn locked(layout: &Layout, options: &[&str], status: i32) -> BTreeMap<String, String> {
    let dir = scratch();
    let source = write(dir.path(), "image.tar", &layout.tar(&BUILD));
    let out = dir.path().join("out");
    run(["lock", "-q", text(&source), "--out", text(&out)].iter().chain(options)).expect(status);
    assert_eq!(names(dir.path()), ["image.tar", "out"]);
    files(&out)
}

fn files(out: &Path) -> BTreeMap<String, String> {
    names(out).into_iter().map(|name| (name.clone(), std::fs::read_to_string(out.join(name)).unwrap())).collect()
}

fn json_of(files: &BTreeMap<String, String>, name: &str) -> Value {
    serde_json::from_str(&files[name]).unwrap()
}

fn one(entries: &[Entry]) -> Layout {
    Layout::of(&image(vec![layer(entries)], "app:1"), &BUILD)
}

#[test]
fn debian_with_a_snapshot_that_is_stated() {
    let files = locked(&debian(), &[], 0);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["Dockerfile.pinned", "lock.json", "packages.dpkg", "source-policy.json"]
    );
    let expected = "base-files\t12.4+deb12u5\tamd64\tbase-files\t-\ncurl\t7.88.1-10+deb12u5\tamd64\tcurl\t-\n\
        libc6\t2.36-9+deb12u4\tamd64\tlibc6\t-\nlibcurl4\t7.88.1-10+deb12u5\tamd64\tlibcurl4\t-\n";
    assert_eq!(files["packages.dpkg"], expected);
    let lock = json_of(&files, "lock.json");
    assert_eq!(lock["origin"]["distribution"]["version_codename"], "bookworm");
    assert_eq!(lock["origin"]["distribution"]["how"], "stated");
    let snapshot = &lock["origin"]["snapshot"];
    assert_eq!((&snapshot["date"], &snapshot["how"]), (&json!("2024-01-10T00:00:00Z"), &json!("stated")));
    // The mtime of the list is named as well, as a guess.
    let how: Vec<_> = snapshot["candidates"].as_array().unwrap().iter().map(|found| found["how"].clone()).collect();
    assert_eq!(how, ["stated", "derived", "guess"]);
    assert_eq!(
        lock["origin"]["languages"],
        json!([{"ecosystem": "python", "count": 1}, {"ecosystem": "npm", "count": 1}])
    );
    let recipe = &files["Dockerfile.pinned"];
    for line in [
        "ARG SNAPSHOT=20240110T000000Z\n",
        "http://snapshot.debian.org/archive/debian/${SNAPSHOT} bookworm main\"",
        "    'curl=7.88.1-10+deb12u5' \\\n",
        "# packages of languages that are not listed: 1 of python, 1 of npm\n",
    ] {
        assert!(recipe.contains(line), "{line}: {recipe}");
    }
}

#[test]
fn what_the_base_has_is_left_out() {
    let dir = scratch();
    let base = write(dir.path(), "base.tar", &images::base().tar(&BUILD));
    let files = locked(&debian(), &["--base", text(&base)], 0);
    assert_eq!(
        files["packages.dpkg"],
        "curl\t7.88.1-10+deb12u5\tamd64\tcurl\t-\nlibcurl4\t7.88.1-10+deb12u5\tamd64\tlibcurl4\t-\n"
    );
    let lock = json_of(&files, "lock.json");
    assert_eq!(lock["packages"][0]["of_base"], 2);
    let bases = lock["origin"]["base"].as_array().unwrap();
    let of_option = bases.iter().find(|base| base["from"].as_str().unwrap().starts_with("--base")).unwrap();
    assert_eq!((&of_option["name"], &of_option["how"]), (&json!("docker.io/library/debian:12"), &json!("derived")));
    assert!(files["Dockerfile.pinned"].contains("2 more are the base's"), "{}", files["Dockerfile.pinned"]);
    // Another image is no base of it.
    let other = write(dir.path(), "other.tar", &one(&[file("x", "y")]).tar(&BUILD));
    let files = locked(&debian(), &["--base", text(&other)], 0);
    let notes = json_of(&files, "lock.json")["origin"]["notes"].to_string();
    assert!(notes.contains("--base: the image's first layers are not its layers"), "{notes}");
}

#[test]
fn layers_hide_and_replace_what_is_below() {
    let base = layer(&[
        file("etc/os-release", DEBIAN),
        Entry::dir("var/lib/dpkg/status.d/", MTIME),
        file("./var/lib/dpkg/status.d/base", dpkg("base", "1")),
        file("./var/lib/dpkg/status.d/netbase", dpkg("netbase", "6.4")),
        file("./var/lib/dpkg/status.d/netbase.md5sums", "x"),
        file("var/lib/rpm/Packages", "x"),
    ]);
    let above = layer(&[
        file("var/lib/dpkg/status.d/.wh.base", ""),
        file("var/lib/dpkg/status.d/tzdata", dpkg("tzdata", "2024a")),
        file("var/lib/rpm/.wh..wh..opq", ""),
    ]);
    let files = locked(&Layout::of(&image(vec![base, above], "slim:1"), &BUILD), &[], 0);
    assert_eq!(files["packages.dpkg"], "netbase\t6.4\tamd64\tnetbase\t-\ntzdata\t2024a\tamd64\ttzdata\t-\n");
    assert!(!files["Dockerfile.pinned"].contains("apt-get update"));
}

#[test]
fn ubuntu_alpine_and_arch() {
    let ubuntu = one(&[
        file("etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n"),
        file(
            "etc/apt/sources.list.d/ubuntu.sources",
            "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nComponents: main universe\n",
        ),
        file("var/lib/dpkg/status", dpkg("bash", "5.2.21-2ubuntu4")),
    ]);
    let files = locked(&ubuntu, &[], 0);
    let recipe = &files["Dockerfile.pinned"];
    for line in [
        "# snapshot, guess: mtime of etc/apt/sources.list.d/ubuntu.sources\n",
        "ARG SNAPSHOT=20240115T120000Z\n",
        "http://snapshot.ubuntu.com/ubuntu/${SNAPSHOT} noble-security main universe\"",
    ] {
        assert!(recipe.contains(line), "{line}: {recipe}");
    }
    let installed =
        "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nt:1709306134\nF:lib\nR:x\n\n";
    let alpine = one(&[
        file("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.20.0\n"),
        Entry::link(b'2', "lib", "usr/lib", MTIME),
        Entry::link(b'2', "etc/os-release", "/usr/lib/os-release", MTIME),
        file("lib/apk/db/installed", installed),
    ]);
    let files = locked(&alpine, &[], 0);
    let hash = "sha1-control:a8a719fa3db7c6cb005e681086438ef1d1e76d6c";
    assert_eq!(files["packages.apk"], format!("musl\t1.2.5-r0\tx86_64\tmusl\t{hash}\n"));
    assert!(files["Dockerfile.pinned"].contains("'musl=1.2.5-r0'"));
    let snapshot = &json_of(&files, "lock.json")["origin"]["snapshot"];
    assert_eq!((&snapshot["date"], &snapshot["how"]), (&json!("2024-03-01T15:15:34Z"), &json!("derived")));
    let desc = "%NAME%\nbash\n\n%VERSION%\n5.2.026-2\n\n%BASE%\nbash\n\n%ARCH%\nx86_64\n\n%BUILDDATE%\n1705923344\n\n";
    let arch = one(&[
        file("etc/os-release", "ID=arch\n"),
        file("var/lib/pacman/local/bash-5.2.026-2/desc", desc),
        file("etc/pacman.d/mirrorlist", "Server=https://archive.archlinux.org/repos/2024/02/01/$repo/os/$arch\n"),
    ]);
    let files = locked(&arch, &[], 0);
    assert_eq!(files["packages.pacman"], "bash\t5.2.026-2\tx86_64\tbash\t-\n");
    assert!(files["Dockerfile.pinned"].contains("ARG SNAPSHOT=2024/02/01\n"), "{}", files["Dockerfile.pinned"]);
}

#[test]
fn what_is_broken_or_unread_is_named_with_exit_1() {
    let broken = one(&[
        file("var/lib/dpkg/status", "Package\n"),
        file("var/lib/rpm/Packages", "x"),
        file("etc/os-release", DEBIAN),
    ]);
    let files = locked(&broken, &[], 1);
    let problems = json_of(&files, "lock.json")["origin"]["problems"].to_string();
    assert!(problems.contains("var/lib/dpkg/status: line 1") && problems.contains("Berkeley DB"), "{problems}");
    assert!(files["Dockerfile.pinned"].contains("# not read, so something may be missing: var/lib/dpkg/status"));
}

#[test]
fn provenance_of_both_versions_is_pinned() {
    let (digest, commit) = (sha256(b"base"), "0123456789012345678901234567890123456789");
    let hex = digest.strip_prefix("sha256:").unwrap();
    let materials = json!([
        {"uri": "pkg:docker/debian@12?platform=linux%2Famd64", "digest": {"sha256": hex}},
        {"uri": "https://github.com/a/b.git#v1", "digest": {"sha1": commit}},
        {"uri": "https://example.com/x.tar.gz", "digest": {"sha256": hex}},
    ]);
    let old = json!({"builder": {"id": "https://example.com/run/1"}, "buildType": "https://mobyproject.org/buildkit@v1", "materials": materials});
    let new = json!({"buildDefinition": {"resolvedDependencies": materials}, "runDetails": {"builder": {"id": "https://example.com/run/1"}}});
    for (kind, predicate) in [("https://slsa.dev/provenance/v0.2", old), ("https://slsa.dev/provenance/v1", new)] {
        let files = locked(&attested(kind, &predicate), &[], 0);
        let policy = json_of(&files, "source-policy.json");
        assert_eq!(policy["version"], 1);
        let image = "docker-image://docker.io/library/debian:12";
        let exact = |identifier: &str| json!({"identifier": identifier, "match_type": "EXACT"});
        let git = "git://github.com/a/b.git#v1";
        assert_eq!(
            policy["rules"],
            json!([
                {"action": "CONVERT", "selector": exact(image), "updates": {"identifier": format!("{image}@{digest}")}},
                {"action": "CONVERT", "selector": exact(git), "updates": {"identifier": git, "attrs": {"git.checksum": commit}}},
                {"action": "CONVERT", "selector": exact("https://example.com/x.tar.gz"),
                 "updates": {"identifier": "https://example.com/x.tar.gz", "attrs": {"http.checksum": digest}}},
            ]),
            "{kind}"
        );
        assert!(files["Dockerfile.pinned"].contains(&format!("FROM docker.io/library/debian:12@{digest}\n")));
        let builder = &json_of(&files, "lock.json")["origin"]["builder"];
        assert_eq!((&builder["id"], &builder["how"]), (&json!("https://example.com/run/1"), &json!("stated")));
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let dir = scratch();
    let (a, b) = (write(dir.path(), "a.tar", &debian().tar(&BUILD)), dir.path().join("b"));
    debian().write(&b);
    let out = |name: &str| dir.path().join(name);
    run(["lock", "-q", text(&a), "--out", text(&out("1"))]).expect(0);
    run(["lock", "-q", "--jobs", "3", text(&b), "--out", text(&out("2/made/anew"))]).expect(0);
    assert_eq!(files(&out("1")), files(&out("2/made/anew")));
    let joined: String = files(&out("1")).into_values().collect();
    assert!(!joined.contains(text(dir.path())), "a path of this machine");
    let printed = run(["lock", "--json", text(&a)]).expect(0).text();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["lock"], json_of(&files(&out("1")), "lock.json"));
    for file in printed["files"].as_array().unwrap() {
        let bytes = std::fs::read(out("1").join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!((&file["digest"], &file["size"]), (&json!(sha256(&bytes)), &json!(bytes.len())));
    }
}

#[test]
fn directories_with_something_in_them_and_several_images_are_refused() {
    let dir = scratch();
    let source = write(dir.path(), "image.tar", &debian().tar(&BUILD));
    let full = dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    write(&full, "x", b"x");
    run(["lock", text(&source), "--out", text(&full)]).expect(2).expect_error(&["--out", "it is not empty"]);
    assert_eq!(names(&full), ["x"]);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    run(["lock", "-q", text(&source), "--out", text(&empty)]).expect(0);
    assert_eq!(names(&empty).len(), 4);
    let layout = dir.path().join("layout");
    debian().write(&layout);
    run(["lock", text(&layout), "--out", text(&layout)]).expect(2);
    let several = crate::support::graph::platforms(&BUILD, crate::support::layer::Packing::Gzip, None);
    let several = write(dir.path(), "several.tar", &several.tar(&BUILD));
    run(["lock", text(&several)]).expect_error(&["--platform", "linux/amd64"]);
    run(["lock", "-q", text(&several), "--platform", "linux/arm64"]).expect(0);
    // Nothing of a layer that is not what its digest says.
    let mut broken = debian();
    let digest = debian_base().digest();
    let blob = broken.files.get_mut(&crate::support::layout::blob_path(&digest)).unwrap();
    let last = blob.len() - 6;
    blob[last] ^= 1;
    let broken = write(dir.path(), "broken.tar", &broken.tar(&BUILD));
    let out = dir.path().join("none");
    run(["lock", text(&broken), "--out", text(&out)]).expect(2);
    assert!(!out.exists());
}

#[test]
fn inspect_says_the_same_of_the_origin() {
    let dir = scratch();
    let source = write(dir.path(), "image.tar", &debian().tar(&BUILD));
    let inspected: Value = serde_json::from_str(&run(["inspect", "--json", text(&source)]).expect(0).text()).unwrap();
    let locked: Value = serde_json::from_str(&run(["lock", "--json", text(&source)]).expect(0).text()).unwrap();
    assert_eq!(inspected["images"][0]["origin"], locked["lock"]["origin"]);
    assert_eq!(locked["image"]["manifest"], inspected["images"][0]["manifest"]);
    let printed = run(["inspect", text(&source)]).expect(0).text();
    for line in [
        "  system     Debian GNU/Linux 12 (bookworm) (stated: etc/os-release)\n",
        "  packages   4 of dpkg (stated: var/lib/dpkg/status)\n",
        "  snapshot   2024-01-10T00:00:00Z (stated: snapshot.debian.org in etc/apt/sources.list.d/debian.sources, in a comment",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let unread = run(["inspect", "--json", "--no-layers", text(&source)]).expect(0).text();
    let unread: Value = serde_json::from_str(&unread).unwrap();
    assert_eq!(unread["images"][0]["origin"]["not_looked_at"], json!(["layers"]));
    assert_eq!(unread["images"][0]["origin"]["packages"], json!([]));
}
