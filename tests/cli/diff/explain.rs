//! The whole picture: sentences that explain many differences at once, and near misses of each.

use serde_json::{Value, json};

use crate::diff::{BUILD, Pair, T, file, image, packed, with_config};
use crate::support::docker;
use crate::support::graph::{IN_TOTO, empty};
use crate::support::layer::Packing;
use crate::support::layout::{Image, Layout, OCI_INDEX, OCI_MANIFEST};
use crate::support::tarball::{Entry, tar};

/// The sentences, which the text has as well.
#[track_caller]
fn said(pair: &Pair, options: &[&str]) -> Vec<String> {
    let report = pair.json(options);
    let all: Vec<String> =
        report["explanations"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let shown = pair.run(options).text();
    let page = pair.run(&[&["--html", "-"], options].concat()).text();
    for text in &all {
        assert!(shown.lines().any(|line| line == text), "{text}: {shown}");
        let escaped = text.replace('"', "&quot;").replace('>', "&gt;");
        assert!(page.contains(&escaped), "{text}: {page}");
    }
    all
}

#[track_caller]
fn expect(pair: &Pair, expected: &[&str]) {
    assert_eq!(said(pair, &[]), expected);
}

const SAME_FILES: &str = "the root filesystems are the same: the same files are split into layers in another way; see restamp diff --rootfs A B";

fn layers(streams: &[&[Entry]]) -> Image {
    image(streams.iter().map(|entries| tar(entries)).collect())
}

#[test]
fn the_same_files_in_other_layers_are_explainable() {
    let (etc, lib) = (Entry::dir("etc/", T), Entry::dir("lib/", T));
    let files = [file("etc/passwd", "root"), file("lib/libc", "c"), file("lib/libssl", "s").mode(0o755)];
    let [passwd, libc, libssl] = files;
    let two = layers(&[&[etc.clone(), passwd.clone()], &[lib.clone(), libc.clone(), libssl.clone()]]);
    let three = layers(&[&[etc.clone(), passwd.clone()], &[lib.clone(), libc.clone()], &[lib.clone(), libssl.clone()]]);
    let pair = Pair::images(&two, &three);
    expect(&pair, &[SAME_FILES]);
    assert_eq!(pair.json(&[])["verdict"], "explainable");
    pair.run(&["--semantic"]).expect(0);
    pair.run(&["--rootfs"]).expect(0);
    // One time is another one.
    let later = Entry { mtime: T + 1, ..libssl.clone() };
    let pair = Pair::images(
        &two,
        &layers(&[&[etc.clone(), passwd.clone()], &[lib.clone(), libc.clone()], &[lib.clone(), later]]),
    );
    let expected = SAME_FILES.replacen("same:", "same except for times of files:", 1);
    assert_eq!(said(&pair, &[]), [expected]);
    // One file is another one, has another mode, or is missing.
    for last in [
        vec![lib.clone(), file("lib/libssl", "t").mode(0o755)],
        vec![lib.clone(), libssl.clone().mode(0o4755)],
        vec![lib.clone()],
    ] {
        let pair = Pair::images(&two, &layers(&[&[etc.clone(), passwd.clone()], &[lib.clone(), libc.clone()], &last]));
        expect(&pair, &[]);
        pair.run(&["--semantic"]).expect(1);
    }
}

#[test]
fn layers_that_differ_in_times_alone_are_not_cut_in_another_way() {
    let at = |time: i64| layers(&[&[Entry::file("a", "1", time)], &[Entry::file("b", "2", time)]]);
    expect(&Pair::images(&at(T), &at(T + 1)), &[]);
}

#[test]
fn a_file_that_a_later_layer_hides_stays_content() {
    let one = layers(&[&[file("a", "1"), file("b", "2")]]);
    // What is hidden is in one of the images alone: a secret, say.
    let hidden = layers(&[&[file("a", "1"), file("key", "secret")], &[file("b", "2"), file(".wh.key", "")]]);
    let pair = Pair::images(&one, &hidden);
    let text = said(&pair, &[]);
    assert!(text.len() == 1 && text[0].contains("files that other layers replace or delete"), "{text:?}");
    assert_eq!(pair.json(&[])["verdict"], "different");
    pair.run(&["--rootfs"]).expect(0);
    // What a whiteout hides may be in a layer that both have.
    let base: &[Entry] = &[file("key", "old"), file("c", "3")];
    let pair = Pair::images(
        &layers(&[base, &[file("a", "1"), file("b", "2")]]),
        &layers(&[base, &[file("a", "1"), file(".wh.key", "")], &[file("b", "2")]]),
    );
    expect(&pair, &[]);
    pair.run(&["--rootfs"]).expect(1);
    // Or nowhere.
    let nothing = layers(&[base, &[file("a", "1"), file(".wh.none", "")], &[file("b", "2")]]);
    let pair = Pair::images(&layers(&[base, &[file("a", "1"), file("b", "2")]]), &nothing);
    expect(&pair, &[SAME_FILES]);
    // A directory that replaced a file hides what is below it.
    let base: &[Entry] = &[Entry::dir("d/", T), file("d/x", "old")];
    let pair = Pair::images(
        &layers(&[base, &[Entry::dir("d/", T), file("d/y", "1")]]),
        &layers(&[base, &[file("d", "")], &[Entry::dir("d/", T), file("d/y", "1")]]),
    );
    expect(&pair, &[]);
    pair.run(&["--rootfs"]).expect(1);
}

#[test]
fn a_hard_link_is_the_file_that_it_was_made_of() {
    let link = |name: &str, to: &str| Entry { mode: 0o644, ..Entry::link(b'1', name, to, T) };
    // In B the link was made before the file was replaced.
    let a = layers(&[&[file("f", "2"), link("h", "f")]]);
    let b = layers(&[&[file("f", "1")], &[link("h", "f")], &[file("f", "2")]]);
    let pair = Pair::images(&a, &b);
    expect(&pair, &[]);
    pair.run(&["--rootfs"]).expect(1);
    let b = layers(&[&[file("f", "2")], &[link("h", "f")]]);
    expect(&Pair::images(&a, &b), &[SAME_FILES]);
}

#[test]
fn one_of_two_images_with_another_file_is_no_same_root_filesystem() {
    let of = |last: &str| {
        let mut layout = Layout::default();
        for (name, streams) in [
            ("app:1", vec![tar(&[file("a", "1"), file("b", "2")])]),
            ("app:2", vec![tar(&[file("a", "1")]), tar(&[file("b", "2")]), tar(&[file("c", last)])]),
        ] {
            let descriptor = layout.put_image(&image(streams), &BUILD);
            layout.name(descriptor, name, &BUILD);
        }
        layout.tar(&BUILD)
    };
    expect(&Pair::of(&of("3"), &of("4")), &[]);
}

/// An image in an index, with what is stated of it.
fn stated(app: &Image, statements: &[(&str, &str)]) -> Vec<u8> {
    let mut layout = Layout::default();
    let image = layout.put_image(app, &BUILD);
    let digest = image["digest"].as_str().unwrap().to_owned();
    let mut manifests = vec![image];
    for (kind, word) in statements {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": kind, "predicate": {"x": word},
            "subject": [{"name": "app", "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
        });
        let mut layer = layout.put(IN_TOTO, &serde_json::to_vec(&statement).unwrap());
        layer["annotations"] = json!({"in-toto.io/predicate-type": kind});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty(&mut layout), "layers": [layer]});
        let mut attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        attestation["annotations"] =
            json!({"vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest"});
        manifests.push(attestation);
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(index, "app:1", &BUILD);
    layout.tar(&BUILD)
}

#[test]
fn an_image_is_the_same_where_only_its_provenance_differs() {
    const SLSA: &str = "https://slsa.dev/provenance/v1";
    const SPDX: &str = "https://spdx.dev/Document";
    const REVIEW: &str = "https://example.org/review";
    let (app, other) = (image(vec![tar(&[file("a", "1")])]), image(vec![tar(&[file("a", "2")])]));
    let pair = |a: &[(&str, &str)], b: &[(&str, &str)]| Pair::of(&stated(&app, a), &stated(&app, b));
    let said = |what: &str, option: &str| {
        format!("the image is the same, {what} (to build without it: docker buildx build {option})")
    };
    let provenance = said("the provenance differs", "--provenance=false");
    expect(&pair(&[(SLSA, "1")], &[(SLSA, "2")]), &[&provenance]);
    expect(&pair(&[], &[(SLSA, "2")]), &[&provenance]);
    let inventory = said("the SBOM differs", "--sbom=false");
    expect(&pair(&[(SLSA, "1"), (SPDX, "1")], &[(SLSA, "1"), (SPDX, "2")]), &[&inventory]);
    let both = said("provenance and SBOM differ", "--provenance=false --sbom=false");
    expect(&pair(&[(SLSA, "1"), (SPDX, "1")], &[(SLSA, "2"), (SPDX, "2")]), &[&both]);
    // A review is no record of a build; nothing differs; the image does.
    expect(&pair(&[(REVIEW, "1")], &[(REVIEW, "2")]), &[]);
    expect(&pair(&[(SLSA, "1")], &[(SLSA, "1")]), &[]);
    expect(&Pair::of(&stated(&app, &[(SLSA, "1")]), &stated(&other, &[(SLSA, "2")])), &[]);
}

#[test]
fn docker_archives_may_list_the_same_images_in_another_order() {
    let one = |name: &str, data: &str| {
        let image = docker::plain(packed(vec![tar(&[file("a", data)])], Packing::Plain));
        Image { tags: vec![name.to_owned()], ..image }
    };
    let (x, y) = (one("x:1", "1"), one("y:1", "2"));
    let archive = |images: &[&Image]| docker::legacy(&images.iter().map(|i| (*i).clone()).collect::<Vec<_>>(), &BUILD);
    let pair = Pair::of(&archive(&[&x, &y]), &archive(&[&y, &x]));
    expect(&pair, &["manifest.json lists the same images in another order"]);
    pair.expect(&[("order", "", "manifest.json")]);
    assert_eq!(pair.json(&[])["verdict"], "explainable");
    let pair = Pair::of(&archive(&[&x, &y]), &archive(&[&x, &y]));
    assert_eq!(pair.json(&[])["verdict"], "identical");
    // One of them is another image: the order is not all that differs, but it does.
    let pair = Pair::of(&archive(&[&x, &y]), &archive(&[&x]));
    expect(&pair, &[]);
    assert!(!pair.found(&[]).iter().any(|(_, _, field)| field == "manifest.json"));
}

#[test]
fn builders_are_named() {
    let app = image(vec![tar(&[file("a", "1")])]);
    let label = |version: &str| {
        let last = r#""created_by":"CMD [\"/bin/hello\"]""#;
        let app = with_config(&app, last, r#""created_by":"/bin/sh -c #(nop) CMD [\"/bin/hello\"]""#);
        let app = with_config(&app, r#""docker_version":"27.0\/x","#, "");
        with_config(&app, r#""maintainer":"x""#, &format!(r#""maintainer":"x","io.buildah.version":"{version}""#))
    };
    let pair = Pair::images(&label("1.28.2"), &label("1.33.1"));
    expect(&pair, &["A was built by buildah 1.28.2, B by buildah 1.33.1"]);
    let one = &pair.json(&[])["differences"][0];
    assert_eq!(one["note"], "built by buildah 1.28.2 in A, 1.33.1 in B");
    assert_eq!(one["class"], "format");
    let buildkit = with_config(
        &app,
        r#""created_by":"CMD [\"/bin/hello\"]""#,
        r#""created_by":"CMD [\"/bin/hello\"] # buildkit""#,
    );
    let pair = Pair::images(&label("1.28.2"), &buildkit);
    assert_eq!(said(&pair, &[]), ["A was built by buildah 1.28.2, B by BuildKit"]);
    assert_eq!(pair.json(&[])["verdict"], "explainable");
    // Nothing is said where one of them is not known, or both are the same.
    expect(&Pair::images(&app, &label("1.28.2")), &[]);
    let other = with_config(&label("1.28.2"), r#""StopTimeout":7"#, r#""StopTimeout":8"#);
    expect(&Pair::images(&label("1.28.2"), &other), &[]);
}

/// An image all of whose times are this, with these files beside.
fn at(time: i64, more: &[Entry]) -> Image {
    stamped(time, image(vec![files_at(time, more)]))
}

fn files_at(time: i64, more: &[Entry]) -> Vec<u8> {
    let entries =
        [Entry::dir("d/", time), file("d/x", "1"), file("d/y", "2")].map(|entry| Entry { mtime: time, ..entry });
    tar(&[&entries, more].concat())
}

/// The image with all times of its config set to this.
fn stamped(time: i64, image: Image) -> Image {
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    let created = date(time);
    config["created"] = json!(created);
    for step in config["history"].as_array_mut().unwrap() {
        step["created"] = json!(created);
    }
    config["config"]["Labels"] = json!({});
    Image { config: serde_json::to_vec(&config).unwrap(), ..image }
}

fn date(time: i64) -> String {
    restamp::Epoch::from_seconds(time as u64).unwrap().rfc3339()
}

#[test]
fn each_side_may_be_stamped_with_an_epoch_of_its_own() {
    let (a, b) = (date(T), date(T + 90));
    let pair = Pair::images(&at(T, &[]), &at(T + 90, &[]));
    let own = "each looks stamped with an epoch of its own";
    expect(&pair, &[&format!("each side has one time throughout, {a} in A and {b} in B: {own}")]);
    // A layer that both have is not read, and may have other times.
    let base = || tar(&[Entry { mtime: T - 9_000, ..file("base", "x") }]);
    let with_base = |time: i64| stamped(time, image(vec![base(), files_at(time, &[])]));
    let pair = Pair::images(&with_base(T), &with_base(T + 90));
    expect(&pair, &[&format!("every time that differs is {a} in A and {b} in B: {own}")]);
    // Earlier times in the same layer: clamped.
    let old = Entry { mtime: T - 500, ..file("old", "x") };
    let pair = Pair::images(&at(T, std::slice::from_ref(&old)), &at(T + 90, std::slice::from_ref(&old)));
    let kept = ", and earlier times are kept, as --clamp does";
    expect(&pair, &[&format!("every time that differs is {a} in A and {b} in B: {own}{kept}")]);
    // One side has a later time besides: neither it nor the other was stamped with what most of its times are.
    let new = Entry { mtime: T + 500, ..file("new", "x") };
    expect(&Pair::images(&at(T, std::slice::from_ref(&new)), &at(T + 90, std::slice::from_ref(&new))), &[]);
}

#[test]
fn one_side_alone_may_be_stamped() {
    let a = date(T);
    let files = |first: i64| {
        [file("x", "1"), file("y", "2"), file("z", "3")]
            .map(|e| e)
            .into_iter()
            .zip(first..)
            .map(|(e, mtime)| Entry { mtime, ..e })
            .collect::<Vec<_>>()
    };
    let same = |time: i64| files(0).into_iter().map(|e| Entry { mtime: time, ..e }).collect::<Vec<_>>();
    let pair = |a: &[Entry], b: &[Entry]| Pair::images(&at(T, a), &at(T, b));
    // Set: there are earlier times in B.
    expect(
        &pair(&same(T), &files(T - 100)),
        &[&format!("every time that differs is {a} in A: A looks stamped with the epoch {T}")],
    );
    // Later ones alone, and no earlier one is left: set and clamp can't be told apart.
    let looks = format!("every time that differs is {a} in A and later in B: A looks stamped with the epoch {T}");
    expect(&pair(&same(T), &files(T + 100)), &[&looks]);
    // An earlier one in the same layer is left.
    let with = |mut list: Vec<Entry>| {
        list.push(Entry { mtime: T - 500, ..file("old", "x") });
        list
    };
    expect(
        &pair(&with(same(T)), &with(files(T + 100))),
        &[&format!("{looks}, and earlier times are kept, as --clamp does")],
    );
    // Two times that differ may be chance.
    expect(&pair(&same(T)[..2], &files(T + 100)[..2]), &[]);
    expect(&pair(&files(T - 100), &files(T - 200)), &[]);
}

#[test]
fn modes_and_owners_that_differ_alike_are_said_once() {
    let modes = |dir: u32, first: u32, second: u32| {
        [Entry::dir("d/", T).mode(dir), file("d/x", "1").mode(first), file("d/y", "2").mode(second)]
    };
    let pair = Pair::layers(&modes(0o755, 0o644, 0o755), &modes(0o775, 0o664, 0o775));
    expect(&pair, &["all 3 modes that differ do so by one umask: A looks built under 0022, B under 0002"]);
    assert_eq!(pair.json(&[])["verdict"], "different");
    expect(&Pair::layers(&modes(0o755, 0o644, 0o755), &modes(0o775, 0o600, 0o775)), &[]);
    let owned = |uid: u64, gid: u64, last: u64| {
        [file("x", "1"), file("y", "2")]
            .into_iter()
            .zip([uid, last])
            .map(|(e, uid)| Entry { uid, gid, ..e })
            .collect::<Vec<_>>()
    };
    let pair = Pair::layers(&owned(0, 0, 0), &owned(1000, 1000, 1000));
    expect(&pair, &["all 4 uids and gids that differ are mapped alike: 0 in A is 1000 in B"]);
    expect(&Pair::layers(&owned(0, 0, 0), &owned(1000, 0, 1001)), &[]);
}

#[test]
fn a_directory_with_another_name_is_said_once() {
    let folder = |name: &str, data: &str| {
        vec![
            Entry::dir("opt/", T),
            Entry::dir(format!("opt/{name}/"), T),
            Entry::dir(format!("opt/{name}/lib/"), T),
            file(&format!("opt/{name}/lib/a"), "1"),
            Entry { mode: 0o644, ..Entry::link(b'1', format!("opt/{name}/lib/b"), format!("opt/{name}/lib/a"), T) },
            Entry::link(b'2', format!("opt/{name}/l"), format!("/opt/{name}/lib"), T),
            file(&format!("opt/{name}/main"), data),
        ]
    };
    let pair = Pair::layers(&folder("app-1a2b", "x"), &folder("app-9f8e", "x"));
    expect(&pair, &["opt/app-1a2b/ in A is opt/app-9f8e/ in B, with the same 4 files"]);
    assert_eq!(pair.json(&[])["verdict"], "different");
    // Without entries for directories.
    let bare = |name: &str| vec![file(&format!("{name}/lib/a"), "1"), file(&format!("{name}/lib/b"), "2")];
    expect(&Pair::layers(&bare("p1"), &bare("p2")), &["p1/ in A is p2/ in B, with the same 2 files"]);
    // Another content, another mode, a file more, another place; a file alone is no directory.
    expect(&Pair::layers(&folder("app-1a2b", "x"), &folder("app-9f8e", "y")), &[]);
    let mut more = folder("app-9f8e", "x");
    more.push(file("opt/app-9f8e/more", ""));
    expect(&Pair::layers(&folder("app-1a2b", "x"), &more), &[]);
    let mut mode = folder("app-9f8e", "x");
    mode[6].mode = 0o600;
    expect(&Pair::layers(&folder("app-1a2b", "x"), &mode), &[]);
    expect(&Pair::layers(&bare("p1"), &bare("q/p1")), &[]);
    expect(&Pair::layers(&[file("d/a1", "1")], &[file("d/a2", "1")]), &[]);
    // What is accepted needs no explanation.
    let pair = Pair::layers(&bare("p1"), &bare("p2"));
    assert!(said(&pair, &["--ignore-path", "p1/**", "--ignore-path", "p2/**"]).is_empty());
}
