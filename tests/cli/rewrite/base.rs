//! What stays: the base's layers and history, and under `--clamp` all that is old enough.

use super::*;

/// An image on a base, and the base alone in a layout directory.
fn on_base(dir: &Path) -> (Image, Image) {
    let build = Build::FIRST;
    // The base is older, and compressed by someone else.
    let before = Build { seconds: build.seconds - 1000, level: 1, ..build };
    let below = Layer::new(base(&before), Packing::Gzip, Family::Oci, &before);
    let base = Image::new(vec![below.clone()], Family::Oci, &before, &["base:1"]);
    Layout::of(&base, &before).write(&dir.join("base"));
    let above = Layer::new(app(&build), Packing::Gzip, Family::Oci, &build);
    (Image::new(vec![below, above], Family::Oci, &build, &["hello:1"]), base)
}

/// The text between `"history":[` and the bracket that closes it.
fn history(config: &[u8]) -> String {
    let text = std::str::from_utf8(config).unwrap();
    let (_, rest) = text.split_once("\"history\":[").unwrap();
    rest.split_once("],\"moby").unwrap().0.to_owned()
}

#[test]
fn the_layers_and_history_of_the_base_stay_as_they_are() {
    let dir = scratch();
    let (mut image, below) = on_base(dir.path());
    // The history begins with all of the base's, the entry without a layer at its end included.
    let own = history(&image.config);
    let (_, above) = own.split_once(',').and_then(|_| own.split_once("]},")).unwrap();
    let joined = format!("{},{above}", history(&below.config));
    image.config = String::from_utf8(image.config).unwrap().replace(&own, &joined).into_bytes();
    let before: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    assert_eq!(before["history"].as_array().unwrap().len(), 4);
    let bytes = Layout::of(&image, &Build::FIRST).tar(&Build::FIRST);
    let base = format!("oci:{}", text(&dir.path().join("base")));
    for (options, kept) in [
        (&["--base", base.as_str()][..], 2),
        // A number of layers does not tell whose the next entry without one is.
        (&["--base-layers", "1"], 1),
        (&["--clamp", "--base", &base], 2),
    ] {
        let out = filter(&bytes, options);
        assert!(filter(&out, options) == out, "not idempotent with {options:?}");
        let seen = judge::walk(&read_tar(&out));
        assert_eq!(seen.layers[0].0, below.layers[0].digest(), "{options:?}");
        assert_ne!(seen.layers[1].0, image.layers[1].digest(), "{options:?}");
        let above = judge::Seen { layers: vec![seen.layers[1].clone()], ..judge::Seen::default() };
        judge::expect_stamped(&above, options.contains(&"--clamp"));
        for (number, entry) in before["history"].as_array().unwrap().iter().enumerate() {
            let created = &seen.configs[0]["history"][number]["created"];
            let expected = if number < kept { &entry["created"] } else { &support::EPOCH_DATE.into() };
            assert_eq!(created, expected, "history[{number}] with {options:?}");
        }
        assert_eq!(seen.configs[0]["created"], support::EPOCH_DATE, "{options:?}");
    }
}

#[track_caller]
fn only_the_first_step_is_kept(dir: &Path, image: &Image) {
    let base = format!("oci:{}", text(&dir.join("base")));
    let out = filter(&Layout::of(image, &Build::FIRST).tar(&Build::FIRST), &["--base", &base]);
    let history = judge::walk(&read_tar(&out)).configs[0]["history"].clone();
    assert_eq!(history[0]["created"], Build::FIRST.date(0));
    assert_eq!(history[1]["created"], support::EPOCH_DATE);
}

#[test]
fn history_of_own_layers_is_stamped_whatever_the_base_has() {
    // The base has an entry more than the image has for the layers of the base.
    let dir = scratch();
    let (image, _) = on_base(dir.path());
    only_the_first_step_is_kept(dir.path(), &image);
}

#[test]
fn own_steps_behind_the_base_are_stamped_however_many_the_base_has() {
    // The base ends with a step that makes no layer; so does what was built on it, but with one of its own.
    let dir = scratch();
    let (mut image, _) = on_base(dir.path());
    let mut config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    let own = serde_json::json!({"created": Build::FIRST.date(9), "created_by": "ENV OWN=1", "empty_layer": true});
    config["history"].as_array_mut().unwrap().insert(1, own);
    image.config = serde_json::to_vec(&config).unwrap();
    only_the_first_step_is_kept(dir.path(), &image);
}

#[test]
fn what_is_no_base_of_the_image_is_refused() {
    let dir = scratch();
    let (image, _) = on_base(dir.path());
    let other = hello(&Build::SECOND, Packing::Gzip);
    let source = write(dir.path(), "in.tar", &Layout::of(&other, &Build::SECOND).tar(&Build::SECOND));
    let base = format!("oci:{}", text(&dir.path().join("base")));
    let to = dir.path().join("out.tar");
    let outcome = run(["rewrite", "--epoch", "1700000000", "--base", &base, text(&source), text(&to)]);
    // Where they part: the diff_ids of both.
    outcome.expect_error(&[
        &other.layers[0].diff_id()["sha256:".len()..][..12],
        &image.layers[0].diff_id()["sha256:".len()..][..12],
    ]);
    run(["rewrite", "--epoch", "1700000000", "--base-layers", "3", text(&source), text(&to)]).expect_error(&["3", "2"]);
    assert!(!to.exists());
}

#[test]
fn clamp_lowers_what_is_later_and_leaves_the_rest() {
    // The base layer was made before the epoch, by another compressor; the other layer after it.
    let build = Build::FIRST;
    let before = Build { seconds: EPOCH - 50, level: 1, members: 3, ..build };
    let layers = vec![
        Layer::new(base(&before), Packing::Gzip, Family::Oci, &before),
        Layer::new(app(&build), Packing::Gzip, Family::Oci, &build),
    ];
    let image = Image::new(layers, Family::Oci, &build, &["hello:1"]);
    let layout = Layout::of(&image, &build);
    let files = read_tar(&filter(&layout.tar(&build), &["--clamp"]));
    let (old, new) = (judge::walk(&layout.all()), judge::walk(&files));
    assert_eq!(new.layers[0].0, old.layers[0].0, "a layer in which nothing changes keeps its blob");
    judge::expect_stamped(&new, true);
    judge::expect_lossless(&old, &new);
    let mtime = |seen: &judge::Seen, name: &str| {
        let times = judge::times(&seen.layers[1].2);
        times.into_iter().find(|(place, _)| place == &format!("{name} mtime")).unwrap().1
    };
    assert_eq!(mtime(&new, "app/old"), "981173106");
    assert_eq!(mtime(&new, "app/late"), EPOCH.to_string());
    assert_eq!(mtime(&old, "app/late"), "2082758400");
}

#[test]
fn clamp_leaves_an_image_that_is_old_enough_alone() {
    let build = Build { seconds: EPOCH - 1000, ..Build::FIRST };
    let layers = vec![Layer::new(base(&build), Packing::Gzip, Family::Oci, &build)];
    let layout = Layout::of(&Image::new(layers, Family::Oci, &build, &["hello:1"]), &build);
    assert_eq!(read_tar(&filter(&layout.tar(&build), &["--clamp"])), layout.all());
}

#[test]
fn a_base_that_is_another_one_is_called_so() {
    let dir = scratch();
    let (image, _) = on_base(dir.path());
    let other = Image::new(vec![image.layers[1].clone()], Family::Oci, &Build::FIRST, &["other:1"]);
    let path = write(dir.path(), "other.tar", &Layout::of(&other, &Build::FIRST).tar(&Build::FIRST));
    let base = format!("oci:{}", text(&dir.path().join("base")));
    let [below, own] = [image.layers[0].diff_id(), other.layers[0].diff_id()];
    run(["rewrite", "--epoch", "1", "--base", &base, text(&path)]).expect_error(&[&format!(
        "not built on this base: layer 0 is {below} in the base and {own} here (was the base updated in between?)\n"
    )]);
}

/// An image of two layers whose config is changed.
fn with_config(edit: &dyn Fn(&mut serde_json::Value)) -> Layout {
    let mut image = support::hello(&Build::FIRST, Packing::Gzip);
    let mut config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    edit(&mut config);
    image.config = serde_json::to_vec(&config).unwrap();
    Layout::of(&image, &Build::FIRST)
}

#[test]
fn history_that_does_not_fit_the_layers_is_stamped_and_named() {
    let step =
        |empty: bool| serde_json::json!({"created": Build::FIRST.date(0), "created_by": "x", "empty_layer": empty});
    for (history, words) in [
        (vec![step(true), step(true), step(true)], Some("not have one entry for each layer")),
        (vec![step(false)], Some("not have one entry for each layer")),
        (vec![step(false), step(true), step(false)], None),
        (vec![], None),
    ] {
        let layout = with_config(&|config| config["history"] = serde_json::json!(history));
        let arguments = ["rewrite", "--epoch", "1700000000", "--base-layers", "1"];
        let out = support::pipe(arguments, &layout.tar(&Build::FIRST)).expect(0);
        assert_eq!(out.stderr.contains("warning"), words.is_some(), "{}", out.stderr);
        assert!(out.stderr.contains(words.unwrap_or_default()), "{}", out.stderr);
        let seen = judge::walk(&read_tar(&out.stdout));
        let kept = seen.configs[0]["history"].as_array().unwrap().iter();
        let kept = kept.filter(|entry| entry["created"] == serde_json::json!(Build::FIRST.date(0))).count();
        assert_eq!(kept, usize::from(words.is_none() && !history.is_empty()));
        support::pipe(["check", "--epoch", "1700000000", "--base-layers", "1"], &out.stdout).expect(0);
    }
}

#[test]
fn a_config_without_rootfs_is_stamped_if_there_are_no_layers_and_refused_if_there_are() {
    let with_layers = with_config(&|config| drop(config.as_object_mut().unwrap().remove("rootfs")));
    support::pipe(["rewrite", "--epoch", "1700000000"], &with_layers.tar(&Build::FIRST))
        .expect_error(&["0 diff_ids", "2 layers"]);
    let mut image = Image::new(Vec::new(), Family::Docker, &Build::FIRST, &["hello:1"]);
    image.config = format!(
        r#"{{"architecture":"amd64","os":"linux","created":"{}","history":null,"config":{{}}}}"#,
        Build::FIRST.date(0)
    )
    .into_bytes();
    let layout = Layout::of(&image, &Build::FIRST);
    support::pipe(["check", "--epoch", "1700000000"], &layout.tar(&Build::FIRST)).expect(1);
    let new = filter(&layout.tar(&Build::FIRST), &[]);
    let is_stamped = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(support::EPOCH_DATE);
    let configs: Vec<_> = read_tar(&new).into_values().filter(|bytes| bytes.starts_with(b"{\"arch")).collect();
    assert!(configs.len() == 1 && configs.iter().all(is_stamped));
    support::pipe(["check", "--epoch", "1700000000"], &new).expect(0);
}
