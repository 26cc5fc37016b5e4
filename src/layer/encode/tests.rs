//! The cut rule, case by case, and what is documented of the headers.

use super::*;
use proptest::prelude::*;

/// Feeds runs to a cutter, each in pieces of at most `piece` bytes; the sizes of the chunks.
fn cut(output: Output, runs: &[(Segment, u64)], piece: u64) -> Vec<u64> {
    let mut cutter = ChunkRule::new(output);
    let (mut chunks, mut held) = (vec![], 0);
    for &(run, mut len) in runs {
        if cutter.begin(run) {
            chunks.push(std::mem::take(&mut held));
        }
        while len > 0 {
            let n = len.min(cutter.room()).min(piece);
            (len, held) = (len - n, held + n);
            if cutter.add(n) {
                chunks.push(std::mem::take(&mut held));
            }
        }
    }
    if held > 0 {
        chunks.push(held);
    }
    chunks
}

fn file(total: u64) -> [(Segment, u64); 2] {
    [(Segment::Headers, 512), (Segment::Content { total }, total)]
}

const END: (Segment, u64) = (Segment::Headers, 1024);
const CODECS: [(Output, u64, u64); 2] = [(Output::GZIP, MIB, 256 * KIB), (Output::ZSTD, 4 * MIB, MIB)];

#[test]
fn a_large_file_stands_alone() {
    for (output, t, l) in CODECS {
        let all = u64::MAX;
        let of = |total| cut(output, &[file(total)[0], file(total)[1], END], all);
        assert_eq!(of(l - 512), [512 + l - 512 + 1024], "just under L: one chunk with all");
        assert_eq!(of(l), [512, l, 1024], "L");
        assert_eq!(of(l + 512), [512, l + 512, 1024]);
        assert_eq!(of(t - 512), [512, t - 512, 1024]);
        assert_eq!(of(t), [512, t, 1024], "no empty chunk after a piece of exactly T");
        assert_eq!(of(t + 512), [512, t, 512, 1024]);
        assert_eq!(of(3 * t), [512, t, t, t, 1024]);
    }
}

#[test]
fn headers_are_cut_off_only_from_a_full_chunk() {
    for (output, t, l) in CODECS {
        let small = l - 512;
        let runs: Vec<_> = std::iter::repeat_n(file(small), 10).flatten().collect();
        // Each is L with its header: the fourth reaches T exactly.
        assert_eq!(t, 4 * l);
        assert_eq!(cut(output, &runs, u64::MAX), [t, t, 2 * l]);
        let empty = vec![(Segment::Headers, 512); usize::try_from(t / 512).unwrap() + 1];
        assert_eq!(cut(output, &empty, u64::MAX), [t, 512], "empty files");
    }
}

#[test]
fn nothing_exceeds_two_targets() {
    for (output, t, _) in CODECS {
        assert_eq!(cut(output, &[(Segment::Headers, 5 * t)], u64::MAX), [2 * t, 2 * t, t]);
        assert_eq!(cut(output, &[END, (Segment::Rest, 4 * t)], u64::MAX), [2 * t, 2 * t, 1024]);
        assert_eq!(cut(output, &[(Segment::Headers, 2 * t), file(t)[1]], u64::MAX), [2 * t, t]);
    }
}

#[test]
fn no_bytes_no_chunks() {
    assert!(cut(Output::GZIP, &[], 1).is_empty());
}

#[test]
fn levels_are_checked() {
    assert_eq!(Output::new(Compression::Gzip, None).unwrap(), Output::GZIP);
    assert_eq!(Output::new(Compression::Zstd, Some(3)).unwrap(), Output::ZSTD);
    for (compression, highest) in [(Compression::Gzip, 12), (Compression::Zstd, 19)] {
        assert!(Output::new(compression, Some(highest)).is_ok());
        for bad in [0, highest + 1, u32::MAX] {
            let text = Output::new(compression, Some(bad)).unwrap_err().to_string();
            assert!(text.contains(&bad.to_string()), "{text}");
        }
    }
    assert!(Output::new(Compression::None, Some(1)).is_err());
}

#[test]
fn a_gzip_member_has_the_header_that_is_documented() {
    for level in 1..=12 {
        let output = Output::new(Compression::Gzip, Some(level)).unwrap();
        let mut encoder = Encoder::new(output).unwrap();
        let xfl = match level {
            1 => 4,
            8.. => 2,
            _ => 0,
        };
        let member = encoder.encode(b"layer").unwrap();
        assert_eq!(member[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 255], "level {level}");
    }
}

#[test]
fn a_zstd_frame_has_the_header_that_is_documented() {
    for level in 1..=19 {
        let output = Output::new(Compression::Zstd, Some(level)).unwrap();
        let mut encoder = Encoder::new(output).unwrap();
        // Frame_Header_Descriptor: single segment, content size in one byte, no checksum, no dictionary ID.
        assert_eq!(encoder.encode(b"layer").unwrap()[..6], [0x28, 0xb5, 0x2f, 0xfd, 0x20, 5]);
    }
}

#[test]
fn an_encoder_has_no_memory() {
    let chunks: Vec<Vec<u8>> =
        (0..6_u32).map(|i| (0..i * 20_000).map(|j| (j.wrapping_mul(j) / (i + 7)) as u8).collect()).collect();
    for output in [Output::GZIP, Output::ZSTD] {
        let mut kept = Encoder::new(output).unwrap();
        for chunk in chunks.iter().chain(chunks.iter().rev()) {
            let fresh = Encoder::new(output).unwrap().encode(chunk).unwrap().to_vec();
            assert_eq!(kept.encode(chunk).unwrap(), fresh);
        }
    }
}

fn runs() -> impl Strategy<Value = Vec<(Segment, u64)>> {
    let total = prop_oneof![0..8 * KIB, 200 * KIB..300 * KIB, 0..9 * MIB];
    let run = prop_oneof![
        (1..20_u64).prop_map(|n| vec![(Segment::Headers, n * 512)]),
        (total, 1..9_u64).prop_map(|(total, n)| {
            let total = total / 512 * 512;
            vec![(Segment::Headers, n * 512), (Segment::Content { total }, total)]
        }),
        (0..9 * MIB).prop_map(|n| vec![(Segment::Rest, n)]),
    ];
    prop::collection::vec(run, 0..60).prop_map(|runs| runs.concat())
}

proptest! {
    #[test]
    fn cuts_do_not_depend_on_how_bytes_arrive(runs in runs(), piece in 1000..70_000_u64) {
        for (output, t, _) in CODECS {
            let whole = cut(output, &runs, u64::MAX);
            prop_assert_eq!(&whole, &cut(output, &runs, piece));
            prop_assert_eq!(whole.iter().sum::<u64>(), runs.iter().map(|run| run.1).sum::<u64>());
            prop_assert!(whole.iter().all(|&chunk| chunk > 0 && chunk <= 2 * t));
        }
    }

    #[test]
    fn the_chunks_of_a_large_file_do_not_depend_on_what_precedes(runs in runs(), total in 1..9 * MIB) {
        for (output, _, l) in CODECS {
            let total = (l + total) / 512 * 512;
            let alone = cut(output, &file(total), u64::MAX);
            let chunks = cut(output, &[&runs[..], &file(total)].concat(), u64::MAX);
            prop_assert!(chunks.ends_with(&alone[1..]));
        }
    }
}
