//! Times that a file keeps of its own, and copies of mtimes that follow on request.

use super::copies::{BUILT, EPOCH_SECONDS, content, follow, image, word};
use super::*;
use crate::support::tarball::{Entry, tar};

/// A gzip file of one member, with an MTIME.
fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).unwrap());
    let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let length = compressor.gzip_compress(bytes, &mut out).unwrap();
    out.truncate(length);
    out[4..8].copy_from_slice(&(BUILT as u32).to_le_bytes());
    out
}

fn ar(mtime: i64) -> Vec<u8> {
    format!("!<arch>\n{:<16}{mtime:<12}{:<6}{:<6}{:<8}{:<10}`\n1234", "a.o/", 0, 0, 100_644, 4).into_bytes()
}

#[test]
fn own_times_are_replaced_on_request_alone() {
    let manual = "usr/share/man/man1/a.1.gz";
    let library = "usr/lib/liba.a";
    let layers = [vec![
        Entry::file(manual, gz(b"manual"), BUILT),
        Entry::file(library, ar(BUILT), BUILT),
        Entry::file("usr/share/man/man1/broken.1.gz", &gz(&[b'x'; 5000])[..20], BUILT),
        Entry::file("plain", "text", BUILT),
    ]];
    let before = image(&layers);
    let default = follow(&before, &[]);
    assert_eq!(content(&default, manual), gz(b"manual"));
    assert_eq!(content(&default, library), ar(BUILT));
    for options in
        [&["--repair=gzip,ar"][..], &["--repair=all"], &["--repair=all", "--clamp"], &["--repair=all", "-j", "1"]]
    {
        let out = follow(&before, options);
        assert_eq!(word(&content(&out, manual), 4), EPOCH_SECONDS, "{options:?}");
        assert_eq!(content(&out, library), ar(i64::from(EPOCH_SECONDS)), "{options:?}");
        // What is cut off is left alone, and that is said.
        let broken = "usr/share/man/man1/broken.1.gz";
        assert_eq!(content(&out, broken), &gz(&[b'x'; 5000])[..20], "{options:?}");
    }
    let outcome = pipe(["rewrite", "--epoch", "1700000000", "--repair", "gzip", "--report", "-"], &before).expect(0);
    assert!(outcome.stderr.contains("left as it is: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("1 file with times of its own was left unchanged"), "{}", outcome.stderr);
}

/// The scripts of packages in apk's database: a tar in a gzip file.
#[test]
fn scripts_of_apk_are_packed_anew() {
    let scripts = |mtime| gz(&tar(&[Entry::file("busybox-1.36.1-r5.Q1.post-install", "#!/bin/sh", mtime)]));
    let path = "lib/apk/db/scripts.tar.gz";
    let build = |mtime| image(&[vec![Entry::file(path, scripts(mtime), mtime), Entry::file("z", "", mtime)]]);
    let rewritten = |mtime| filter(&build(mtime), &["--repair", "all"]);
    let out = rewritten(BUILT);
    assert!(out == rewritten(BUILT + 23), "two builds come out equal");
    assert!(filter(&out, &["--repair", "all"]) == out);
    assert!(filter(&build(BUILT), &[]) != filter(&build(BUILT + 23), &[]));
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&content(&out, path)[..]), &mut unpacked)
        .unwrap();
    let mut archive = ::tar::Archive::new(&unpacked[..]);
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.header().mtime().unwrap(), u64::from(EPOCH_SECONDS));
    assert_eq!(entry.path().unwrap().to_str(), Some("busybox-1.36.1-r5.Q1.post-install"));
}

#[test]
fn files_of_opcache_follow_their_scripts() {
    let path = "var/cache/opcache/d1d0ff8f38b7d6a2ff1de1e71fb0e9f6/var/www/index.php.bin";
    let mut cached = b"OPCACHE\0d1d0ff8f38b7d6a2ff1de1e71fb0e9f6".to_vec();
    for number in [5000_i64, 100, 200, BUILT] {
        cached.extend(number.to_le_bytes());
    }
    cached.extend(b"checksum and script");
    let script = |mtime| Entry::file("var/www/index.php", "<?php", mtime);
    let before = image(&[vec![script(BUILT)], vec![Entry::file(path, &cached, BUILT)]]);
    assert_eq!(word(&content(&follow(&before, &["--repair=opcache"]), path), 64), EPOCH_SECONDS);
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &before).expect(0);
    assert!(outcome.stderr.contains("--repair opcache"), "{}", outcome.stderr);
    let stale = image(&[vec![script(BUILT + 1)], vec![Entry::file(path, &cached, BUILT)]]);
    assert_eq!(content(&follow(&stale, &["--repair=opcache"]), path), cached);
}

#[test]
fn archives_of_class_data_follow_their_jars() {
    let mut archive = vec![0; 5000];
    archive[..4].copy_from_slice(&[0xa8, 0xab, 0x0b, 0xf0]);
    archive[8] = 11;
    archive[1000..1008].copy_from_slice(&BUILT.to_le_bytes());
    archive[1008..1016].copy_from_slice(&700_i64.to_le_bytes());
    let jar = Entry::file("app/app.jar", vec![b'j'; 700], BUILT);
    let before = image(&[vec![jar.clone()], vec![Entry::file("app/app.jsa", &archive, BUILT)]]);
    let out = content(&follow(&before, &["--repair=jsa"]), "app/app.jsa");
    assert_eq!((word(&out, 1000), word(&out, 1008)), (EPOCH_SECONDS, 700));
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &before).expect(0);
    assert!(outcome.stderr.contains("--repair jsa"), "{}", outcome.stderr);
    // An archive of a jar that was replaced stays unfit, also where it holds the epoch already.
    let replaced = Entry::file("app/app.jar", vec![b'k'; 700], BUILT + 50);
    let layers = [vec![jar.clone()], vec![Entry::file("app/app.jsa", &archive, BUILT), replaced.clone()]];
    assert_eq!(content(&follow(&image(&layers), &["--repair=jsa"]), "app/app.jsa"), archive);
    let mut early = archive.clone();
    early[1000..1008].copy_from_slice(&i64::from(EPOCH_SECONDS).to_le_bytes());
    let layers = [vec![replaced, Entry::file("app/app.jsa", &early, BUILT)]];
    assert_eq!(word(&content(&follow(&image(&layers), &["--repair=jsa"]), "app/app.jsa"), 1000), EPOCH_SECONDS ^ 1);
    // What occurs twice may be anything.
    archive.copy_within(1000..1016, 3000);
    let twice = image(&[vec![jar], vec![Entry::file("app/app.jsa", &archive, BUILT)]]);
    assert_eq!(content(&follow(&twice, &["--repair=jsa"]), "app/app.jsa"), archive);
}
