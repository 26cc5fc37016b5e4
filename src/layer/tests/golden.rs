//! Golden digests of form 1. If one of these moves, every digest that restamp has ever written moves with it: that
//! is a new form, not a new golden digest.

use super::*;

/// The layers, by name, whose rewritten forms are fixed.
fn layers() -> Vec<(&'static str, Vec<u8>)> {
    const K: usize = 1 << 10;
    const M: usize = 1 << 20;
    let files = |sizes: &[usize]| sizes.iter().fold(Tar::default(), |tar, &size| tar.file(size)).end();
    let around = |size: usize| files(&[size - 513, size - 512, size - 1, size, size + 1]);
    let tiny = (0..20_000).fold(Tar::default(), |tar, i| tar.file(if i % 100 == 0 { 1 + i % 7 } else { 0 })).end();
    let links = (0..3000).fold(Tar::default().file(1000), |tar, i| tar.entry(&format!("link-{i}"), b'1', b"")).end();
    let mut random = Random(99);
    let noise: Vec<u8> = (0..3 * M / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut trailing = files(&[1000]);
    trailing.extend_from_slice(&content(5 * M, 77));
    let mut unterminated = files(&[300_000]);
    unterminated.truncate(unterminated.len() - 1024);
    vec![
        ("no bytes", vec![]),
        ("no entries", Tar::default().end()),
        ("empty files", (0..10).fold(Tar::default(), |tar, _| tar.file(0)).end()),
        ("around 256 KiB", around(256 * K)),
        ("around 1 MiB", around(M)),
        ("around 4 MiB", around(4 * M)),
        ("many middling", files(&[200 * K; 30])),
        ("thousands of tiny", tiny),
        ("hard links", links),
        ("sparse", sparse()),
        ("zeros", Tar::default().entry("zeros", b'0', &vec![0; 9 * M]).end()),
        ("noise", Tar::default().entry("noise", b'0', &noise).end()),
        ("a long name", pax("long/".repeat(200_000).as_bytes())),
        ("bytes behind the end", trailing),
        ("no end marker", unterminated),
        ("of everything", layer(8 * M, 42)),
    ]
}

/// An old GNU sparse file whose map goes on in extension blocks.
fn sparse() -> Vec<u8> {
    let mut block = header("sparse", b'S', 25 * 512, 1_600_000_001);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[345..].fill(0);
    let pair = |offset: usize| format!("{offset:011o}\0{:011o}\0", 512);
    for i in 0..4 {
        block[386 + 24 * i..][..24].copy_from_slice(pair(i * 4096).as_bytes());
    }
    block[482] = 1;
    block[483..495].copy_from_slice(format!("{:011o}\0", 25 * 4096).as_bytes());
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut extension = [0; 512];
    for i in 0..21 {
        extension[24 * i..][..24].copy_from_slice(pair((4 + i) * 4096).as_bytes());
    }
    let mut tar = Tar::default();
    tar.0.extend_from_slice(&block);
    tar.0.extend_from_slice(&extension);
    tar.0.extend_from_slice(&content(25 * 512, 3));
    tar.file(300_000).end()
}

/// A file with a long name and a fraction of a second in a PAX header.
fn pax(path: &[u8]) -> Vec<u8> {
    let mut records = b"30 mtime=1600000000.123456789\n".to_vec();
    // A record counts its own length: seven digits, a space, a newline.
    let length = path.len() + 14;
    records.extend_from_slice(format!("{length} path=").as_bytes());
    records.extend_from_slice(path);
    records.push(b'\n');
    assert_eq!((records.len(), length.to_string().len()), (30 + length, 7));
    Tar::default().entry("PaxHeaders.7/long", b'x', &records).file(100).end()
}

#[test]
fn form_1_has_not_moved() {
    let pool = Pool::new(2).unwrap();
    let mut found = String::new();
    for (name, tar) in layers() {
        for output in [Output::NONE, Output::GZIP, Output::ZSTD] {
            let (_, written, bytes) = rewritten(&Blob::new(&*tar), &spec(output), &pool);
            assert!(decoded(&bytes).unwrap() == patched(&tar, stamp(Rule::Set)), "{name}, {output}");
            found.push_str(&format!("{name}, {output}: {} {}\n", written.size, written.digest));
        }
    }
    let expected = include_str!("form1.golden");
    assert!(found == expected, "expected\n{expected}\nfound\n{found}");
}

#[test]
fn other_levels_have_not_moved() {
    let pool = Pool::new(2).unwrap();
    let tar = Tar::default().file(20_000).file(90_000).file(0).end();
    let mut found = String::new();
    for (compression, highest) in [(Compression::Gzip, 12), (Compression::Zstd, 19)] {
        for level in 1..=highest {
            let output = Output::new(compression, Some(level)).unwrap();
            let (_, written, _) = rewritten(&Blob::new(&*tar), &spec(output), &pool);
            found.push_str(&format!("{output}: {} {}\n", written.size, written.digest));
        }
    }
    let expected = include_str!("levels.golden");
    assert!(found == expected, "expected\n{expected}\nfound\n{found}");
}

#[test]
fn an_empty_layer_is_one_empty_member() {
    let pool = Pool::new(1).unwrap();
    let of = |output| rewritten(&Blob::new(b""), &spec(output), &pool).2;
    assert_eq!(of(Output::NONE), b"");
    assert_eq!(of(Output::GZIP), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(of(Output::ZSTD), [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
}

/// The sizes of the chunks in a blob, by member or frame.
fn chunks(output: Output, mut blob: &[u8]) -> Vec<usize> {
    let mut sizes = vec![];
    while !blob.is_empty() {
        if output.compression() == Compression::Zstd {
            let len = zstd::zstd_safe::find_frame_compressed_size(blob).unwrap();
            sizes.push(zstd::bulk::decompress(&blob[..len], 64 << 20).unwrap().len());
            blob = &blob[len..];
        } else {
            // Given a reader with a buffer of its own, flate2 reads one member and no further.
            let mut member = flate2::bufread::GzDecoder::new(blob);
            sizes.push(io::copy(&mut member, &mut io::sink()).unwrap() as usize);
            blob = member.into_inner();
        }
    }
    sizes
}

/// The cut rule once more, in its plainest form, for a stream of ustar entries that is all in memory.
fn model(output: Output, tar: &[u8]) -> Vec<usize> {
    let (target, large) =
        if output.compression() == Compression::Zstd { (4 << 20, 1 << 20) } else { (1 << 20, 256 << 10) };
    let (mut sizes, mut held, mut at) = (vec![], 0, 0);
    let close = |sizes: &mut Vec<usize>, held: &mut usize| {
        if *held > 0 {
            sizes.push(std::mem::take(held));
        }
    };
    while tar[at] != 0 {
        if held >= target {
            close(&mut sizes, &mut held);
        }
        let size = std::str::from_utf8(&tar[at + 124..at + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap().next_multiple_of(512);
        (held, at) = (held + 512, at + 512 + size);
        if size < large {
            held += size;
            continue;
        }
        close(&mut sizes, &mut held);
        sizes.extend(std::iter::repeat_n(target, size / target));
        held = size % target;
        close(&mut sizes, &mut held);
    }
    if held >= target {
        close(&mut sizes, &mut held);
    }
    held += tar.len() - at;
    close(&mut sizes, &mut held);
    sizes
}

#[test]
fn a_layer_is_cut_as_documented() {
    const K: usize = 1 << 10;
    let pool = Pool::new(2).unwrap();
    let of = |name: &str, output| {
        let tar = layers().into_iter().find(|layer| layer.0 == name).unwrap().1;
        chunks(output, &rewritten(&Blob::new(tar), &spec(output), &pool).2)
    };
    // Two that are not large, and the headers of one that is; and so on.
    let around = [512 * K + 512, 256 * K, 512, 256 * K, 512, 256 * K + 512, 1024];
    assert_eq!(of("around 256 KiB", Output::GZIP), around);
    assert_eq!(of("around 256 KiB", Output::ZSTD), [around.iter().sum::<usize>()]);
    let zeros = [&[512][..], &[1024 * K; 9], &[1024]].concat();
    assert_eq!(of("zeros", Output::GZIP), zeros);
    assert_eq!(of("zeros", Output::ZSTD), [512, 4096 * K, 4096 * K, 1024 * K, 1024]);
    let behind = 512 + 1024 + 1024 + 5120 * K;
    assert_eq!(of("bytes behind the end", Output::GZIP), [2048 * K, 2048 * K, behind - 4096 * K]);
    let sparse = 1024 + 25 * 512 + 512;
    assert_eq!(of("sparse", Output::GZIP), [sparse, 300_032, 1024]);
}

#[test]
fn random_layers_are_cut_as_documented() {
    let pool = Pool::new(2).unwrap();
    for seed in 100..106 {
        let tar = layer(7 << 20, seed);
        for output in [Output::GZIP, Output::ZSTD] {
            let blob = rewritten(&Blob { bytes: tar.clone(), piece: 77_777 }, &spec(output), &pool).2;
            assert_eq!(chunks(output, &blob), model(output, &tar), "{output}, seed {seed}");
        }
    }
}
