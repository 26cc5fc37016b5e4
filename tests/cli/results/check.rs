//! What is noticed: changes, links, heads.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use p256::pkcs8::{EncodePrivateKey, LineEnding};

use super::Lab;
use crate::support::{run, text, write};

#[test]
fn every_change_is_named() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    lab.add(&same, &["--report", text(&same.join("diff.json"))]).expect(0);
    let old = lab.path("old-head.json");
    fs::copy(lab.v1("head.json"), &old).unwrap();
    let key = lab.path("other.example.pem");
    lab.add(&failed, &["--report", text(&failed.join("diff.json")), "--key", text(&key)]).expect(0);
    let said = lab.check(&["--head", text(&old)]).expect(0).text();
    assert!(said.contains("the head is signed by other.example"), "{said}");
    assert!(said.contains("line 2: what was there then is there now"), "{said}");
    assert!(lab.check(&[]).expect(0).text().contains("that takes a head kept elsewhere"));
    let whole = lab.all();
    for (name, bytes) in &whole {
        let path = lab.v1(name);
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let said = lab.check(&[]).expect(1).text();
        assert!(said.contains("problems"), "{name}: {said}");
        fs::remove_file(&path).unwrap();
        // The signature of the head alone need not be there.
        lab.check(&[]).expect(if name == "head.sigstore.json" { 0 } else { 1 });
        fs::write(&path, bytes).unwrap();
    }
    lab.check(&[]).expect(0);
    // A file that no line names.
    let stray = lab.v1("sha256/stray");
    fs::write(&stray, b"x").unwrap();
    assert!(lab.check(&[]).expect(1).text().contains("sha256/stray: no line of the log names it"));
    fs::remove_file(&stray).unwrap();
    // The end is cut off, and the head made anew: that is seen by who has kept a head alone.
    let kept = lab.path("kept.json");
    fs::copy(lab.v1("head.json"), &kept).unwrap();
    let log = fs::read_to_string(lab.v1("log.jsonl")).unwrap();
    let shorter: Vec<&str> = log.split_inclusive('\n').take(2).collect();
    fs::write(lab.v1("log.jsonl"), shorter.concat()).unwrap();
    fs::copy(&old, lab.v1("head.json")).unwrap();
    fs::remove_file(lab.v1("head.sigstore.json")).unwrap();
    let subject = shorter[0].split("sha256:").nth(1).unwrap()[..64].to_owned();
    fs::remove_dir_all(lab.v1(&format!("sha256/{subject}/other.example"))).unwrap();
    lab.check(&[]).expect(0);
    let said = lab.check(&["--head", text(&kept)]).expect(1).text();
    assert!(said.contains("the log was changed, or cut, since that head was kept"), "{said}");
    lab.check(&["--head", text(&old)]).expect(0);
    lab.check(&["--head", text(&lab.v1("log.jsonl"))]).expect_error(&["head of a log"]);
}

#[test]
fn no_link_below_the_folder_is_followed() {
    let lab = Lab::new();
    let same = lab.same();
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, lab.results().join("v1")).unwrap();
    lab.add(&same, &[]).expect_error(&["no link is followed"]);
    fs::remove_file(lab.results().join("v1")).unwrap();
    fs::create_dir(lab.results().join("v1")).unwrap();
    symlink(&outside, lab.v1("sha256")).unwrap();
    lab.add(&same, &[]).expect_error(&["no link is followed"]);
    fs::remove_file(lab.v1("sha256")).unwrap();
    // A link in the place of the log, of what is written for now, and of a bundle.
    let victim = write(&outside, "victim", b"victim");
    symlink(&victim, lab.v1(".new")).unwrap();
    lab.add(&same, &[]).expect(0);
    assert_eq!(fs::read(&victim).unwrap(), b"victim");
    let path = lab.log()[0]["path"].as_str().unwrap().to_owned();
    let moved = outside.join("bundle");
    fs::rename(lab.v1(&path), &moved).unwrap();
    symlink(&moved, lab.v1(&path)).unwrap();
    assert!(lab.check(&[]).expect(1).text().contains("no link is followed"));
    let www = lab.path("www");
    let render = || run(["results", "render", text(&lab.results()), "--out", text(&www)]);
    render().expect_error(&["no link is followed"]);
    assert!(!www.exists());
    fs::remove_file(lab.v1("log.jsonl")).unwrap();
    symlink(&victim, lab.v1("log.jsonl")).unwrap();
    lab.add(&same, &[]).expect_error(&["no link is followed"]);
    assert_eq!(fs::read(&victim).unwrap(), b"victim");
}

#[test]
fn the_head_is_signed_by_a_key_of_the_folder() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    let key = p256::SecretKey::from_slice(&[9; 32]).unwrap();
    let foreign = write(lab.dir.path(), "foreign.pem", key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes());
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o600)).unwrap();
    lab.add(&same, &["--key", text(&foreign)]).expect_error(&["none of those in trust.toml"]);
    assert!(!lab.results().join("v1").exists());
    let key = lab.path("example-org.pem");
    lab.add(&same, &["--key", text(&key)]).expect(0);
    let signed = fs::read(lab.v1("head.sigstore.json")).unwrap();
    // A signature of a head that was is none of the head that is.
    lab.add(&failed, &[]).expect(0);
    assert!(!lab.v1("head.sigstore.json").exists());
    fs::write(lab.v1("head.sigstore.json"), &signed).unwrap();
    assert!(lab.check(&[]).expect(1).text().contains("about another head"));
    lab.add(&failed, &["--key", text(&key)]).expect(0);
    lab.check(&[]).expect(0);
    // A statement of another kind by the same key is no signature of a head.
    fs::copy(same.join("svr.sigstore.json"), lab.v1("head.sigstore.json")).unwrap();
    assert!(lab.check(&[]).expect(1).text().contains("predicateType of a signed head"));
}
