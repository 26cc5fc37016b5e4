//! With a cache: the same bytes, the same errors, less work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;

#[test]
fn a_cache_changes_nothing_but_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let blob = Blob::new(Tar::default().file(3_000_000).file(100).file(1_500_000).file(300_000).end());
    let other_epoch = Stamp { epoch: Epoch::from_seconds(1_400_000_000).unwrap(), rule: Rule::Set };
    // Chunks without times (of large files, and for gzip the end of the stream), and chunks with times in them.
    for (output, same, others) in [(Output::GZIP, 7, 3), (Output::ZSTD, 2, 3)] {
        let cache = Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
        let (plain, cached) = (Pool::new(2).unwrap(), Pool::new(2).unwrap().with_cache(cache.clone()));
        let first = spec(output);
        let second = EncodeOptions { stamp: other_epoch, ..spec(output) };
        // The first time nothing is known; then the large files are; then all is.
        let all = same + others;
        for (spec, hits, misses) in
            [(&first, 0, all), (&second, same, all + others), (&first, same + all, all + others)]
        {
            let (facts, with, bytes) = rewritten_from(&blob, &blob.expect(), spec, &cached);
            let (same, without, expected) = rewritten(&blob, spec, &plain);
            assert_eq!((with.digest, with.diff_id, with.size), (without.digest, without.diff_id, without.size));
            assert_eq!(facts, same);
            assert!(bytes == expected);
            assert_eq!((cache.hits(), cache.misses()), (hits, misses), "{output}");
        }
        assert_eq!(plain.bytes_read(), cached.bytes_read());
    }
}

/// A layer with pieces of all kinds: large files before, behind and beside small ones, and more than one piece of those.
fn mixed(large: usize) -> Vec<u8> {
    let mut tar = Tar::default().file(300_000).file(large).file(262_144).file(0);
    for _ in 0..40 {
        tar = tar.file(50_000);
    }
    tar.file(1 << 20).file(100).file(1_100_000).end()
}

#[test]
fn whatever_becomes_of_the_cache_the_bytes_are_the_same() {
    for seed in 0..16 {
        let dir = tempfile::tempdir().unwrap();
        let tar = layer(1 << 20, seed);
        let blob = Blob::new(if seed % 3 == 0 { zstd(&tar) } else { gzip(&tar) });
        let output = if seed % 2 == 0 { Output::GZIP } else { Output::ZSTD };
        let cached = |max| Pool::new(2).unwrap().with_cache(Arc::new(Cache::open(dir.path(), max).unwrap()));
        rewritten_from(&blob, &blob.expect(), &spec(output), &cached(1 << 30));
        let mut random = Random(seed);
        for epoch in 1..4 {
            let entries = walk(dir.path());
            for _ in 0..=random.next() % 3 {
                let mut any = || entries[random.next() as usize % entries.len()].clone();
                let (path, other) = (any(), any());
                let Ok(mut bytes) = std::fs::read(&path) else { continue };
                let at = random.next() as usize % bytes.len().max(1);
                match random.next() % 4 {
                    0 => std::fs::remove_file(&path).unwrap(),
                    1 => std::fs::write(&path, &bytes[..at]).unwrap(),
                    2 => {
                        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x10);
                        std::fs::write(&path, &bytes).unwrap();
                    }
                    _ => std::fs::write(&path, std::fs::read(other).unwrap_or_default()).unwrap(),
                }
            }
            let spec = EncodeOptions {
                stamp: Stamp { epoch: Epoch::from_seconds(epoch).unwrap(), rule: Rule::Set },
                ..spec(output)
            };
            let (facts, new, expected) = rewritten_from(&blob, &blob.expect(), &spec, &Pool::new(2).unwrap());
            // The last one has room for next to nothing.
            let pool = cached(if epoch == 3 { 100_000 } else { 1 << 30 });
            let (same, with, bytes) = rewritten_from(&blob, &blob.expect(), &spec, &pool);
            assert!(bytes == expected && same == facts && with.digest == new.digest, "seed {seed}, epoch {epoch}");
        }
    }
}

#[test]
fn what_a_wrong_blob_leaves_in_the_cache_is_not_taken_for_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let tar = mixed(2_000_000);
    let good = Blob::new(gzip(&tar));
    let pool = Pool::new(2).unwrap().with_cache(Arc::new(Cache::open(dir.path(), 1 << 30).unwrap()));
    rewritten_from(&good, &good.expect(), &spec(Output::GZIP), &pool);
    // The same files, one of them with another byte in it, under the good one's digest.
    let mut other = tar.clone();
    let at = tar.len() - 1_200_000;
    other[at] ^= 1;
    let wrong = Blob::new(gzip(&other));
    let spec = EncodeOptions {
        stamp: Stamp { epoch: Epoch::from_seconds(1_234_567_890).unwrap(), rule: Rule::Set },
        ..spec(Output::GZIP)
    };
    let expect = LayerExpected { size: None, ..good.expect() };
    rewrite(&wrong, &expect, &spec, &pool, &NewBlobs::new(temporary)).unwrap_err();
    let (_, _, expected) = rewritten(&good, &spec, &Pool::new(2).unwrap());
    let (_, _, bytes) = rewritten_from(&good, &good.expect(), &spec, &pool);
    assert!(bytes == expected);
}

#[test]
fn what_does_not_change_when_all_times_are_set_is_not_taken_for_unchanged_at_another_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let pool = Pool::new(1).unwrap().with_cache(Arc::new(Cache::open(dir.path(), 1 << 30).unwrap()));
    let blob = Blob::new(gzip(&patched(&Tar::default().file(1000).end(), stamp(Rule::Set))));
    let spec = EncodeOptions { keep_unchanged: true, ..spec(Output::GZIP) };
    let later = EncodeOptions {
        stamp: Stamp { epoch: Epoch::from_seconds(1_600_000_000).unwrap(), rule: Rule::Set },
        ..spec.clone()
    };
    for _ in 0..2 {
        let outcome = rewrite(&blob, &blob.expect(), &spec, &pool, &NewBlobs::new(temporary)).unwrap();
        assert!(matches!(outcome, Outcome::Unchanged(..)));
        let outcome = rewrite(&blob, &blob.expect(), &later, &pool, &NewBlobs::new(temporary)).unwrap();
        assert!(matches!(outcome, Outcome::Rewritten(..)));
    }
}

#[test]
fn a_wrong_blob_is_the_same_error_with_a_cache_that_knows_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let tar = Tar::default().file(300_000).end();
    let good = Blob::new(gzip(&tar));
    let cache = Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
    let cached = Pool::new(1).unwrap().with_cache(cache);
    rewritten_from(&good, &good.expect(), &spec(Output::GZIP), &cached);
    let mut other = tar.clone();
    other[1000] ^= 1;
    let mut cut = good.bytes.clone();
    cut.truncate(good.bytes.len() / 2);
    for bytes in [gzip(&other), cut, vec![]] {
        let wrong = Blob::new(bytes);
        for epoch in [1_700_000_000, 1_500_000_000] {
            let stamp = Stamp { epoch: Epoch::from_seconds(epoch).unwrap(), rule: Rule::Set };
            let spec = EncodeOptions { stamp, ..spec(Output::GZIP) };
            let error = |pool: &Pool| {
                rewrite(&wrong, &good.expect(), &spec, pool, &NewBlobs::new(temporary)).unwrap_err().to_string()
            };
            assert_eq!(error(&cached), error(&Pool::new(1).unwrap()));
        }
    }
    // The diff_id is what is claimed wrongly.
    let expect = LayerExpected { diff_id: Some(Digest::sha256(b"other")), ..good.expect() };
    let text = rewrite(&good, &expect, &spec(Output::GZIP), &cached, &NewBlobs::new(temporary)).unwrap_err();
    assert!(text.to_string().contains("diff_id"), "{text}");
}

#[test]
fn a_cached_layer_that_has_rotted_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let blob = Blob::new(Tar::default().file(600_000).end());
    let spec = spec(Output::GZIP);
    let cache = || Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
    let run = || rewritten_from(&blob, &blob.expect(), &spec, &Pool::new(1).unwrap().with_cache(cache()));
    let good = run();
    let entries = walk(dir.path());
    assert_eq!(entries.len(), 3, "headers, content, end");
    for path in entries {
        let bytes = std::fs::read(&path).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 0x20;
            std::fs::write(&path, bad).unwrap();
            let (facts, again, bytes) = run();
            assert_eq!((again.digest, again.diff_id, &facts), (good.1.digest, good.1.diff_id, &good.0));
            assert!(bytes == good.2);
        }
    }
}

/// All files in a directory and below it, but for the mark of the cache.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false if path.ends_with("CACHEDIR.TAG") => {}
            false => files.push(path),
        }
    }
    files
}
