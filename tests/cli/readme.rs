//! What the README and the pages in docs/ show and promise is so.

// Names of tests are sentences, and a test that can't go on has failed.
use crate::support;

use std::collections::BTreeSet;

use crate::support::{run, scratch, text};
use serde_json::Value;

const README: &str = include_str!("../../README.md");
const RECIPES: &str = include_str!("../../docs/recipes.md");
const REPORTS: &str = include_str!("../../docs/reports.md");
const POLICY: &str = include_str!("../../docs/policy.md");

/// The code blocks of a language.
fn blocks(page: &'static str, language: &str) -> impl Iterator<Item = &'static str> {
    let parts = page.split("\n```").skip(1).step_by(2);
    parts.filter_map(move |part| part.split_once('\n')).filter(move |(name, _)| *name == language).map(|(_, text)| text)
}

#[test]
fn the_readme_is_short_and_its_pages_are_there() {
    assert!(README.lines().count() <= 120, "{}", README.lines().count());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let links: Vec<&str> = README.split("](docs/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for link in &links {
        assert!(root.join("docs").join(link).is_file(), "{link}");
    }
    for page in std::fs::read_dir(root.join("docs")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        assert!(
            links.iter().any(|link| *link == name || link.starts_with(&format!("{name}/"))),
            "no link to docs/{name}"
        );
    }
}

#[test]
fn every_recipe_pushes_the_whole_index_with_its_digests() {
    let pages = || README.lines().chain(RECIPES.lines());
    let pushes = || {
        pages().filter(|line| {
            line.contains("skopeo copy ")
                && line.contains(" oci-archive:")
                && line.contains("docker://")
                && !line.contains("copy --all docker://")
        })
    };
    assert_eq!(pushes().count(), 4);
    for line in pushes() {
        assert!(line.contains(" --all ") && line.contains(" --preserve-digests "), "{line}");
    }
}

#[test]
fn no_job_of_gitlab_is_called_by_one_of_its_keywords() {
    // https://docs.gitlab.com/ci/yaml/: names that a job can't have, and top-level keywords.
    let keywords = [
        "image",
        "services",
        "stages",
        "before_script",
        "after_script",
        "variables",
        "cache",
        "include",
        "default",
        "workflow",
        "spec",
        "pages",
        "true",
        "false",
        "nil",
    ];
    let job = blocks(RECIPES, "yaml").find(|block| block.contains("CI_COMMIT_SHA")).unwrap();
    let names: Vec<&str> = job.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(!names.is_empty());
    for name in names {
        let name = name.strip_suffix(':').unwrap_or_else(|| panic!("not the name of a job: {name}"));
        assert!(!keywords.contains(&name), "{name}");
    }
}

#[test]
fn what_is_shown_is_what_is_printed() {
    let dir = scratch();
    let stamped = dir.path().join("hello-stamped.tar");
    let shown = blocks(README, "console").next().unwrap();
    let mut count = 0;
    for part in shown.split("$ restamp ").skip(1) {
        let (command, printed) = part.split_once('\n').unwrap();
        let arguments: Vec<String> =
            command.split(' ').map(|word| word.replace("/tmp/hello-stamped.tar", text(&stamped))).collect();
        let outcome = run(&arguments);
        assert_eq!(outcome.text() + &outcome.stderr, printed.trim_end().to_owned() + "\n", "{command}");
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn every_field_of_every_report_is_named() {
    fn keys(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                all.insert(key.clone());
                keys(value, all);
            }),
            Value::Array(list) => list.iter().for_each(|value| keys(value, all)),
            _ => {}
        }
    }
    let dir = scratch();
    let report = dir.path().join("report.json");
    let (to, epoch) = (dir.path().join("out.tar"), ["--epoch", "1700000000"]);
    for source in ["testdata/hello.tar", "testdata/multi.oci.tar", "testdata/zoo.oci.tar"] {
        let rewrite = ["rewrite", "-q", "--report", text(&report), source, text(&to)];
        run(rewrite.iter().chain(&epoch)).expect(0);
        let printed = [
            run(["check", "--json", source].iter().chain(&epoch)).expect(1).text(),
            run(["inspect", "--json", source]).expect(0).text(),
            run(["lock", "--json", source, "--platform", "linux/amd64"]).expect(0).text(),
            std::fs::read_to_string(&report).unwrap(),
        ];
        for (text, start) in
            printed.iter().zip(["`check --json`", "`inspect --json`", "`lock --json`", "`rewrite --report FILE`"])
        {
            let section = REPORTS.split_once(start).unwrap().1;
            let mut table = section.split_once("|---|---|\n").unwrap().1.split("\n\n").next().unwrap().to_owned();
            if start == "`lock --json`" {
                // Its `origin` is described where inspect's is.
                let inspect = REPORTS.split_once("`inspect --json`").unwrap().1;
                table.push_str(inspect.split_once(start).unwrap().0);
            }
            let mut all = BTreeSet::new();
            keys(&serde_json::from_str(text).unwrap(), &mut all);
            assert!(all.len() > 10, "{start}: {all:?}");
            for key in all.iter().filter(|key| *key != "schema") {
                assert!(table.contains(&format!("`{key}`")), "{start}: {key}");
            }
        }
    }
}

#[test]
fn the_policy_is_one() {
    let dir = scratch();
    let policy = support::write(dir.path(), "accepted.toml", blocks(POLICY, "toml").next().unwrap().as_bytes());
    let outcome = run(["diff", "--policy", text(&policy), "testdata/hello.tar", "testdata/hello.tar"]).expect(0);
    assert!(outcome.text().contains("opt/app/build-info"), "{}", outcome.text());
}
