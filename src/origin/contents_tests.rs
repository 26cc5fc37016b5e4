use super::*;
use crate::origin::taker::LayerFiles;
use crate::packages::rpm::tests::bash;
use crate::packages::sqlite::tests::made;

fn contents(files: &[(&str, &[u8])]) -> Contents {
    let records = files.iter().map(|(path, bytes)| {
        let what = What::File(Extent::of_bytes(bytes.to_vec()), 1_704_067_200);
        (path.as_bytes().into(), what)
    });
    Contents::of(&Root::of([&LayerFiles { records: records.collect(), is_cut: false }]))
}

fn names(found: &Contents) -> Vec<String> {
    let all = found.databases.iter().flat_map(|database| database.list.iter().map(move |package| (database, package)));
    all.map(|(database, package)| format!("{} {} {}", database.manager.name(), package.name, package.version)).collect()
}

const RELEASE: &[u8] = b"ID=fedora\nVERSION_ID=40\n";

#[test]
fn rpm_is_read_from_its_database() {
    let database = made(4096, "Packages", &[bash()]);
    for folder in ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"] {
        let found = contents(&[("etc/os-release", RELEASE), (&format!("{folder}/rpmdb.sqlite"), &database)]);
        assert_eq!(names(&found), ["rpm bash 2:5.2.26-3.fc40"], "{folder}");
        assert_eq!(found.distribution.unwrap().release.id.as_deref(), Some("fedora"));
        let candidate = &found.candidates[0];
        assert_eq!(
            (candidate.seconds, candidate.bound, candidate.how),
            (1_706_000_000, Bound::NotBefore, How::Derived)
        );
        assert_eq!(found.problems, [""; 0]);
    }
}

#[test]
fn forms_of_rpm_that_are_not_read_are_named() {
    for (name, says) in [("Packages", "Berkeley DB"), ("Packages.db", "ndb"), ("rpmdb.sqlite", "SQLite")] {
        let found = contents(&[(&format!("var/lib/rpm/{name}"), b"x")]);
        assert!(found.problems.len() == 1 && found.problems[0].contains(says), "{:?}", found.problems);
        assert_eq!(found.databases.len(), 0);
    }
    let database = made(4096, "Packages", &[bash()]);
    let found = contents(&[("var/lib/rpm/rpmdb.sqlite", &database), ("var/lib/rpm/rpmdb.sqlite-wal", b"x")]);
    assert_eq!((found.databases.len(), found.problems.len()), (1, 1));
    let found = contents(&[("var/lib/rpm/rpmdb.sqlite", &database), ("var/lib/rpm/rpmdb.sqlite-wal", b"")]);
    assert_eq!((found.databases.len(), found.problems.len()), (1, 0));
}

#[test]
fn a_broken_database_is_named_and_the_others_are_read() {
    let found = contents(&[
        ("var/lib/dpkg/status", b"Package a\n"),
        ("var/lib/dpkg/status.d/base", b"Package: base\nVersion: 1\nArchitecture: all\n"),
        ("var/lib/dpkg/status.d/bad", b"Version: 1\n"),
        ("lib/apk/db/installed", b"P:musl\nV:1-r0\nA:x86_64\nt:1700000000\n"),
        ("var/lib/pacman/local/x-1/desc", b"%NAME%\nx\n\n%VERSION%\n1\n"),
        ("var/lib/pacman/local/y-1/desc", b"x"),
    ]);
    assert_eq!(names(&found), ["dpkg base 1", "apk musl 1-r0", "pacman x 1"]);
    assert_eq!(found.problems.len(), 3, "{:?}", found.problems);
    assert!(
        found.problems.iter().any(|problem| problem.starts_with("var/lib/dpkg/status: line 1:")),
        "{:?}",
        found.problems
    );
}

#[test]
fn dates_and_components_come_from_lists() {
    let found = contents(&[
        (
            "etc/apt/sources.list.d/debian.sources",
            b"Types: deb\n# http://snapshot.debian.org/archive/debian/20240110T000000Z\nComponents: main\n",
        ),
        ("etc/apt/sources.list.d/other.list", b"deb http://x y contrib\n"),
        ("var/log/pacman.log", b"x"),
        ("etc/apt/keys", b"x"),
    ]);
    let dates: Vec<_> = found.candidates.iter().map(|found| (found.how, found.seconds)).collect();
    let guess = (How::Guess, 1_704_067_200);
    assert_eq!(dates, [(How::Stated, 1_704_844_800), guess, guess]);
    assert_eq!(found.components.into_iter().collect::<Vec<_>>(), ["contrib", "main"]);
}

#[test]
fn hashes_come_from_the_lists_of_apt() {
    let status = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\nPackage: b\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";
    let hash = "0a".repeat(32);
    let listed = |version: &str| format!("Package: a\nVersion: {version}\nArchitecture: all\nSHA256: {hash}\n\n");
    let list = listed("2").replace("0a", "0b") + &listed("1");
    let lists = "var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages";
    let found = contents(&[("var/lib/dpkg/status", status), (lists, list.as_bytes())]);
    let hashes: Vec<_> = found.databases[0].list.iter().map(|package| package.hash.clone()).collect();
    assert_eq!(hashes, [Some(format!("sha256:{hash}")), None]);
    assert_eq!(found.problems, [""; 0]);
}
