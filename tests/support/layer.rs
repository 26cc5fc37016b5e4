//! Layers: tar streams with all that real ones have in them, packed in every way.

use super::tarball::{Dialect, Entry, append_pax, open};
use super::{Build, noise, sha256};
use serde_json::{Value, json};

/// How a layer's blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Whose media types an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Oci,
    Docker,
}

/// A layer: its tar stream and its blob.
#[derive(Debug, Clone)]
pub struct Layer {
    pub tar: Vec<u8>,
    pub blob: Vec<u8>,
    pub media_type: String,
    pub annotations: Option<Value>,
}

impl Layer {
    pub fn new(tar: Vec<u8>, packing: Packing, family: Family, build: &Build) -> Self {
        let blob = pack(&tar, packing, build);
        Self { media_type: media_type(packing, family).to_owned(), blob, tar, annotations: None }
    }

    pub fn diff_id(&self) -> String {
        sha256(&self.tar)
    }

    pub fn digest(&self) -> String {
        sha256(&self.blob)
    }

    pub fn descriptor(&self) -> Value {
        let mut descriptor = json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.blob.len()});
        if let Some(annotations) = &self.annotations {
            descriptor["annotations"] = annotations.clone();
        }
        descriptor
    }
}

pub fn media_type(packing: Packing, family: Family) -> &'static str {
    match (family, packing) {
        (Family::Oci, Packing::Plain) => "application/vnd.oci.image.layer.v1.tar",
        (Family::Oci, Packing::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (Family::Oci, Packing::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (Family::Docker, Packing::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
        (Family::Docker, Packing::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (Family::Docker, Packing::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
}

/// Compresses as the build does: its level, its number of members or frames, its clock in the gzip header.
pub fn pack(tar: &[u8], packing: Packing, build: &Build) -> Vec<u8> {
    let piece = tar.len().div_ceil(build.members.max(1)).max(1);
    match packing {
        Packing::Plain => tar.to_vec(),
        Packing::Gzip => tar.chunks(piece).flat_map(|piece| gzip(piece, build.level, build.seconds as u32)).collect(),
        Packing::Zstd => {
            tar.chunks(piece).flat_map(|piece| zstd::bulk::compress(piece, build.level).unwrap()).collect()
        }
    }
}

/// One gzip member with an MTIME in its header.
pub fn gzip(bytes: &[u8], level: i32, mtime: u32) -> Vec<u8> {
    let level = libdeflater::CompressionLvl::new(level).unwrap();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let length = compressor.gzip_compress(bytes, &mut out).unwrap();
    out.truncate(length);
    out[4..8].copy_from_slice(&mtime.to_le_bytes());
    out
}

/// All of a stream that is compressed in whatever way.
pub fn unpack(blob: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    match blob {
        [0x1f, 0x8b, ..] => drop(flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut out).unwrap()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            out = zstd::stream::decode_all(blob).unwrap();
        }
        _ => out = blob.to_vec(),
    }
    out
}

/// A small root filesystem as docker's and BuildKit's Go writes it: whole seconds, USTAR.
pub fn base(build: &Build) -> Vec<u8> {
    let t = build.seconds;
    super::tarball::tar(&[
        Entry::dir("bin/", t),
        Entry::file("bin/hello", "#!/bin/sh\necho hello\n", t + 1).mode(0o755),
        Entry::link(b'1', "bin/greet", "bin/hello", t + 1),
        Entry::link(b'2', "bin/sh", "busybox", t + 1),
        Entry::dir("etc/", t),
        Entry::file("etc/os-release", "NAME=\"Hello\"\nID=hello\n", t + 2),
        Entry::file("etc/empty", "", t + 2),
        Entry::dir("tmp/", t + 3).mode(0o1777),
    ])
}

/// What an application adds: whiteouts, an opaque directory, old and late times, a file of some size.
pub fn app(build: &Build) -> Vec<u8> {
    let t = build.seconds;
    super::tarball::tar(&[
        Entry::dir("app/", t + 60),
        Entry::file("app/.wh..wh..opq", "", t + 60),
        Entry::file("app/data.bin", noise(700, 7), t + 61),
        Entry::file("app/old", "made in 2001\n", 981_173_106),
        Entry::file("app/late", "made in 2036\n", 2_082_758_400),
        Entry::dir("etc/", t + 60),
        Entry::file("etc/.wh.empty", "", t + 62),
    ])
}

/// Every dialect and every place for a time, in one layer.
pub fn zoo(build: &Build) -> Vec<u8> {
    let t = build.seconds;
    let capability = b"\x01\x00\x00\x02\x00\x24\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00";
    let long = format!("{}/{}", "d".repeat(140), "n".repeat(120));
    let mut out = Vec::new();
    // A global header: its times hold for all entries that have no own.
    append_pax(
        &mut out,
        b'g',
        b"pax_global_header",
        t,
        &[
            (b"comment".to_vec(), b"0123456789abcdef".to_vec()),
            (b"mtime".to_vec(), format!("{}.{:09}", t + 5, 1 + build.nanos).into_bytes()),
        ],
    );
    let device = |kind, name: &str, numbers| Entry { device: Some(numbers), ..Entry::new(kind, name, t) };
    let entries = [
        Entry { dialect: Dialect::V7, ..Entry::file("v7", "seventh edition\n", t + 1) },
        Entry::dir("ustar/", t + 2),
        Entry::file(format!("{}/{}", "u".repeat(90), "s".repeat(90)), "prefix and name\n", t + 3),
        Entry::file("gnu", "gnu\n", t + 4).gnu(),
        Entry { access: Some((t + 400, t + 500)), ..Entry::file("gnu-times", "atime, ctime\n", t + 4).gnu() },
        Entry { access: Some((0, t + 500)), ..Entry::file("gnu-ctime", "ctime alone\n", t + 4).gnu() },
        Entry::file(&long, "L header\n", t + 5).gnu(),
        Entry::link(b'2', format!("{long}.link"), &long, t + 5).gnu(),
        Entry::link(b'1', "hard", &long, t + 5).gnu(),
        Entry::file("fraction", "a PAX header for the mtime alone\n", t).fraction(build, 6),
        Entry::file("times", "all of them\n", t)
            .fraction(build, 7)
            .pax("atime", format!("{}.5", t + 8))
            .pax("ctime", format!("{}", t + 9))
            .pax("LIBARCHIVE.creationtime", format!("{}.25", t + 10)),
        Entry::file("xattrs", "binary value, with a newline\n", t)
            .fraction(build, 11)
            .pax("SCHILY.xattr.security.capability", capability)
            .pax("SCHILY.xattr.user.bär", "value = with\nline"),
        Entry::file(format!("{}/{}", "p".repeat(160), "q".repeat(160)), "path record\n", t + 12),
        Entry::file(b"latin1-\xe9\n.txt", "not UTF-8\n", t + 13),
        Entry { uid: 3_000_000, gid: 1 << 40, ..Entry::file("big-ids", "base-256\n", t + 13).gnu() },
        Entry { mtime: -1, ..Entry::file("before-1970", "", 0).gnu() },
        Entry { mtime: 1 << 34, ..Entry::file("after-2242", "", 0).gnu() },
        Entry::file("epoch0", "", 0),
        device(b'3', "null", (1, 3)),
        device(b'4', "loop0", (7, 0)),
        Entry::new(b'6', "fifo", t + 14),
        Entry {
            kind: b'S',
            sparse: Some((vec![(0, 512), (4096, 100)], 1 << 20)),
            ..Entry::file("sparse-gnu", noise(612, 3), t + 15).gnu()
        },
        Entry {
            kind: b'S',
            sparse: Some(((0..30).map(|i| (i * 8192, 512)).collect(), 1 << 20)),
            ..Entry::file("sparse-gnu-long", noise(512, 4).repeat(30), t + 15).gnu()
        },
        Entry::file("GNUSparseFile.0/sparse-0.1", noise(512, 5), t + 16)
            .pax("GNU.sparse.major", "0")
            .pax("GNU.sparse.minor", "1")
            .pax("GNU.sparse.name", "sparse-0.1")
            .pax("GNU.sparse.size", "65536")
            .pax("GNU.sparse.numblocks", "1")
            .pax("GNU.sparse.map", "4096,512"),
        Entry::file("GNUSparseFile.0/sparse-1.0", sparse_1_0(), t + 16)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", "sparse-1.0")
            .pax("GNU.sparse.realsize", "65536"),
        Entry::link(b'1', "last-hard", "v7", t + 17),
    ];
    out.extend(open(&entries));
    // More than the end marker. tar programs pad to a record of 10 KiB; that would depend on the build here,
    // and what follows the marker passes through as it is.
    out.extend([0; 4096]);
    out
}

/// The data of a PAX 1.0 sparse file: its map in a block, then its one piece.
fn sparse_1_0() -> Vec<u8> {
    let mut data = b"1\n4096\n512\n".to_vec();
    data.resize(512, 0);
    data.extend(noise(512, 6));
    data
}
