//! `restamp diff`: pairs of images that differ in one thing each, and what is said of them.

mod by_content;
mod documents;
mod entries;
mod explain;
pub mod formats;
mod hidden;
mod images;
mod layers;
mod made;
mod remedy;
mod report;
mod restamp;

use std::path::PathBuf;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, Outcome, run, scratch, text, write};
use serde_json::Value;

pub const T: i64 = 1_760_000_000;
pub const BUILD: Build = Build::FIRST;

/// A folder with two images.
pub struct Pair {
    pub dir: tempfile::TempDir,
    pub a: PathBuf,
    pub b: PathBuf,
}

impl Pair {
    pub fn of(a: &[u8], b: &[u8]) -> Self {
        let dir = scratch();
        let (a, b) = (write(dir.path(), "a.tar", a), write(dir.path(), "b.tar", b));
        Self { dir, a, b }
    }

    pub fn images(a: &Image, b: &Image) -> Self {
        Self::of(&Layout::of(a, &BUILD).tar(&BUILD), &Layout::of(b, &BUILD).tar(&BUILD))
    }

    /// Two images of one layer each.
    pub fn layers(a: &[Entry], b: &[Entry]) -> Self {
        Self::images(&image(vec![tar(a)]), &image(vec![tar(b)]))
    }

    pub fn run(&self, options: &[&str]) -> Outcome {
        run(["diff"].iter().chain(options).copied().chain([text(&self.a), text(&self.b)]))
    }

    pub fn json(&self, options: &[&str]) -> Value {
        let outcome = self.run(&[&["--json"], options].concat());
        assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
        serde_json::from_slice(&outcome.stdout).unwrap()
    }

    /// Class, path and field of every difference.
    pub fn found(&self, options: &[&str]) -> Vec<(String, String, String)> {
        let report = self.json(options);
        let of = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let all = report["differences"].as_array().unwrap().iter();
        all.map(|item| (of(item, "class"), of(item, "path"), of(item, "field"))).collect()
    }

    #[track_caller]
    pub fn expect(&self, expected: &[(&str, &str, &str)]) {
        let found = self.found(&[]);
        let found: Vec<_> = found.iter().map(|(c, p, f)| (c.as_str(), p.as_str(), f.as_str())).collect();
        assert_eq!(found, expected);
    }
}

pub fn image(tars: Vec<Vec<u8>>) -> Image {
    packed(tars, Packing::Gzip)
}

pub fn packed(tars: Vec<Vec<u8>>, packing: Packing) -> Image {
    let layers = tars.into_iter().map(|tar| Layer::new(tar, packing, Family::Oci, &BUILD)).collect();
    Image::new(layers, Family::Oci, &BUILD, &["app:1"])
}

pub fn file(name: &str, data: &str) -> Entry {
    Entry::file(name, data, T)
}

/// The same image with another config.
pub fn with_config(image: &Image, from: &str, to: &str) -> Image {
    let config = String::from_utf8(image.config.clone()).unwrap();
    assert!(config.contains(from), "no {from} in {config}");
    Image { config: config.replacen(from, to, 1).into_bytes(), ..image.clone() }
}
