//! What the README shows and promises is so.

// Names of tests are sentences, and a test that can't go on has failed.
#![allow(clippy::unwrap_used, clippy::panic)]

const README: &str = include_str!("../README.md");

/// The code blocks of a language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let parts = README.split("\n```").skip(1).step_by(2);
    parts.filter_map(move |part| part.split_once('\n')).filter(move |(name, _)| *name == language).map(|(_, text)| text)
}

#[test]
fn every_recipe_pushes_the_whole_index_with_its_digests() {
    let pushes = || README.lines().filter(|line| line.contains("skopeo copy ") && line.contains("docker://"));
    assert_eq!(pushes().count(), 3);
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
    let job = blocks("yaml").find(|block| block.contains("CI_COMMIT_SHA")).unwrap();
    let names: Vec<&str> = job.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(!names.is_empty());
    for name in names {
        let name = name.strip_suffix(':').unwrap_or_else(|| panic!("not the name of a job: {name}"));
        assert!(!keywords.contains(&name), "{name}");
    }
}
