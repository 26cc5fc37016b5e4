//! What is an error, and leaves nothing behind.

use super::*;
use crate::support::{names, scratch};

fn refused(dir: &Path, images: &[PathBuf; 2], more: &[&str], parts: &[&str]) {
    let out = dir.join("proof");
    let arguments = ["attest", text(&images[0]), text(&images[1]), "--out", text(&out)];
    run(arguments.iter().chain(more)).expect_error(parts);
    assert!(!out.exists(), "{more:?}");
    assert!(names(dir).iter().all(|name| !name.starts_with(".restamp")), "{:?}", names(dir));
}

#[test]
fn keys_that_are_not_what_they_have_to_be() {
    let dir = scratch();
    let dir = dir.path();
    let images = builds(dir);
    let open = write(dir, "open.pem", FIRST.as_bytes());
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o640)).unwrap();
    refused(dir, &images, &["--verifier-id", ID, "--key", text(&open)], &["--key", "0640", "chmod 600"]);
    for (name, pem, parts) in [
        ("encrypted.pem", include_str!("keys/encrypted.pem"), &["encrypted", "cosign"][..]),
        ("sec1.pem", include_str!("keys/sec1.pem"), &["openssl pkcs8 -topk8"]),
        ("rsa.pem", include_str!("keys/rsa.pem"), &["P-256"]),
        ("ed25519.pem", include_str!("keys/ed25519.pem"), &["P-256"]),
        ("public.pem", include_str!("keys/first.pub"), &["PUBLIC KEY"]),
        ("none.pem", "hello", &["no PEM"]),
        ("cut.pem", &FIRST[..100], &["damaged"]),
    ] {
        let path = key(dir, name, pem);
        refused(dir, &images, &["--verifier-id", ID, "--key", text(&path)], parts);
    }
    refused(dir, &images, &["--verifier-id", ID, "--key", "absent.pem"], &["--key absent.pem"]);
    // The key itself in the place of its name is not printed.
    let out = dir.join("proof");
    let own = ["attest", text(&images[0]), text(&images[1]), "--verifier-id", ID, "--out", text(&out)];
    let outcome = run(own.into_iter().map(str::to_owned).chain([format!("--key={FIRST}")]));
    let line = FIRST.lines().nth(1).unwrap().to_owned();
    assert!(!outcome.stderr.contains(&line), "{}", outcome.stderr);
    outcome.expect_error(&["--key", "the text of a key"]);
}

#[test]
fn arguments_that_statements_would_be_wrong_with() {
    let dir = scratch();
    let dir = dir.path();
    let images = builds(dir);
    for (more, part) in [
        (&["--verifier-id", "me"][..], "--verifier-id"),
        (&["--verifier-id", "https://a b"], "--verifier-id"),
        (&["--verifier-id", ID, "--time", "today"], "--time"),
        (&["--verifier-id", ID, "--time", "9999-12-31T23:59:59-23:00"], "--time"),
        (&["--verifier-id", ID, "--source", "https://example.org/x"], "--source"),
        (&["--verifier-id", ID, "--source", "https://example.org/x@sha256:xyz"], "--source"),
        (&["--verifier-id", ID, "--run-url", "here"], "--run-url"),
        (&["--verifier-id", ID, "--policy", "absent.toml"], "absent.toml"),
        (&["--verifier-id", ID, "--attach", "oci:x"], "--key"),
        (&[], "--verifier-id"),
    ] {
        refused(dir, &images, more, &[part]);
    }
    let full = dir.join("full");
    std::fs::create_dir(&full).unwrap();
    write(&full, "x", b"");
    let arguments = ["attest", text(&images[0]), text(&images[1]), "--verifier-id", ID, "--out", text(&full)];
    run(arguments).expect_error(&["--out", "not empty"]);
    assert_eq!(names(&full), ["x"]);
    run(["attest", "-", "-", "--verifier-id", ID, "--out", "x"]).expect_error(&["only one of TARGET and CANDIDATE"]);
}

#[test]
fn a_damaged_image_is_an_error_and_no_verdict() {
    let dir = scratch();
    let dir = dir.path();
    let images = builds(dir);
    let mut bytes = std::fs::read(&images[1]).unwrap();
    let middle = bytes.len() * 2 / 3;
    bytes[middle] ^= 1;
    let damaged = write(dir, "damaged.tar", &bytes);
    refused(dir, &[images[0].clone(), damaged.clone()], &["--verifier-id", ID], &["damaged.tar"]);
    let trust = two_operators(dir, BOTH);
    verify(&damaged, &trust, &[]).expect_error(&["damaged.tar"]);
}

#[test]
fn a_trust_file_that_is_none() {
    let dir = scratch();
    let dir = dir.path();
    let [image, _] = builds(dir);
    let rebuilder = "[[rebuilder]]\noperator = \"a\"\nid = \"https://a.example\"\nkeys = [\"first.pub\"]\n";
    write(dir, "first.pub", include_str!("keys/first.pub").as_bytes());
    write(dir, "private.pem", FIRST.as_bytes());
    write(dir, "rsa.pub", b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n");
    for (file, part) in [
        ("", "require"),
        ("[require]\nthreshold = 0\naccept = [\"identical\"]\n", "threshold"),
        ("[require]\nthreshold = 2\naccept = [\"identical\"]\n", "number of operators"),
        ("[require]\nthreshold = 1\naccept = []\n", "accept"),
        ("[require]\nthreshold = 1\naccept = [\"nearly\"]\n", "accept"),
        ("[require]\nthreshold = 1\naccept = [\"identical\"]\nmax_age = \"soon\"\n", "max_age"),
        ("[require]\nthreshold = 1\naccept = [\"identical\"]\nno_disent = true\n", "no_disent"),
        (
            "[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"../x\"\nid = \"u:x\"\nkeys = [\"first.pub\"]\n",
            "operator",
        ),
        (
            "[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"x\"\nid = \"u:x\"\nkeys = []\n",
            "keys",
        ),
        (
            "[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"x\"\nid = \"u:x\"\nkeys = [\"absent.pub\"]\n",
            "absent.pub",
        ),
        (
            "[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"x\"\nid = \"u:x\"\nkeys = [\"private.pem\"]\n",
            "openssl pkey",
        ),
        (
            "[require]\nthreshold = 1\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"x\"\nid = \"u:x\"\nkeys = [\"rsa.pub\"]\n",
            "rsa.pub",
        ),
    ] {
        let trust = write(
            dir,
            "trust.toml",
            format!(
                "{file}{}",
                if file.contains("threshold = 1\naccept = [\"identical\"]\n[[") { "" } else { rebuilder }
            )
            .as_bytes(),
        );
        verify(&image, &trust, &[]).expect_error(&["trust.toml", part]);
    }
    verify(&image, &dir.join("absent.toml"), &[]).expect_error(&["absent.toml"]);
    // Nothing of a file is printed that is none of these, and a FIFO is not waited for.
    let secret = write(dir, "secret.toml", b"[require]\nTOKEN=abc def\n");
    let outcome = verify(&image, &secret, &[]);
    assert!(outcome.code == Some(2) && !outcome.stderr.contains("abc"), "{}", outcome.stderr);
    let fifo = dir.join("fifo.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    verify(&image, &fifo, &[]).expect_error(&["it is no file"]);
    let two_cases = "[require]\nthreshold = 2\naccept = [\"identical\"]\n[[rebuilder]]\noperator = \"a-org\"\nid = \"u:x\"\n\
                     keys = [\"first.pub\"]\n[[rebuilder]]\noperator = \"A-org\"\nid = \"u:y\"\nkeys = [\"second.pub\"]\n";
    write(dir, "second.pub", include_str!("keys/second.pub").as_bytes());
    let trust = write(dir, "trust.toml", two_cases.as_bytes());
    verify(&image, &trust, &[]).expect_error(&["operator", "one of a-org and A-org"]);
    let trust = two_operators(dir, BOTH);
    verify(&image, &trust, &["--from", "absent"]).expect_error(&["absent"]);
    verify(&image, &trust, &["--vsa", "x"]).expect_error(&["--verifier-id"]);
}
