//! `restamp bulk`: plans, shards, records.

use std::path::Path;

use super::{image, put};
use crate::support::layer::{Family, Packing};
use crate::support::layout::OCI_MANIFEST;
use crate::support::registry::{Registry, Reply};
use crate::support::{Build, Outcome, finish, restamp, run, scratch, sha256, write, zoo};

fn plan(registry: &Registry, folder: &Path, sources: &[&str]) -> String {
    let to = format!("docker://{}/new/{{repo}}:{{tag}}-s", registry.address);
    let names: Vec<String> = sources.iter().map(|source| registry.name(source)).collect();
    let out = run(["bulk", "plan", "--to", &to].into_iter().chain(names.iter().map(String::as_str)).chain([
        "--",
        "--epoch",
        "1700000000",
    ]));
    let text = out.expect(0).text();
    write(folder, "work.jsonl", text.as_bytes());
    text
}

fn work(folder: &Path, arguments: &[&str], index: Option<&str>) -> Outcome {
    let mut command = restamp();
    let (plan, state) = (folder.join("work.jsonl"), folder.join("state"));
    command.args(["bulk", "run", plan.to_str().unwrap(), "--state", state.to_str().unwrap()]).args(arguments);
    if let Some(index) = index {
        command.env("JOB_COMPLETION_INDEX", index);
    }
    finish(&mut command, None)
}

/// A registry with three tags of `a` and one of `b`.
fn filled() -> Registry {
    let registry = Registry::start();
    for tag in ["v1", "v2", "w1"] {
        put(&registry, "a", tag, &image());
    }
    put(&registry, "b", "v1", &zoo(&Build::FIRST, Packing::Gzip, Family::Oci));
    registry
}

#[test]
fn a_plan_pins_every_tag_and_a_run_does_each_once() {
    let registry = filled();
    let folder = scratch();
    let text = plan(&registry, folder.path(), &["a:v*", "b"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let pinned = sha256(&image().manifest(&Build::FIRST));
    assert!(lines[1].contains(&format!("/a@{pinned}")) && lines[1].contains("/new/a:v1-s"), "{text}");
    // A tag that moves afterwards is done as it was planned.
    put(&registry, "a", "v1", &zoo(&Build::SECOND, Packing::Gzip, Family::Oci));
    let out = work(folder.path(), &[], None).expect(0);
    assert!(out.stderr.contains("3 images: 3 done, 0 there already, 0 failed"), "{}", out.stderr);
    assert_eq!(registry.tag("new/a", "v1-s"), registry.tag("new/a", "v2-s"));
    assert!(registry.tag("new/b", "v1-s").is_some() && registry.tag("new/a", "w1-s").is_none());
    registry.take_log();
    let out = work(folder.path(), &[], None).expect(0);
    assert!(out.stderr.contains("3 images: 0 done, 3 there already"), "{}", out.stderr);
    let log = registry.take_log();
    assert!(log.iter().all(|one| one.method == "HEAD"), "{log:?}");
    // A tag that something else has moved since is moved back.
    put(&registry, "new/a", "v1-s", &image());
    work(folder.path(), &[], None).expect(0);
    assert_eq!(registry.tag("new/a", "v1-s"), registry.tag("new/a", "v2-s"));
}

#[test]
fn shards_do_all_of_it_between_them() {
    let registry = filled();
    for name in ["c", "d", "e", "f"] {
        put(&registry, name, "v1", &image());
    }
    let folder = scratch();
    plan(&registry, folder.path(), &["a", "b", "c", "d", "e", "f"]);
    let mut images = 0;
    for index in ["0", "1", "2"] {
        let out = work(folder.path(), &["--shard", "/3"], Some(index)).expect(0);
        let line = out.stderr.lines().last().unwrap().to_owned();
        images += line.split(' ').next().unwrap().parse::<u32>().unwrap();
    }
    assert_eq!(images, 8);
    for name in ["b", "c", "d", "e", "f"] {
        assert!(registry.tag(&format!("new/{name}"), "v1-s").is_some(), "{name}");
    }
    work(folder.path(), &["--shard", "/3"], None).expect_error(&["JOB_COMPLETION_INDEX"]);
    work(folder.path(), &["--shard", "3/3"], None).expect_error(&["I/N"]);
}

#[test]
fn an_image_that_fails_ends_the_run_or_is_counted() {
    let registry = filled();
    let folder = scratch();
    plan(&registry, folder.path(), &["a", "b"]);
    registry.fault(|request, _| request.is("POST", "/new/a/").then(|| Reply::error(403, "DENIED", "not here")));
    work(folder.path(), &[], None).expect_error(&["DENIED: not here", "/new/a:v1-s"]);
    assert!(registry.tag("new/b", "v1-s").is_none());
    let out = work(folder.path(), &["--keep-going"], None).expect(2);
    assert!(out.stderr.contains("4 images: 1 done, 0 there already, 3 failed"), "{}", out.stderr);
    assert!(registry.tag("new/b", "v1-s").is_some());
}

#[test]
fn what_is_wrong_with_a_plan_is_said_before_anything_is_done() {
    let registry = filled();
    let to = format!("docker://{}/new:{{tag}}", registry.address);
    let (a, b) = (registry.name("a"), registry.name("b"));
    run(["bulk", "plan", "--to", &to, &a]).expect_error(&["no epoch given"]);
    run(["bulk", "plan", "--to", &to, &a, &b, "--", "--epoch", "5"])
        .expect_error(&["two images would become", "{repo}"]);
    run(["bulk", "plan", "--to", "docker://x/new:1", &a, "--", "--epoch", "5"]).expect_error(&["{repo}"]);
    run(["bulk", "plan", "--to", "x", &a]).expect_error(&["docker://"]);
    run(["bulk", "plan", "--to", &to, &a, "--", "--name", "x:1"]).expect_error(&["--name"]);
    run(["bulk", "plan", "--to", &to, &a, "--", "--epoch", "5", "--base", "oci:base"])
        .expect_error(&["--base", "registry"]);
    run(["bulk", "plan", "--to", &to, &a, "--", "--output", "x"]).expect_error(&["bulk plan --"]);
    run(["bulk", "plan", "--to", &to, &a, "--", "--in-place"]).expect_error(&["--in-place"]);
    let folder = scratch();
    let text = plan(&registry, folder.path(), &["a"]);
    write(folder.path(), "work.jsonl", text.replace("1700000000", "1").as_bytes());
    work(folder.path(), &[], None).expect_error(&["line 1", "changed by hand"]);
    write(folder.path(), "work.jsonl", b"");
    work(folder.path(), &[], None).expect_error(&["empty"]);
    let broken: Vec<&str> = text.lines().take(2).collect();
    write(folder.path(), "work.jsonl", broken.join("\n").as_bytes());
    work(folder.path(), &[], None).expect_error(&["no end"]);
}

#[test]
fn a_plan_says_all_that_its_runs_depend_on() {
    let registry = filled();
    put(&registry, "base", "1", &image());
    registry.put_manifest("a", &format!("sha256-{}.sig", "0".repeat(64)), OCI_MANIFEST, b"{}");
    let to = format!("docker://{}/{{repo}}:{{tag}}-s", registry.address);
    let mut command = restamp();
    let base = format!("--base={}", registry.name("base:1"));
    command
        .args(["bulk", "plan", "--to", &to, &registry.name("a"), "--", &base])
        .env("SOURCE_DATE_EPOCH", "1700000000");
    let out = finish(&mut command, None).expect(0);
    let digest = registry.tag("base", "1").unwrap();
    let first = out.text().lines().next().unwrap().to_owned();
    assert!(first.contains(r#""--epoch","1700000000""#) && first.contains(&format!("base@{digest}")), "{first}");
    assert!(out.stderr.contains("3 images planned; 1 tag left out"), "{}", out.stderr);
}

#[test]
fn a_tag_that_was_pushed_since_it_was_planned_is_not_taken_away() {
    let registry = filled();
    let folder = scratch();
    let to = format!("docker://{}/{{repo}}:{{tag}}", registry.address);
    let out = run(["bulk", "plan", "--to", &to, &registry.name("a:v1"), "--", "--epoch", "1700000000"]).expect(0);
    write(folder.path(), "work.jsonl", out.text().as_bytes());
    let newer = put(&registry, "a", "v1", &zoo(&Build::SECOND, Packing::Gzip, Family::Oci));
    work(folder.path(), &[], None).expect_error(&["has moved since it was planned"]);
    assert_eq!(registry.tag("a", "v1").unwrap(), newer);
}

#[test]
fn repositories_may_come_from_a_file() {
    let registry = filled();
    let folder = scratch();
    let list = format!("# ours\n{}\n\n{}:v1\n", registry.name("b"), registry.name("a"));
    let list = write(folder.path(), "repositories", list.as_bytes());
    let to = format!("docker://{}/{{repo}}:{{tag}}-s", registry.address);
    let out = run(["bulk", "plan", "--repos", list.to_str().unwrap(), "--to", &to, "--", "--clamp", "--epoch", "5"])
        .expect(0);
    assert_eq!(out.text().lines().count(), 4);
    assert!(out.stderr.contains("2 images planned"), "{}", out.stderr);
}
