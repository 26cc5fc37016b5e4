//! With a cache: the same bytes, the same errors, less work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;

#[test]
fn a_cache_changes_nothing_but_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let blob = Blob::new(Tar::default().file(3_000_000).file(100).file(1_500_000).file(300_000).end());
    let other_epoch = Stamp { epoch: Epoch::new(1_400_000_000).unwrap(), rule: Rule::Set };
    // Chunks without times (of large files, and for gzip the end of the stream), and chunks with times in them.
    for (output, same, others) in [(Output::GZIP, 7, 3), (Output::ZSTD, 2, 3)] {
        let cache = Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
        let (plain, cached) = (Pool::new(2).unwrap(), Pool::new(2).unwrap().with_cache(cache.clone()));
        let first = spec(output);
        let second = Spec { stamp: other_epoch, ..spec(output) };
        // The first time nothing is known; then the large files are; then the whole layer is.
        let all = same + others;
        for (spec, hits, misses) in [(&first, 0, all), (&second, same, all + others), (&first, same, all + others)] {
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

#[test]
fn a_layer_in_which_nothing_changes_is_recognised_at_later_epochs_too() {
    let dir = tempfile::tempdir().unwrap();
    let blob = Blob::new(gzip(&Tar::default().file(1000).end()));
    let cache = Arc::new(Cache::open(dir.path(), 1 << 30).unwrap());
    let entries = || walk(dir.path()).len();
    let run = |epoch: u64| {
        let stamp = Stamp { epoch: Epoch::new(epoch).unwrap(), rule: Rule::Clamp };
        let spec = Spec { stamp, keep_unchanged: true, ..spec(Output::GZIP) };
        let pool = Pool::new(1).unwrap().with_cache(cache.clone());
        match rewrite(&blob, &blob.expect(), &spec, &pool, &|| Ok(tempfile::tempfile().unwrap())).unwrap() {
            Outcome::Unchanged(facts) => Some(facts),
            Outcome::Rewritten(..) => None,
        }
    };
    let late = 2_000_000_000;
    let facts = run(late).unwrap();
    assert_eq!(entries(), 1);
    assert_eq!(run(late + 1).unwrap(), facts);
    assert_eq!(entries(), 1);
    assert!(run(1).is_none(), "what is known of a late epoch says nothing about an early one");
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
            let stamp = Stamp { epoch: Epoch::new(epoch).unwrap(), rule: Rule::Set };
            let spec = Spec { stamp, ..spec(Output::GZIP) };
            let error = |pool: &Pool| {
                rewrite(&wrong, &good.expect(), &spec, pool, &|| Ok(tempfile::tempfile().unwrap()))
                    .unwrap_err()
                    .to_string()
            };
            assert_eq!(error(&cached), error(&Pool::new(1).unwrap()));
        }
    }
    // The diff_id is what is claimed wrongly.
    let expect = Expect { diff_id: Some(Digest::sha256(b"other")), ..good.expect() };
    let text =
        rewrite(&good, &expect, &spec(Output::GZIP), &cached, &|| Ok(tempfile::tempfile().unwrap())).unwrap_err();
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
    assert_eq!(entries.len(), 5, "headers, content, end; the plan and the outcome");
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

/// All files in the directories of a directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
