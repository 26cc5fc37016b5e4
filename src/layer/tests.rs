//! What a user of the room relies on: the bytes, and that they are the same every time.

use super::options::NewLayer;
use std::fs::File;
use std::io::{self, Read};

use super::*;
use crate::blob::NewBlobs;
use crate::digest::{Algorithm, Digest};
use crate::error::Error;
use crate::repair::rules::LayerRules;
use crate::stamp::{Epoch, Rule, Stamp};
use crate::tar::{PatchedBytes, Patcher, Walker};

mod cache;
mod golden;
mod hostile;

/// Numbers that look like chance and are the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Content that can be compressed about as well as a program: words out of a small dictionary, some noise.
fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        let n = random.next();
        match n % 8 {
            0 => bytes.extend_from_slice(&n.to_le_bytes()),
            _ => bytes.extend_from_slice(format!("word{:x} ", (n >> 8) % 997).as_bytes()),
        }
    }
    bytes.truncate(size);
    bytes
}

/// A ustar header with a checksum.
fn header(name: &str, kind: u8, size: u64, mtime: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, &format!("{mtime:011o}\0"));
    put(148, "        ");
    put(156, std::str::from_utf8(&[kind]).unwrap());
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A tar stream, entry by entry.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, name: &str, kind: u8, content: &[u8]) -> Self {
        // Every entry has a time of its own, and none has the epoch of these tests.
        let mtime = 1_600_000_000 + self.0.len() as u64;
        self.0.extend_from_slice(&header(name, kind, content.len() as u64, mtime));
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, size: usize) -> Self {
        let (name, seed) = (format!("file-{}-{size}", self.0.len()), self.0.len() as u64);
        self.entry(&name, b'0', &content(size, seed))
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A layer of about `size` bytes with files of all sizes.
fn layer(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut tar = Tar::default().entry("usr/", b'5', b"");
    while tar.0.len() < size {
        let n = random.next();
        let most = [0, 100, 10_000, 100_000, 2_000_000][n as usize % 5];
        let size = if most == 0 { 0 } else { (n >> 8) as usize % most };
        tar = tar.file(size);
    }
    tar.end()
}

/// What the patcher alone makes of a stream.
fn patched(tar: &[u8], stamp: Stamp) -> Vec<u8> {
    let mut patched = PatchedBytes::new(Patcher::new(stamp, Box::new(crate::repair::LayerPlanner::default())));
    let mut walker = Walker::new();
    walker.push(tar, &mut patched).unwrap();
    walker.end(&mut patched).unwrap();
    patched.finish().unwrap().0
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(1).unwrap());
    let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let n = compressor.gzip_compress(bytes, &mut out).unwrap();
    out.truncate(n);
    out
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(bytes, 1).unwrap()
}

/// A blob in memory, read in pieces of at most `piece` bytes.
#[derive(Clone)]
struct Blob {
    bytes: Vec<u8>,
    piece: usize,
}

impl Blob {
    fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), piece: usize::MAX }
    }

    fn expect(&self) -> LayerExpected {
        LayerExpected { digest: Some(Digest::sha256(&self.bytes)), size: Some(self.bytes.len() as u64), diff_id: None }
    }
}

impl Source for Blob {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        struct Pieces(io::Cursor<Vec<u8>>, usize);
        impl Read for Pieces {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = out.len().min(self.1);
                self.0.read(&mut out[..n])
            }
        }
        Ok(Box::new(Pieces(io::Cursor::new(self.bytes.clone()), self.piece)))
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

fn stamp(rule: Rule) -> Stamp {
    Stamp { epoch: Epoch::from_seconds(1_500_000_000).unwrap(), rule }
}

fn spec(output: Output) -> EncodeOptions {
    EncodeOptions {
        stamp: stamp(Rule::Set),
        numeric_owner: false,
        rules: LayerRules::default(),
        output,
        keep_unchanged: false,
        digest_algorithm: Algorithm::Sha256,
        diff_id_algorithm: Algorithm::Sha256,
    }
}

fn temporary() -> Result<File> {
    tempfile::tempfile().map_err(|error| Error::io("cannot make a file", error))
}

/// Rewrites, and returns the new blob's bytes as well.
fn rewritten(source: &dyn Source, spec: &EncodeOptions, pool: &Pool) -> (LayerInfo, NewLayer, Vec<u8>) {
    rewritten_from(source, &LayerExpected::default(), spec, pool)
}

fn rewritten_from(
    source: &dyn Source,
    expect: &LayerExpected,
    spec: &EncodeOptions,
    pool: &Pool,
) -> (LayerInfo, NewLayer, Vec<u8>) {
    let outcome = rewrite(source, expect, spec, pool, &NewBlobs::new(temporary)).unwrap();
    let Outcome::Rewritten(facts, _, written) = outcome else { panic!("{outcome:?}") };
    let bytes = written.blob.bytes(u64::MAX).unwrap();
    (facts, *written, bytes)
}

fn decoded(blob: &[u8]) -> Result<Vec<u8>> {
    let mut decoder = Decoder::new(Box::new(io::Cursor::new(blob.to_vec())), &LayerExpected::default(), Window::any())?;
    let mut bytes = vec![];
    decoder.read_to_end(&mut bytes).map_err(|error| Error::io("cannot read", error))?;
    Ok(bytes)
}

const OUTPUTS: [Output; 3] = [Output::NONE, Output::GZIP, Output::ZSTD];

#[test]
fn the_new_blob_holds_the_patched_stream_and_is_what_is_said_of_it() {
    let tar = layer(6 << 20, 1);
    let new = patched(&tar, stamp(Rule::Set));
    assert_ne!(new, tar);
    let pool = Pool::new(2).unwrap();
    for output in OUTPUTS {
        for (blob, compression) in
            [(tar.clone(), Compression::None), (gzip(&tar), Compression::Gzip), (zstd(&tar), Compression::Zstd)]
        {
            let source = Blob::new(blob);
            let (facts, written, bytes) = rewritten(&source, &spec(output), &pool);
            assert!(decoded(&bytes).unwrap() == new, "{output}");
            assert_eq!(written.digest, Digest::sha256(&bytes));
            assert_eq!(written.size, bytes.len() as u64);
            assert_eq!(written.diff_id, Digest::sha256(&new));
            assert_eq!(written.uncompressed_size, new.len() as u64);
            assert_eq!(facts.compression, compression);
            assert_eq!(facts.digest, Digest::sha256(&source.bytes));
            assert_eq!(facts.size, source.len());
            assert_eq!(facts.diff_id, Digest::sha256(&tar));
            assert_eq!(facts.uncompressed_size, tar.len() as u64);
            assert!(facts.stats.entries > 10 && facts.stats.stamped == facts.stats.entries && facts.stats.changed);
        }
    }
    assert_eq!(pool.bytes_in_flight(), 0);
}

#[test]
fn neither_threads_nor_pieces_nor_the_old_compression_move_a_byte() {
    let tar = layer(5 << 20, 2);
    for output in OUTPUTS {
        let (_, first, _) = rewritten(&Blob::new(&*tar), &spec(output), &Pool::new(1).unwrap());
        for (jobs, piece) in [(1, 1000), (2, 4099), (8, usize::MAX), (3, 65_537)] {
            let pool = Pool::new(jobs).unwrap();
            for bytes in [tar.clone(), gzip(&tar), zstd(&tar)] {
                let (_, again, _) = rewritten(&Blob { bytes, piece }, &spec(output), &pool);
                assert_eq!((first.digest, first.diff_id), (again.digest, again.diff_id), "{output}, {jobs} jobs");
            }
        }
    }
}

#[test]
fn rewriting_twice_changes_nothing() {
    let pool = Pool::new(2).unwrap();
    for output in OUTPUTS {
        let (_, first, bytes) = rewritten(&Blob::new(layer(3 << 20, 3)), &spec(output), &pool);
        let (facts, second, _) = rewritten(&Blob::new(bytes), &spec(output), &pool);
        assert_eq!(first.digest, second.digest);
        assert!(!facts.stats.changed && facts.stats.stamped == 0);
    }
}

#[test]
fn layers_side_by_side_share_a_small_budget() {
    let tars: Vec<_> = (0..6).map(|seed| layer(3 << 20, seed)).collect();
    let pool = Pool::with_budget(2, 1 << 20, Default::default()).unwrap();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = tars
            .iter()
            .zip([Output::GZIP, Output::ZSTD, Output::NONE].into_iter().cycle())
            .map(|(tar, output)| {
                let pool = &pool;
                scope.spawn(move || rewritten(&Blob::new(gzip(tar)), &spec(output), pool).1.diff_id)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (tar, digest) in tars.iter().zip(digests) {
        assert_eq!(digest, Digest::sha256(&patched(tar, stamp(Rule::Set))));
    }
    assert_eq!(pool.bytes_in_flight(), 0);
}

#[test]
fn what_has_not_changed_keeps_its_blob() {
    let tar = layer(1 << 20, 4);
    let late = EncodeOptions {
        stamp: Stamp { epoch: Epoch::from_seconds(4_000_000_000).unwrap(), rule: Rule::Clamp },
        keep_unchanged: true,
        ..spec(Output::GZIP)
    };
    let pool = Pool::new(1).unwrap();
    let source = Blob::new(gzip(&tar));
    let create = || -> Result<File> { panic!("no file is needed") };
    let outcome = rewrite(&source, &source.expect(), &late, &pool, &NewBlobs::new(create)).unwrap();
    let Outcome::Unchanged(facts, _) = outcome else { panic!("{outcome:?}") };
    assert_eq!(facts.diff_id, Digest::sha256(&tar));
    assert_eq!(pool.bytes_read(), source.len());

    // One entry is later than the epoch, near the end.
    let mut changed = tar[..tar.len() - 1024].to_vec();
    changed.extend_from_slice(&header("late", b'0', 0, 4_000_000_001));
    changed.resize(changed.len() + 1024, 0);
    let source = Blob::new(gzip(&changed));
    let (facts, written, bytes) = rewritten(&source, &late, &pool);
    assert_eq!(facts.stats.stamped, 1);
    assert_eq!(decoded(&bytes).unwrap(), patched(&changed, late.stamp));
    assert_ne!(written.digest, facts.digest);
}

#[test]
fn a_small_layer_that_changes_early_is_not_taken_for_another() {
    // The reader is at its end before the first entry, which changes, is looked at.
    let tar = layer(20_000, 21);
    let source = Blob::new(gzip(&tar));
    let expect = LayerExpected { diff_id: Some(Digest::sha256(&tar)), ..source.expect() };
    let spec = EncodeOptions { keep_unchanged: true, ..spec(Output::GZIP) };
    for _ in 0..50 {
        let pool = Pool::new(1).unwrap();
        let outcome = rewrite(&source, &expect, &spec, &pool, &NewBlobs::new(temporary)).unwrap();
        assert!(matches!(outcome, Outcome::Rewritten(..)));
        assert_eq!(pool.bytes_read(), source.len(), "read twice, counted once");
    }
}

#[test]
fn digests_have_the_algorithm_that_is_asked_for() {
    let tar = layer(300_000, 5);
    let pool = Pool::new(1).unwrap();
    for output in OUTPUTS {
        let spec = EncodeOptions { digest_algorithm: Algorithm::Sha512, ..spec(output) };
        let source = Blob::new(&*tar);
        let expect = LayerExpected {
            digest: Some(Digest::of(Algorithm::Sha512, &tar)),
            size: Some(source.len()),
            diff_id: Some(Digest::sha256(&tar)),
        };
        let outcome = rewrite(&source, &expect, &spec, &pool, &NewBlobs::new(temporary)).unwrap();
        let Outcome::Rewritten(_, _, written) = outcome else { panic!() };
        let bytes = written.blob.bytes(u64::MAX).unwrap();
        assert_eq!(written.digest, Digest::of(Algorithm::Sha512, &bytes));
        assert_eq!(written.diff_id.algorithm(), Algorithm::Sha256);
    }
}

#[test]
fn a_scan_shows_every_entry_and_its_content() {
    let tar = Tar::default().entry("a/", b'5', b"").entry("a/b", b'0', b"hello").file(700_000).end();
    let pool = Pool::new(1).unwrap();
    for piece in [1, 511, 1 << 20] {
        if piece == 1 && cfg!(debug_assertions) {
            continue;
        }
        let source = Blob { bytes: gzip(&tar), piece };
        let mut seen: Vec<(Vec<u8>, Vec<u8>)> = vec![];
        let (mut ends, mut rest) = (0, 0);
        let facts = scan(&source, &source.expect(), &pool, &mut |event| {
            match event {
                Event::Entry(entry) => seen.push((entry.name().into_owned(), vec![])),
                Event::Content(bytes) => seen.last_mut().unwrap().1.extend_from_slice(bytes),
                Event::End(entry) => {
                    assert!(entry.header().is_none());
                    ends += 1;
                }
                Event::Rest(bytes) => rest += bytes.len(),
                Event::Padding(bytes) => assert!(bytes.iter().all(|byte| *byte == 0)),
                Event::Map(_) | Event::Global(_) => panic!(),
            }
            Ok(())
        })
        .unwrap();
        assert_eq!((facts.stats.entries, ends, rest), (3, 1, 512));
        assert_eq!(seen[0], (b"a/".to_vec(), vec![]));
        assert_eq!(seen[1], (b"a/b".to_vec(), b"hello".to_vec()));
        assert_eq!(seen[2].1, content(700_000, 2048 - 512 + 512 - 512));
    }
}

#[test]
fn a_time_in_a_gzip_header_is_reported() {
    let tar = layer(10_000, 6);
    let mut blob = gzip(&tar[..5120]);
    blob.extend_from_slice(&gzip(&tar[5120..]));
    let pool = Pool::new(1).unwrap();
    let facts = |blob: &[u8]| scan(&Blob::new(blob), &LayerExpected::default(), &pool, &mut |_| Ok(())).unwrap();
    assert_eq!(facts(&blob).gzip_mtime, None);
    let second = gzip(&tar[..5120]).len();
    blob[second + 4..second + 8].copy_from_slice(&1_234_567_890_u32.to_le_bytes());
    assert_eq!(facts(&blob).gzip_mtime, Some(1_234_567_890));
}
