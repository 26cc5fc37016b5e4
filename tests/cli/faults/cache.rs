//! `--cache`: what is in it is not believed, and not touched unless it is restamp's own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::layer::{Family, Layer, Packing, gzip, unpack};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, Outcome, names, noise, run, scratch, text, write};

const BUILD: Build = Build::FIRST;

/// An archive of one layer with a large file, which is a chunk of its own, and a small one.
fn archive(dir: &Path) -> PathBuf {
    let large = noise(150_000, 1).repeat(2);
    let layer = tar(&[Entry::file("usr/bin/tool", large, 1_600_000_000), Entry::file("f", "1", 5)]);
    let layer = Layer::new(layer, Packing::Gzip, Family::Oci, &BUILD);
    write(dir, "in.tar", &Layout::of(&Image::new(vec![layer], Family::Oci, &BUILD, &["a:1"]), &BUILD).tar(&BUILD))
}

fn rewrite(dir: &Path, epoch: &str, options: &[&str]) -> Outcome {
    let (from, to) = (dir.join("in.tar"), dir.join("out.tar"));
    let _ = fs::remove_file(&to);
    run(["rewrite", "-q", "--epoch", epoch].iter().chain(options).copied().chain([text(&from), text(&to)]))
}

/// All entries of a cache, by their names in it.
fn entries(cache: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for codec in names(cache).into_iter().filter(|name| name.contains("form")) {
        for shard in names(&cache.join(&codec)) {
            found.extend(names(&cache.join(&codec).join(&shard)).iter().map(|name| format!("{codec}/{shard}/{name}")));
        }
    }
    found
}

/// An entry as an attacker makes it: with the right checksum.
fn forged(name: &str, content: &[u8]) -> Vec<u8> {
    let checksum = blake3::hash(&[name.as_bytes(), content].concat());
    [content, checksum.as_bytes()].concat()
}

#[test]
fn a_forged_chunk_changes_no_byte() {
    let dir = scratch();
    archive(dir.path());
    let cache = dir.path().join("cache");
    let with_cache = ["--cache", text(&cache)];
    rewrite(dir.path(), "1700000000", &with_cache).expect(0);
    let kept: Vec<(String, Vec<u8>)> =
        entries(&cache).into_iter().map(|name| (name.clone(), fs::read(cache.join(name)).unwrap())).collect();
    assert!(kept.len() >= 3, "headers, the large file, the end");
    for epoch in ["1700000000", "1700000001"] {
        rewrite(dir.path(), epoch, &[]).expect(0);
        let right = fs::read(dir.path().join("out.tar")).unwrap();
        for kind in 0..6 {
            for (name, bytes) in &kept {
                let good = &bytes[..bytes.len() - 32];
                let Some([0x1f, 0x8b]) = good.get(..2) else { continue };
                let evil = vec![b'B'; unpack(good).len()];
                let content = match kind {
                    0 => gzip(&evil, 6, 0),
                    1 => b"garbage".repeat(10),
                    2 => [good, &gzip(&evil, 6, 0)].concat(),
                    3 => Vec::new(),
                    4 => gzip(&vec![0; 200 << 20], 9, 0),
                    _ => gzip(&unpack(good), 9, 1_234_567),
                };
                fs::write(cache.join(name), forged(name, &content)).unwrap();
            }
            rewrite(dir.path(), epoch, &with_cache).expect(0);
            assert!(fs::read(dir.path().join("out.tar")).unwrap() == right, "forgery {kind}, epoch {epoch}");
            // What was forged is replaced.
            rewrite(dir.path(), epoch, &with_cache).expect(0);
            assert!(fs::read(dir.path().join("out.tar")).unwrap() == right);
        }
    }
}

#[test]
fn a_cache_that_another_user_can_write_is_refused() {
    let dir = scratch();
    archive(dir.path());
    let cache = dir.path().join("cache");
    let with_cache = ["--cache", text(&cache)];
    rewrite(dir.path(), "1700000000", &with_cache).expect(0);
    let entry = cache.join(&entries(&cache)[0]);
    let shard = entry.parent().unwrap();
    for path in [&cache, shard.parent().unwrap(), shard, &entry] {
        let good = fs::metadata(path).unwrap().permissions();
        for more in [0o002, 0o020, 0o1022] {
            let mode = (good.mode() & 0o777) | more;
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let mode = format!("mode {mode:04o}");
            rewrite(dir.path(), "1700000000", &with_cache).expect_error(&[text(path), &mode, "owner"]);
            assert!(!dir.path().join("out.tar").exists());
        }
        fs::set_permissions(path, good).unwrap();
        // Only root may give a file away, and only then is there one to be refused.
        if std::os::unix::fs::chown(path, Some(1234), Some(1234)).is_ok() {
            rewrite(dir.path(), "1700000000", &with_cache).expect_error(&[text(path), "owner 1234"]);
            std::os::unix::fs::chown(path, Some(0), Some(0)).unwrap();
        }
    }
    rewrite(dir.path(), "1700000000", &with_cache).expect(0);
}

#[test]
fn a_folder_with_other_things_in_it_is_no_cache() {
    let dir = scratch();
    archive(dir.path());
    let cache = dir.path().join("cache");
    fs::create_dir_all(cache.join("documents")).unwrap();
    rewrite(dir.path(), "1700000000", &["--cache", text(&cache)]).expect_error(&["documents", "CACHEDIR.TAG"]);
    assert_eq!(names(&cache), ["documents"]);
}

#[test]
fn only_files_of_the_cache_are_removed_from_it() {
    let dir = scratch();
    archive(dir.path());
    let cache = dir.path().join("cache");
    rewrite(dir.path(), "1700000000", &["--cache", text(&cache)]).expect(0);
    let tag = fs::read_to_string(cache.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"), "{tag}");
    let entry = entries(&cache).remove(0);
    let shard = Path::new(&entry).parent().unwrap();
    let foreign = [shard.join("mine"), shard.parent().unwrap().join("mine"), "mine".into()];
    for name in &foreign {
        fs::write(cache.join(name), [7; 5000]).unwrap();
    }
    rewrite(dir.path(), "1700000000", &["--cache", text(&cache), "--cache-max", "0"]).expect(0);
    assert!(foreign.iter().all(|name| cache.join(name).exists()));
    assert!(!cache.join(entry).exists() && cache.join("CACHEDIR.TAG").exists());
}
