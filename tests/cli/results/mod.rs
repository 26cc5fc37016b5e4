//! `restamp results`: what is added (`add.rs`), what is noticed (`check.rs`), old statements that come again
//! (`replay.rs`), whose results they are (`whose.rs`), and the site (`site.rs`).

mod add;
mod check;
mod replay;
mod site;
mod whose;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use serde_json::Value;

use crate::support::{Outcome, names, run, scratch, text, write};

const ID: &str = "https://rebuild.example/v1";
const TIME: &str = "2026-11-20T10:00:00Z";
const LATER: &str = "2026-11-28T09:30:00Z";

/// Two operators, a folder with a trust.toml, and statements that they have signed.
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { dir: scratch() };
        fs::create_dir(lab.results()).unwrap();
        let mut trust = "[require]\nthreshold = 1\naccept = [\"identical\", \"after-restamping\"]\n".to_owned();
        for (number, operator) in ["example-org", "other.example"].into_iter().enumerate() {
            let key = p256::SecretKey::from_slice(&[number as u8 + 1; 32]).unwrap();
            let private = lab.path(&format!("{operator}.pem"));
            fs::write(&private, key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
            fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
            let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
            write(&lab.results(), &format!("{operator}.pub"), public.as_bytes());
            trust += &format!("[[rebuilder]]\noperator = \"{operator}\"\nid = \"{ID}\"\nkeys = [\"{operator}.pub\"]\n");
        }
        write(&lab.results(), "trust.toml", trust.as_bytes());
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn results(&self) -> PathBuf {
        self.path("results")
    }

    /// Where the log is.
    fn v1(&self, name: &str) -> PathBuf {
        self.results().join("v1").join(name)
    }

    /// Attests, and returns where the files are.
    fn attest(&self, out: &str, candidate: &str, operator: &str, name: &str) -> PathBuf {
        let out = self.path(out);
        let key = self.path(&format!("{operator}.pem"));
        let outcome = run([
            "attest",
            "testdata/hello.oci.tar",
            candidate,
            "--verifier-id",
            ID,
            "--out",
            text(&out),
            "--key",
            text(&key),
            "--time",
            TIME,
            "--name",
            name,
            "--quiet",
        ]);
        assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
        out.join(&names(&out)[0])
    }

    fn same(&self) -> PathBuf {
        self.attest("same", "testdata/hello.oci.tar", "example-org", "registry.example/app:1")
    }

    /// What another operator says of the same image: that it differs.
    fn failed(&self) -> PathBuf {
        self.attest("failed", "testdata/zoo.oci.tar", "other.example", "registry.example/app:1")
    }

    fn add(&self, folder: &Path, more: &[&str]) -> Outcome {
        let mut arguments = vec!["results".to_owned(), "add".to_owned(), text(&self.results()).to_owned()];
        arguments.extend(bundles(folder));
        arguments.extend(["--time", LATER].map(str::to_owned));
        arguments.extend(more.iter().map(|&one| one.to_owned()));
        run(arguments)
    }

    fn check(&self, more: &[&str]) -> Outcome {
        run(["results", "check", text(&self.results())].iter().chain(more))
    }

    fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.v1("log.jsonl")).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every file below v1, with its bytes.
    fn all(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.results().join("v1"))
    }
}

fn bundles(folder: &Path) -> Vec<String> {
    let all = names(folder).into_iter().filter(|name| name.ends_with(".sigstore.json"));
    all.map(|name| text(&folder.join(name)).to_owned()).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            all.push((name, fs::read(path).unwrap()));
        }
    }
    all
}
