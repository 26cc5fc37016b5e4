//! Documents, and what builders do differently.

use crate::diff::{BUILD, Pair, T, file, image, packed, with_config};
use crate::support::graph::{Attestation, platforms};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{self, Build, docker, run, text};

#[test]
fn one_class_for_each_habit_of_builders() {
    // Order.
    let (x, y, z) = (file("x", "1"), file("y", "2"), file("z", "3"));
    Pair::layers(&[x.clone(), y.clone(), z.clone()], &[z.clone(), x.clone(), y.clone()]).expect(&[(
        "order",
        "",
        "order of entries",
    )]);
    // Which of two hard links is the file.
    let link = |name: &str, to: &str| Entry { mode: 0o644, ..Entry::link(b'1', name, to, T) };
    let pair = Pair::layers(&[file("x", "1"), link("y", "x")], &[file("y", "1"), link("x", "y")]);
    assert!(pair.found(&[]).iter().all(|(class, _, _)| class == "order"), "{:?}", pair.found(&[]));
    // Compression.
    let tars = || vec![tar(std::slice::from_ref(&x))];
    Pair::images(&packed(tars(), Packing::Gzip), &packed(tars(), Packing::Plain)).expect(&[(
        "compression",
        "",
        "compression",
    )]);
    Pair::images(&packed(tars(), Packing::Gzip), &packed(tars(), Packing::Zstd)).expect(&[(
        "compression",
        "",
        "compression",
    )]);
    let level = |level| {
        let layer = Layer::new(
            tar(&[Entry::file("n", support::noise(9000, 1).repeat(9), T)]),
            Packing::Gzip,
            Family::Oci,
            &Build { level, ..BUILD },
        );
        Image::new(vec![layer], Family::Oci, &BUILD, &["app:1"])
    };
    let pair = Pair::images(&level(1), &level(9));
    pair.expect(&[("compression", "", "compression")]);
    assert_eq!(pair.json(&[])["verdict"], "same-after-restamping");
    // JSON.
    let image = image(tars());
    Pair::images(&image, &with_config(&image, r#" "created" : "#, r#""created":"#))
        .found(&[])
        .iter()
        .for_each(|f| assert_eq!((f.0.as_str(), f.2.as_str()), ("format", "spelling")));
    Pair::images(&image, &with_config(&image, r"J\u00f6rg", "Jörg")).expect(&[("format", "", "spelling")]);
    // Names.
    let renamed = Image { tags: vec!["app:2".to_owned()], ..image.clone() };
    let found = Pair::images(&image, &renamed).found(&[]);
    assert_eq!(found, [("name".to_owned(), String::new(), "name".to_owned())]);
    // Media types.
    let [oci, dock] = [Family::Oci, Family::Docker].map(|family| {
        Image::new(
            vec![Layer::new(tar(std::slice::from_ref(&x)), Packing::Gzip, family, &BUILD)],
            family,
            &BUILD,
            &["app:1"],
        )
    });
    let found = Pair::images(&oci, &dock).found(&[]);
    assert!(
        found.iter().filter(|f| f.2.ends_with("ediaType")).all(|f| f.0 == "format") && found.len() >= 3,
        "{found:?}"
    );
}

#[test]
fn configs_are_compared_with_all_they_hold() {
    let image = image(vec![tar(&[file("a", "1")])]);
    for (from, to, class, field) in [
        (r#"["CMD","true"]"#, r#"["CMD","false"]"#, "content", "config.Healthcheck.Test[1]"),
        (r#""OnBuild":["RUN true"]"#, r#""OnBuild":["RUN evil"]"#, "content", "config.OnBuild[0]"),
        (r#""Shell":["/bin/sh","-ec"]"#, r#""Shell":["/bin/sh","-c"]"#, "content", "config.Shell[1]"),
        (r#","Shell":["/bin/sh","-ec"]"#, "", "content", "config.Shell"),
        (r#""x-unknown":[1, 2.50]"#, r#""x-unknown":[1, 2.51]"#, "content", "history[0][\"x-unknown\"][1]"),
        (r#""maintainer":"x""#, r#""maintainer":"y""#, "content", "config.Labels.maintainer"),
        (r#""Env":null"#, r#""Env":["A=1"]"#, "content", "config.Env"),
        (r#""Env":null,"#, "", "format", "config.Env"),
        (r#""docker_version":"27.0\/x""#, r#""docker_version":"28""#, "format", "docker_version"),
        (
            r#""moby.buildkit.cache.v0":"e30=""#,
            r#""moby.buildkit.cache.v0":"e31=""#,
            "log-or-cache",
            "[\"moby.buildkit.cache.v0\"]",
        ),
        (r#""created" : "2025"#, r#""created" : "2024"#, "time", "created"),
    ] {
        let pair = Pair::images(&image, &with_config(&image, from, to));
        let found: Vec<_> = pair.found(&[]).into_iter().map(|(class, _, field)| (class, field)).collect();
        assert_eq!(found, [(class.to_owned(), field.to_owned())], "{from} -> {to}");
    }
    let [a, b] =
        [r#""Env":["A=1","B=2"]"#, r#""Env":["B=2","A=1"]"#].map(|env| with_config(&image, r#""Env":null"#, env));
    Pair::images(&a, &b).expect(&[("order", "", "config.Env")]);
}

#[test]
fn an_attestation_more_stops_nothing() {
    let with = platforms(&BUILD, Packing::Gzip, Some(Attestation::New)).tar(&BUILD);
    let without = platforms(&BUILD, Packing::Gzip, None).tar(&BUILD);
    let pair = Pair::of(&with, &without);
    let found = pair.found(&[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|(class, _, field)| class == "format" && field == "attestation"));
    // What differs beside it is found all the same.
    let other = platforms(&Build { seconds: BUILD.seconds + 50, ..BUILD }, Packing::Gzip, None).tar(&BUILD);
    let found = Pair::of(&with, &other).found(&[]);
    assert!(found.iter().any(|(class, path, _)| class == "time" && path == "bin/hello"), "{found:?}");
    // A statement is compared value by value; its times are facts that rewriting leaves.
    let later =
        platforms(&Build { seconds: BUILD.seconds + 50, ..BUILD }, Packing::Gzip, Some(Attestation::New)).tar(&BUILD);
    let report = Pair::of(&with, &later).json(&[]);
    assert_eq!(report["verdict"], "explainable");
}

#[test]
fn two_builds_are_the_same_after_restamping() {
    let [a, b] = [Build::FIRST, Build::SECOND].map(|build| support::zoo(&build, Packing::Gzip, Family::Oci));
    let pair = Pair::of(&Layout::of(&a, &Build::FIRST).tar(&BUILD), &Layout::of(&b, &Build::SECOND).tar(&BUILD));
    let report = pair.json(&[]);
    assert_eq!(report["verdict"], "same-after-restamping", "{:#}", report["differences"]);
    pair.run(&["--semantic"]).expect(0);
    pair.run(&[]).expect(1);
    // And so they are.
    let stamped = ["a", "b"].map(|name| pair.dir.path().join(format!("{name}.out.tar")));
    for (from, to) in [(&pair.a, &stamped[0]), (&pair.b, &stamped[1])] {
        run(["rewrite", "--epoch", "1700000000", text(from), text(to)]).expect(0);
    }
    assert_eq!(run(["diff", text(&stamped[0]), text(&stamped[1])]).expect(0).text(), "identical\n");
}

#[test]
fn an_image_is_identical_to_itself_in_every_carrier() {
    let image = docker::plain(image(vec![tar(&[file("a", "1")])]));
    let layout = Layout::of(&image, &BUILD).tar(&BUILD);
    for other in [
        layout.clone(),
        docker::podman(std::slice::from_ref(&image)),
        docker::legacy(std::slice::from_ref(&image), &BUILD),
    ] {
        let pair = Pair::of(&layout, &other);
        let outcome = pair.run(&[]).expect(0);
        assert_eq!(outcome.text(), "identical\n");
    }
}

#[test]
fn buildkits_two_builds_and_its_own_rewriting() {
    let Some(shared) = support::shared() else { return };
    let corpus = shared.join("corpus/buildkit");
    let path = |name: &str| corpus.join(name);
    let run = |a: &str, b: &str| run(["diff", text(&path(a)), text(&path(b))]).expect(1).text();
    let shown = run("run1/in-oci-gzip.tar", "run2/in-oci-gzip.tar");
    assert!(shown.starts_with("same after restamping: ") && shown.lines().count() <= 24, "{shown}");
    let shown = run("run1/in-oci-gzip.tar", "run1/truth-oci-gzip.tar");
    assert!(
        // The annotation that BuildKit adds is in one of them alone, and rewriting leaves it there.
        shown.starts_with("explainable: ")
            && shown.contains("looks stamped with the epoch 1700000000, and earlier times are kept, as --clamp does"),
        "{shown}"
    );
}
