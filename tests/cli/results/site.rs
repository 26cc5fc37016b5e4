//! The site: the same each time, and nothing in it but what was meant.

use std::fs;

use super::{ID, Lab, files};
use crate::support::{names, run, text};

#[test]
fn a_site_is_the_same_each_time_and_shows_failures_first_class() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    let render = |out: &str| run(["results", "render", text(&lab.results()), "--out", text(&lab.path(out))]);
    render("none").expect_error(&["v1 is missing"]);
    lab.add(&same, &["--report", text(&same.join("diff.json"))]).expect(0);
    render("good").expect(0);
    let badge = |out: &str| fs::read_to_string(lab.path(out).join("badge/registry.example__app.json")).unwrap();
    assert_eq!(
        badge("good"),
        "{\"schemaVersion\":1,\"label\":\"reproduced\",\"message\":\"identical, 1 operator\",\"color\":\"1a7f37\"}\n"
    );
    lab.add(&failed, &["--report", text(&failed.join("diff.json"))]).expect(0);
    render("first").expect(0);
    render("second").expect(0);
    assert_eq!(files(&lab.path("first")), files(&lab.path("second")));
    render("first").expect_error(&["it is not empty"]);
    assert!(badge("first").contains("\"failed for 1 of 2 operators\",\"color\":\"b42318\",\"isError\":true"));
    let index = fs::read_to_string(lab.path("first/index.html")).unwrap();
    for part in [
        "registry.example/app",
        "<b class=failed>failed</b> for 1 of 2 operators",
        "Not reproduced: 1 of 1",
        "linux/amd64",
    ] {
        assert!(index.contains(part), "{part}: {index}");
    }
    let subject = lab.log()[0]["subject"].as_str().unwrap().replace(':', "-");
    assert!(index.contains(&format!("href=\"image/{subject}.html\"")), "{index}");
    let page = fs::read_to_string(lab.path("first/image").join(format!("{subject}.html"))).unwrap();
    for part in [
        "test result",
        "equivalence",
        "verification result",
        "Differences, other.example",
        "<b class=failed>failed</b>",
        ID,
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // What does not hold is not rendered, and nothing is left of the try.
    let log = fs::read_to_string(lab.v1("log.jsonl")).unwrap();
    fs::write(lab.v1("log.jsonl"), log.replacen("identical", "FAILED", 1)).unwrap();
    render("third").expect_error(&["log.jsonl", "line 2", "prev"]);
    run(["results", "render", text(&lab.results()), "--out", text(&lab.v1("www"))]).expect_error(&["inside of DIR"]);
    let left: Vec<String> = names(lab.dir.path()).into_iter().filter(|name| name.contains("third")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_list_that_no_signature_names_is_not_that_of_an_operator() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    let page = |out: &str| {
        run(["results", "render", text(&lab.results()), "--out", text(&lab.path(out))]).expect(0);
        let image = lab.path(out).join("image");
        fs::read_to_string(image.join(&names(&image)[0])).unwrap()
    };
    // Whoever adds an equivalence can keep any list beside it.
    lab.add(&same, &["--report", text(&failed.join("diff.json"))]).expect(0);
    let unsigned = page("unsigned");
    assert!(unsigned.contains(": kept beside it, not signed by example-org</h2>"), "{unsigned}");
    assert!(!unsigned.contains("Differences, example-org"), "{unsigned}");
    // A verification result says when it was made; of an equivalence, nobody has signed that.
    assert!(unsigned.contains(", <time>2026-11-20T10:00:00Z"), "{unsigned}");
    assert!(unsigned.contains(", added <time>2026-11-28T09:30:00Z"), "{unsigned}");
    // Another operator's signed statement names it.
    lab.add(&failed, &[]).expect(0);
    let signed = page("signed");
    assert!(signed.contains("Differences, other.example") && !signed.contains("not signed by"), "{signed}");
}

#[test]
fn a_name_is_neither_markup_nor_a_path() {
    let lab = Lab::new();
    let evil = [
        "<script>alert(1)</script>\"'&:1",
        "../../../../evil:1",
        "\u{202e}gnp.exe\u{1b}[31m\u{7}",
        "/etc/passwd",
        &"long/".repeat(200),
        "App",
        "app",
    ];
    for (number, name) in evil.iter().enumerate() {
        let operator = ["example-org", "other.example"][number % 2];
        let candidate = ["testdata/hello.oci.tar", "testdata/zoo.oci.tar"][number % 2];
        let proof = lab.attest(&format!("evil{number}"), candidate, operator, name);
        lab.add(&proof, &["--report", text(&proof.join("diff.json"))]).expect(0);
    }
    lab.check(&[]).expect(0);
    let title = "</title><script>alert(2)</script>";
    let out = lab.path("www");
    run(["results", "render", text(&lab.results()), "--out", text(&out), "--title", title]).expect(0);
    let site = files(&out);
    assert_eq!(site.iter().filter(|(name, _)| name.ends_with(".svg")).count(), evil.len());
    for (name, bytes) in &site {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(!text.contains("<script") && !text.contains("<img"), "{name}: {text}");
        assert!(!text.chars().any(|c| c == '\u{202e}' || (c.is_control() && c != '\n')), "{name}");
        assert!(name.len() < 255 && name.matches('/').count() <= 1 && !name.contains("/."), "{name}");
        let lower = name.to_lowercase();
        assert_eq!(site.iter().filter(|(other, _)| other.to_lowercase() == lower).count(), 1, "{name}");
    }
    let too_long = lab.attest("long", "testdata/hello.oci.tar", "example-org", &"x".repeat(5000));
    lab.add(&too_long, &[]).expect_error(&["length of the name"]);
    assert!(!lab.dir.path().parent().unwrap().join("evil").exists());
}
