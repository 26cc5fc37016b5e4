//! The trust.toml of a folder, which may come from anybody: nothing else is read for it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::Lab;
use crate::support::{run, text, write};

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn a_trust_file_that_is_a_link_is_not_followed_and_nothing_of_it_is_shown() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &[]).expect(0);
    let trust = lab.results().join("trust.toml");
    let secret = write(lab.dir.path(), "secret", b"TOKEN=hunter2 and more");
    fs::remove_file(&trust).unwrap();
    symlink(&secret, &trust).unwrap();
    let outcome = lab.check(&[]).expect_error(&["trust.toml", "it is a link"]);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    lab.add(&same, &[]).expect_error(&["it is a link"]);
}

#[test]
fn a_trust_file_or_a_key_that_is_no_file_is_not_waited_for() {
    let lab = Lab::new();
    lab.add(&lab.same(), &[]).expect(0);
    let (trust, key) = (lab.results().join("trust.toml"), lab.results().join("example-org.pub"));
    let kept = lab.path("kept.pub");
    fs::rename(&key, &kept).unwrap();
    fifo(&key);
    lab.check(&[]).expect_error(&["example-org.pub", "it is no file"]);
    fs::remove_file(&key).unwrap();
    symlink(&kept, &key).unwrap();
    lab.check(&[]).expect_error(&["example-org.pub", "it is a link"]);
    fs::remove_file(&key).unwrap();
    fs::rename(&kept, &key).unwrap();
    lab.check(&[]).expect(0);
    fs::remove_file(&trust).unwrap();
    fifo(&trust);
    lab.check(&[]).expect_error(&["trust.toml", "it is no file"]);
}

#[test]
fn a_key_is_beside_the_trust_file() {
    let lab = Lab::new();
    lab.add(&lab.same(), &[]).expect(0);
    let trust = lab.results().join("trust.toml");
    let text_of = fs::read_to_string(&trust).unwrap();
    fs::create_dir(lab.results().join("keys")).unwrap();
    for folder in [lab.results().join("keys"), lab.dir.path().to_owned()] {
        fs::copy(lab.results().join("example-org.pub"), folder.join("example-org.pub")).unwrap();
    }
    for name in ["../example-org.pub", "keys/example-org.pub", "/proc/self/environ", "..", ""] {
        write(&lab.results(), "trust.toml", text_of.replace("example-org.pub", name).as_bytes());
        lab.check(&[]).expect_error(&["trust.toml", "name of a key"]);
    }
    write(&lab.results(), "trust.toml", text_of.as_bytes());
    run(["results", "check", text(&lab.results())]).expect(0);
}
