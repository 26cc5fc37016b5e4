use super::*;
use crate::lock::policy::Policy;
use crate::origin::Ecosystem;
use crate::origin::{Distribution, LanguageOf, Origin, Snapshot};

const HOSTILE: &str = "x\nRUN touch /x\r\\\n# escape=`\u{2028}$(id)'\";`";

fn package(name: &str, version: &str) -> Package {
    let (name, version) = (name.to_owned(), version.to_owned());
    Package { name, version, architecture: "amd64".to_owned(), source: None, hash: None, built: None }
}

fn document(manager: Manager, from: &str, list: Vec<Package>, release: OsRelease) -> LockDocument {
    let snapshot = Snapshot {
        seconds: Some(1_704_844_800),
        how: Some(How::Guess),
        from: Some("mtime of etc/apt/sources.list".to_owned()),
        not_before: Some("2024-01-01T00:00:00Z".to_owned()),
        ..Snapshot::default()
    };
    let distribution = Some(Distribution { release, how: How::Stated, from: "etc/os-release".to_owned() });
    let origin = Origin { distribution, snapshot, ..Origin::default() };
    LockDocument {
        schema: 1,
        platform: "linux/amd64".parse().unwrap(),
        origin,
        packages: vec![PackageList { manager, from: vec![from.to_owned()], of_base: None, list }],
        source_policy: Policy { version: 1, rules: Vec::new() },
    }
}

fn release(id: &str, codename: &str) -> OsRelease {
    OsRelease { id: Some(id.to_owned()), version_codename: Some(codename.to_owned()), ..OsRelease::default() }
}

/// Instructions as Docker sees them: comments and what a backslash joins.
fn instructions(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (part, next) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match all.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(part),
            None => all.push(part.to_owned()),
        }
        goes_on = next;
    }
    all
}

#[test]
fn debian_is_pinned_to_a_snapshot() {
    let mut lock = document(
        Manager::Dpkg,
        "var/lib/dpkg/status",
        vec![package("bash", "5.2-1+b1")],
        release("debian", "bookworm"),
    );
    let digest = format!("sha256:{}", "0".repeat(64));
    let base = BaseOf {
        name: Some("docker.io/library/debian:12".to_owned()),
        digest: digest.parse().ok(),
        how: How::Stated,
        from: "labels".to_owned(),
    };
    lock.origin.base.push(base);
    let text = dockerfile(&lock, &BTreeSet::from(["main".to_owned()]));
    let found = instructions(&text);
    assert_eq!(found[0], format!("FROM docker.io/library/debian:12@{digest}"));
    assert_eq!(found[1], "ARG SNAPSHOT=20240110T000000Z");
    assert!(found[2].contains("\"deb [check-valid-until=no] http://snapshot.debian.org/archive/debian-security/${SNAPSHOT} bookworm-security main\""), "{text}");
    assert!(found[3].starts_with("RUN apt-get update  && apt-get install"), "{text}");
    assert!(found[3].contains("'bash=5.2-1+b1'"), "{text}");
    assert!(text.contains("# snapshot, guess: mtime of etc/apt/sources.list\n"), "{text}");
    assert_eq!(found.len(), 4);
}

#[test]
fn others_have_a_stage_or_an_archive() {
    let apk = dockerfile(
        &document(Manager::Apk, "lib/apk/db/installed", vec![package("musl", "1.2-r0")], release("alpine", "")),
        &BTreeSet::new(),
    );
    let found = instructions(&apk);
    assert_eq!(&found[..3], ["ARG BASE", "FROM ${BASE} AS base", "FROM base AS packages"], "{apk}");
    assert!(found[5].starts_with("RUN --mount=type=bind,from=packages") && found[5].contains("'musl=1.2-r0'"), "{apk}");
    let rpm = dockerfile(
        &document(
            Manager::Rpm,
            "usr/lib/sysimage/rpm/rpmdb.sqlite",
            vec![package("bash", "0:5-1")],
            release("fedora", ""),
        ),
        &BTreeSet::new(),
    );
    assert!(instructions(&rpm).iter().any(|line| line.contains("'bash-0:5-1.amd64'")), "{rpm}");
    let arch = dockerfile(
        &document(Manager::Pacman, "var/lib/pacman/local", vec![package("bash", "5-1")], release("arch", "")),
        &BTreeSet::new(),
    );
    assert!(instructions(&arch).contains(&"ARG SNAPSHOT=2024/01/10".to_owned()), "{arch}");
    let slim = dockerfile(
        &document(Manager::Dpkg, "var/lib/dpkg/status.d", vec![package("base", "1")], release("debian", "bookworm")),
        &BTreeSet::new(),
    );
    assert_eq!(instructions(&slim), ["ARG BASE", "FROM ${BASE}"]);
}

#[test]
fn nothing_of_an_image_is_run_or_leaves_its_comment() {
    for manager in [Manager::Dpkg, Manager::Apk, Manager::Rpm, Manager::Pacman] {
        let list = vec![package("a$(id)", "1"), package("-o", "1"), package("ok", "1`id`"), package("fine", "1")];
        let hostile = OsRelease {
            pretty_name: Some(HOSTILE.to_owned()),
            version_codename: Some(HOSTILE.to_owned()),
            ..release("debian", "")
        };
        let mut lock = document(manager, HOSTILE, list, hostile);
        lock.origin.base.push(BaseOf {
            name: Some(HOSTILE.to_owned()),
            digest: None,
            how: How::Stated,
            from: HOSTILE.to_owned(),
        });
        lock.origin.problems.push(HOSTILE.to_owned());
        lock.origin.notes.push(HOSTILE.to_owned());
        lock.origin.snapshot.from = Some(HOSTILE.to_owned());
        lock.origin.snapshot.contradictions.push(HOSTILE.to_owned());
        lock.origin.languages.push(LanguageOf { ecosystem: Ecosystem::Npm, count: 3 });
        let text = dockerfile(&lock, &BTreeSet::new());
        assert!(text.starts_with("# Made by restamp"), "{text}");
        for line in instructions(&text) {
            for wrong in ["touch", "id)", "`", "escape", "a$", "'-o"] {
                assert!(!line.contains(wrong), "{line}");
            }
        }
        assert!(instructions(&text).iter().any(|line| line.contains("'fine")), "{text}");
    }
}
