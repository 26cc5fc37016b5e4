//! Blobs that are not what they claim to be, disks that are full, runs that are stopped.

use super::*;
use crate::error::Kind;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn attempt(source: &dyn Source, expect: &LayerExpected, spec: &EncodeOptions, pool: &Pool) -> Result<Outcome> {
    let outcome = rewrite(source, expect, spec, pool, &NewBlobs::new(temporary));
    settle(pool);
    outcome
}

/// All permits come back, those of tasks that still run soon.
fn settle(pool: &Pool) {
    let start = Instant::now();
    while pool.bytes_in_flight() > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} bytes in flight", pool.bytes_in_flight());
        std::thread::yield_now();
    }
}

fn text(result: Result<impl std::fmt::Debug>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_blob_must_be_the_one_that_is_named() {
    let pool = Pool::new(1).unwrap();
    let tar = layer(600_000, 11);
    let other = Digest::sha256(b"other");
    for blob in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let source = Blob::new(blob);
        let good = LayerExpected { diff_id: Some(Digest::sha256(&tar)), ..source.expect() };
        for keep_unchanged in [false, true] {
            let spec = EncodeOptions { keep_unchanged, ..spec(Output::GZIP) };
            attempt(&source, &good, &spec, &pool).unwrap();
            let of = |expect: LayerExpected| text(attempt(&source, &expect, &spec, &pool));
            let wrong = of(LayerExpected { digest: Some(other), ..good.clone() });
            assert_eq!(
                wrong,
                format!("digest does not match: expected {other}, found {}", Digest::sha256(&source.bytes))
            );
            let wrong = of(LayerExpected { diff_id: Some(other), ..good.clone() });
            assert_eq!(wrong, format!("diff_id does not match: expected {other}, found {}", Digest::sha256(&tar)));
            let wrong = of(LayerExpected { size: Some(source.len() + 1), ..good.clone() });
            assert!(wrong.starts_with("size does not match"), "{wrong}");
            let wrong = of(LayerExpected { size: Some(source.len() - 1), ..good.clone() });
            assert!(wrong.starts_with("size does not match"), "{wrong}");
        }
        let scanned = scan(&source, &LayerExpected { digest: Some(other), ..good.clone() }, &pool, &mut |_| Ok(()));
        assert!(text(scanned).starts_with("digest does not match"));
    }
}

#[test]
fn an_unchanged_layer_is_verified_as_well() {
    let pool = Pool::new(1).unwrap();
    let tar = patched(&layer(600_000, 12), stamp(Rule::Set));
    let spec = EncodeOptions { keep_unchanged: true, ..spec(Output::GZIP) };
    let source = Blob::new(gzip(&tar));
    let outcome = attempt(&source, &source.expect(), &spec, &pool).unwrap();
    assert!(matches!(outcome, Outcome::Unchanged(..)));
    let other = Digest::sha256(b"other");
    for expect in [
        LayerExpected { digest: Some(other), ..source.expect() },
        LayerExpected { diff_id: Some(other), ..source.expect() },
        LayerExpected { size: Some(1), ..source.expect() },
    ] {
        assert!(text(attempt(&source, &expect, &spec, &pool)).contains("does not match"));
    }
}

#[test]
fn a_blob_without_end_is_read_no_further_than_its_size() {
    struct Endless(Arc<AtomicU64>);
    impl Source for Endless {
        fn open(&self) -> Result<Box<dyn Read + Send>> {
            struct Zeros(Arc<AtomicU64>);
            impl Read for Zeros {
                fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                    self.0.fetch_add(out.len() as u64, Ordering::Relaxed);
                    out.fill(0);
                    Ok(out.len())
                }
            }
            Ok(Box::new(Zeros(Arc::clone(&self.0))))
        }
        fn len(&self) -> u64 {
            0
        }
    }
    let pool = Pool::new(1).unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let expect = LayerExpected { size: Some(10_000), ..LayerExpected::default() };
    let wrong = text(attempt(&Endless(Arc::clone(&read)), &expect, &spec(Output::GZIP), &pool));
    assert!(wrong.starts_with("size does not match: expected 10000"), "{wrong}");
    assert!(read.load(Ordering::Relaxed) < 1 << 20);
}

#[test]
fn a_blob_that_is_cut_anywhere_is_an_error() {
    let tar = Tar::default().file(300).entry("dir/", b'5', b"").end();
    for blob in [gzip(&tar), zstd(&tar), [gzip(&tar[..700]), gzip(&tar[700..])].concat()] {
        assert_eq!(decoded(&blob).unwrap(), tar);
        let first_member = gzip(&tar[..700]).len();
        for len in 0..blob.len() {
            let result = decoded(&blob[..len]);
            match len {
                // No bytes at all, or a byte that is no magic number: a plain stream, of which the tar room thinks.
                0 | 1 => assert!(result.is_ok()),
                2 | 3 if blob.starts_with(&[0x28]) => assert!(result.is_ok()),
                _ if len == first_member && blob.starts_with(&gzip(&tar[..700])) => {
                    assert_eq!(result.unwrap(), tar[..700], "complete members are complete");
                }
                _ => {
                    let text = text(result);
                    assert!(text.contains("found the end of the blob"), "{len}: {text}");
                    assert!(text.contains("offset "), "{text}");
                }
            }
        }
    }
}

#[test]
fn what_follows_the_last_member_is_an_error() {
    let tar = layer(2000, 13);
    for (blob, what) in [(gzip(&tar), "gzip member"), (zstd(&tar), "zstd frame")] {
        for junk in
            [&b"junk"[..], b"\0", &[0; 512], b"\x1f", b"\x1f\x8c", b"PK\x03\x04 and more than ten bytes", b"\x28"]
        {
            let text = text(decoded(&[&blob[..], junk].concat()));
            if junk == b"\x1f" && what == "gzip member" {
                assert!(text.contains("found the end of the blob"), "{text}");
                continue;
            }
            let expected = format!("offset {}: compressed data: expected a {what} or the end, found ", blob.len());
            assert!(text.starts_with(&expected), "{text}");
        }
        let twice = [&blob[..], &blob[..]].concat();
        assert_eq!(decoded(&twice).unwrap(), [&tar[..], &tar[..]].concat());
    }
}

#[test]
fn empty_members_and_skippable_frames_are_read() {
    let tar = layer(2000, 14);
    let many = [gzip(b"").repeat(1000), gzip(&tar), gzip(b"")].concat();
    assert_eq!(decoded(&many).unwrap(), tar);
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    for many in [[&skippable[..], &zstd(&tar), skippable].concat(), [&zstd(&tar)[..], skippable, &zstd(b"")].concat()] {
        assert_eq!(decoded(&many).unwrap(), tar);
    }
}

#[test]
fn a_zstd_frame_that_asks_for_more_memory_than_128_mib_is_refused() {
    // RFC 8878, 3.1.1.1.2: a window of 2^(10 + exponent), the exponent in the upper five bits; an empty last block.
    let frame = |exponent: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0];
    assert_eq!(decoded(&frame(17)).unwrap(), b"");
    let expected = "offset 0: window of a zstd frame in bytes is over the limit: 268435456, at most 134217728 allowed";
    assert_eq!(text(decoded(&frame(18))), expected);
}

#[test]
fn every_field_of_a_gzip_header_is_read() {
    let plain = gzip(b"content");
    let mut blob = vec![0x1f, 0x8b, 8, 0b1_1111, 1, 0, 0, 0, 0, 3];
    blob.extend_from_slice(b"\x05\0extraname\0comment\0");
    let mut crc = flate2::Crc::new();
    crc.update(&blob);
    let crc16 = crc.sum() as u16;
    let body = &plain[10..];
    let good = [&blob[..], &crc16.to_le_bytes(), body].concat();
    assert_eq!(decoded(&good).unwrap(), b"content");
    for len in 4..good.len() {
        assert!(text(decoded(&good[..len])).contains("the end of the blob"));
    }
    let bad = [&blob[..], &(crc16 ^ 1).to_le_bytes(), body].concat();
    assert!(text(decoded(&bad)).contains("gzip header CRC-16"));
    let with = |at: usize, byte: u8| {
        let mut blob = plain.clone();
        blob[at] = byte;
        text(decoded(&blob))
    };
    assert_eq!(with(2, 7), "offset 2: gzip compression method: expected 8 (deflate), found 7");
    assert_eq!(with(3, 0x20), "offset 3: gzip flags: expected no reserved bit, found 0x20");
    assert!(with(plain.len() - 8, plain[plain.len() - 8] ^ 1).contains("gzip CRC-32"));
    assert!(with(plain.len() - 4, 8).contains("gzip ISIZE: expected 7, found 8"));
}

#[test]
fn a_flipped_bit_is_found_and_blamed_on_the_blob() {
    let pool = Pool::new(1).unwrap();
    let tar = Tar::default().file(3000).file(200).end();
    for blob in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let good = Blob::new(blob);
        for at in (0..good.bytes.len()).step_by(7) {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1 << (at % 8);
            let text = text(attempt(&bad, &good.expect(), &spec(Output::GZIP), &pool));
            assert!(text.starts_with("digest does not match"), "byte {at}: {text}");
            let _ = attempt(&bad, &LayerExpected::default(), &spec(Output::NONE), &pool);
        }
    }
}

#[test]
fn a_large_blob_that_is_hashed_aside_is_verified_to_its_last_byte() {
    let pool = Pool::new(1).unwrap();
    let tar = layer(3 << 20, 19);
    for blob in [gzip(&tar), zstd(&tar)] {
        let good = Blob::new(blob);
        let size = good.bytes.len();
        assert!(size > 512 << 10, "{size}");
        for at in [100, size / 2, size - 1] {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1;
            let text = text(attempt(&bad, &good.expect(), &spec(Output::GZIP), &pool));
            assert!(text.starts_with("digest does not match"), "byte {at}: {text}");
        }
        let cut = Blob::new(good.bytes[..size - 1].to_vec());
        assert!(text(attempt(&cut, &good.expect(), &spec(Output::GZIP), &pool)).starts_with("size does not match"));
        let expect = LayerExpected { digest: Some(Digest::sha256(b"")), size: Some(size as u64), diff_id: None };
        let text = text(attempt(&good, &expect, &spec(Output::GZIP), &pool));
        assert!(text.contains(&good.expect().digest.unwrap().to_string()), "{text}");
    }
}

#[test]
fn an_error_in_the_middle_of_the_tar_names_the_entry() {
    let pool = Pool::new(2).unwrap();
    let mut tar = layer(4 << 20, 15);
    let at = tar.len() - 1024;
    tar.truncate(at);
    let mut wrong_number = header("here", b'0', 0, 0);
    wrong_number[136] = b'x';
    wrong_number[148..156].fill(b' ');
    let sum: u32 = wrong_number.iter().map(|byte| u32::from(*byte)).sum();
    wrong_number[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut wrong_sum = header("here", b'0', 0, 0);
    wrong_sum[150] ^= 1;
    // What is in a block without even a magic is no name.
    let mut no_header = wrong_sum;
    no_header[257..265].fill(0);
    let here = format!("here: offset {at}: ");
    for (bad, start, part) in [
        (wrong_number, &here, "octal"),
        (wrong_sum, &here, "after \""),
        (no_header, &format!("offset {at}: "), "after \""),
    ] {
        let mut tar = tar.clone();
        tar.extend_from_slice(&bad);
        tar.extend_from_slice(&layer(4 << 20, 16));
        for output in OUTPUTS {
            let source = Blob::new(gzip(&tar));
            let text = text(attempt(&source, &source.expect(), &spec(output), &pool));
            assert!(text.starts_with(start) && text.contains(part), "{text}");
        }
    }
}

/// Reads the given bytes, and fails then.
struct Failing(Vec<u8>);

impl Source for Failing {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is on fire"))
            }
        }
        Ok(Box::new(io::Cursor::new(self.0.clone()).chain(Fails)))
    }

    fn len(&self) -> u64 {
        0
    }
}

#[test]
fn a_reader_that_fails_is_the_cause() {
    let pool = Pool::new(2).unwrap();
    let tar = layer(3 << 20, 17);
    for output in OUTPUTS {
        for len in [0, 100, 512, 700_000, 3 << 20] {
            let spec = EncodeOptions { keep_unchanged: len == 512, ..spec(output) };
            let text = text(attempt(&Failing(tar[..len].to_vec()), &LayerExpected::default(), &spec, &pool));
            assert_eq!(text, "cannot read: the disk is on fire", "{len}");
        }
    }
}

#[test]
fn a_full_disk_is_the_cause() {
    let pool = Pool::new(2).unwrap();
    let source = Blob::new(layer(8 << 20, 18));
    // Every write to this device fails with ENOSPC (full(4)).
    let full = || File::options().write(true).open("/dev/full").map_err(|error| Error::io("cannot open", error));
    for output in OUTPUTS {
        let error = rewrite(&source, &source.expect(), &spec(output), &pool, &NewBlobs::new(full)).unwrap_err();
        assert!(matches!(error.kind(), Kind::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull));
        settle(&pool);
    }
    let none = || Err(Error::missing("directory"));
    let error = rewrite(&source, &source.expect(), &spec(Output::GZIP), &pool, &NewBlobs::new(none)).unwrap_err();
    assert_eq!(error.to_string(), "directory is missing");
}

#[test]
fn a_run_that_is_interrupted_stops() {
    struct Interrupts(Vec<u8>, Arc<AtomicBool>);
    impl Source for Interrupts {
        fn open(&self) -> Result<Box<dyn Read + Send>> {
            struct Sets(Arc<AtomicBool>);
            impl Read for Sets {
                fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                    self.0.store(true, Ordering::Relaxed);
                    out.fill(0);
                    Ok(out.len())
                }
            }
            Ok(Box::new(io::Cursor::new(self.0.clone()).chain(Sets(Arc::clone(&self.1)))))
        }
        fn len(&self) -> u64 {
            0
        }
    }
    let flag = Arc::new(AtomicBool::new(false));
    let pool = Pool::with_interrupt(2, Arc::clone(&flag)).unwrap();
    // After the layer come zeros without end: only the interrupt ends it.
    let source = Interrupts(layer(3 << 20, 19), flag);
    let error = attempt(&source, &LayerExpected::default(), &spec(Output::GZIP), &pool).unwrap_err();
    assert!(matches!(error.kind(), Kind::Interrupted));
    let error = scan(&source, &LayerExpected::default(), &pool, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error.kind(), Kind::Interrupted));
}

#[test]
fn a_visitor_can_stop_a_scan() {
    let pool = Pool::new(1).unwrap();
    let source = Blob::new(gzip(&layer(3 << 20, 20)));
    let stop = &mut |_: Event<'_>| Err(Error::refused("enough"));
    assert_eq!(text(scan(&source, &source.expect(), &pool, stop)), "enough");
}

#[test]
fn a_bomb_goes_through_in_pieces() {
    let size = 256_u64 << 20;
    let head = header("zeros", b'0', size, 1);
    let mut blob = gzip(&head);
    let piece = gzip(&vec![0; 16 << 20]);
    for _ in 0..size >> 24 {
        blob.extend_from_slice(&piece);
    }
    blob.extend_from_slice(&gzip(&[0; 1024]));
    assert!(blob.len() < 2 << 20);
    let pool = Pool::new(2).unwrap();
    let (facts, written, _) = rewritten(&Blob::new(blob), &spec(Output::ZSTD), &pool);
    assert_eq!(facts.uncompressed_size, size + 1536);
    assert_eq!(written.uncompressed_size, size + 1536);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_blob_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        magic in prop_oneof![Just(&b"\x1f\x8b\x08"[..]), Just(&b"\x28\xb5\x2f\xfd"[..]), Just(&b""[..])],
    ) {
        let _ = decoded(&[magic, &bytes].concat());
    }

    #[test]
    fn no_change_of_a_blob_makes_it_panic(at in 0..4000_usize, byte: u8, kind in 0..3) {
        let tar = Tar::default().file(700).file(0).end();
        let mut blob = match kind { 0 => tar, 1 => gzip(&tar), _ => zstd(&tar) };
        let at = at % blob.len();
        blob[at] = byte;
        let pool = Pool::new(1).unwrap();
        let _ = attempt(&Blob::new(blob), &LayerExpected::default(), &spec(Output::GZIP), &pool);
    }
}
