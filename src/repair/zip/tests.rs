//! Archives as writers of many kinds make them, and as none should.

use super::super::checked::{EPOCH, becomes, patched, stamp, stays};
use super::*;
use crate::stamp::Epoch;
use flate2::{Compress, Compression, Crc, FlushCompress};
use proptest::prelude::*;

const LATE: u32 = 1_760_000_001;
const EARLY: u32 = 1_600_000_000;
const NOW: u32 = EPOCH as u32;

fn new(rule: Rule) -> impl Fn() -> Box<dyn ContentPatcher> {
    with(stamp(rule))
}

fn with(stamp: Stamp) -> impl Fn() -> Box<dyn ContentPatcher> {
    move || Box::new(ZipPatcher::new(stamp, 1000, &Spools::new(std::env::temp_dir())))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// How a member is written.
#[derive(Clone)]
struct Member {
    name: String,
    content: Vec<u8>,
    is_deflated: bool,
    dos: u32,
    /// Of the header before the data, and of that in the directory.
    extras: [Vec<u8>; 2],
    flags: u16,
    descriptor: Descriptor,
}

#[derive(Clone, Copy, PartialEq)]
enum Descriptor {
    None,
    Marked,
    Bare,
    Long,
    Announced,
}

fn member(name: &str, content: &[u8], time: u32) -> Member {
    Member {
        name: name.to_owned(),
        content: content.to_vec(),
        is_deflated: false,
        dos: dos_seconds(time.into()),
        extras: [vec![], vec![]],
        flags: 0,
        descriptor: Descriptor::None,
    }
}

fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

/// All extra fields that hold times, and some that do not.
fn extras(time: u32) -> [Vec<u8>; 2] {
    let unix = time.to_le_bytes();
    let filetime = (u64::from(time) + 11_644_473_600) * 10_000_000;
    let ntfs = extra(0xa, &[&[0, 0, 0, 0, 1, 0, 24, 0][..], &filetime.to_le_bytes().repeat(2), &[0; 8]].concat());
    let old = [&unix[..], &unix].concat();
    let common = [extra(0xcafe, b""), ntfs, extra(0x7875, b"\x01\x04\0\0\0\0\x04\0\0\0\0")].concat();
    let local = [&common[..], &extra(0x5455, &[&[7][..], &unix.repeat(3)].concat())].concat();
    let local = [&local[..], &extra(0x5855, &[&old[..], b"uigi"].concat())].concat();
    let central = [&extra(0x5455, &[&[7][..], &unix].concat())[..], &extra(0x5855, &old), &common].concat();
    [local, central]
}

fn data(member: &Member) -> Vec<u8> {
    if !member.is_deflated {
        return member.content.clone();
    }
    let mut out = Vec::with_capacity(member.content.len() + 1000);
    Compress::new(Compression::fast(), false).compress_vec(&member.content, &mut out, FlushCompress::Finish).unwrap();
    out
}

/// An archive after a prefix that its offsets count or not.
fn archive(members: &[Member], prefix: &[u8], is_counted: bool) -> Vec<u8> {
    let (mut out, mut directory) = (prefix.to_vec(), Vec::new());
    let skipped = if is_counted { 0 } else { prefix.len() };
    for member in members {
        let (data, at) = (data(member), out.len() - skipped);
        let has_descriptor = member.descriptor != Descriptor::None;
        let flags = member.flags | if has_descriptor { 8 } else { 0 };
        let facts = [crc(&member.content), data.len() as u32, member.content.len() as u32];
        let early = if has_descriptor && member.descriptor != Descriptor::Announced { [0; 3] } else { facts };
        let fixed = |facts: [u32; 3], extra: &[u8]| {
            let head = [20, flags, if member.is_deflated { 8 } else { 0 }].map(u16::to_le_bytes).concat();
            let lengths = [member.name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat();
            [&head[..], &member.dos.to_le_bytes(), &facts.map(u32::to_le_bytes).concat(), &lengths].concat()
        };
        let [local, central] = &member.extras;
        out.extend([b"PK\x03\x04", &fixed(early, local)[..], member.name.as_bytes(), local, &data].concat());
        let [crc, compressed, size] = facts.map(u32::to_le_bytes);
        match member.descriptor {
            Descriptor::Marked => out.extend([&b"PK\x07\x08"[..], &crc, &compressed, &size].concat()),
            Descriptor::Bare => out.extend([crc, compressed, size].concat()),
            Descriptor::Long => out.extend([&crc[..], &compressed, &[0; 4], &size, &[0; 4]].concat()),
            Descriptor::None | Descriptor::Announced => {}
        }
        let tail = [&[0; 10][..], &(at as u32).to_le_bytes()].concat();
        directory.extend(
            [&b"PK\x01\x02\x14\x03"[..], &fixed(facts, central), &tail, member.name.as_bytes(), central].concat(),
        );
    }
    let at = out.len() - skipped;
    let numbers = [0, 0, members.len() as u16, members.len() as u16].map(u16::to_le_bytes).concat();
    let places = [directory.len() as u32, at as u32].map(u32::to_le_bytes).concat();
    [&out, &directory, &b"PK\x05\x06"[..], &numbers, &places, &7u16.to_le_bytes(), b"comment"].concat()
}

fn zip(members: &[Member]) -> Vec<u8> {
    archive(members, b"", true)
}

/// Members of every kind, with this time.
fn all_kinds(time: u32) -> Vec<Member> {
    let kinds = [Descriptor::None, Descriptor::Marked, Descriptor::Bare, Descriptor::Long, Descriptor::Announced];
    let mut members: Vec<_> = kinds
        .into_iter()
        .enumerate()
        .map(|(number, descriptor)| Member {
            is_deflated: number % 2 == 1,
            descriptor,
            extras: extras(time),
            ..member(&format!("{number}"), &[b'x'; 300], time)
        })
        .collect();
    members.push(member("folder/", b"", time));
    members
}

#[test]
fn times_are_replaced_wherever_they_are() {
    let of = |time| zip(&all_kinds(time));
    for rule in [Rule::Set, Rule::Clamp] {
        becomes(&new(rule), &of(LATE), &of(NOW));
        becomes(&new(rule), &zip(&[]), &zip(&[]));
    }
    becomes(&new(Rule::Set), &of(EARLY), &of(NOW));
    becomes(&new(Rule::Clamp), &of(EARLY), &of(EARLY));
}

#[test]
fn times_are_as_fields_can_hold_them() {
    // An odd second is rounded down.
    let odd = Stamp::set(Epoch::from_seconds(1_700_000_001).unwrap());
    let of = |dos, time| zip(&[Member { dos, extras: extras(time), ..member("a", b"", 0) }]);
    becomes(&with(odd), &of(1, LATE), &of(dos_seconds(1_700_000_000), 1_700_000_001));
    let first = Stamp::clamp(Epoch::from_seconds(7).unwrap());
    becomes(&with(first), &of(dos_seconds(LATE.into()), LATE), &of(0x0021_0000, 7));
    // Clamp leaves what is no date, where it sorts before.
    becomes(&with(first), &of(5, 7), &of(5, 7));
    becomes(&new(Rule::Clamp), &of(0xffff_ffff, EARLY), &of(dos_seconds(NOW.into()), EARLY));
}

#[test]
fn what_is_before_an_archive_stays() {
    let script = b"#!/usr/bin/env python3\nPK\x03\x04\n";
    for is_counted in [true, false] {
        let of = |time| archive(&all_kinds(time), script, is_counted);
        becomes(&new(Rule::Set), &of(LATE), &of(NOW));
    }
    // It may be no archive at all, only called like one.
    becomes(&new(Rule::Set), script, script);
    becomes(&new(Rule::Set), b"", b"");
}

#[test]
fn a_large_archive_is_in_a_file() {
    let of = |time| {
        let noise: Vec<u8> = (0..3u32 << 20).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect();
        zip(&[member("large", &noise, time), member("b", b"x", time)])
    };
    let mut patcher = new(Rule::Set)();
    let mut out = super::super::tests::NewContent::default();
    for piece in of(LATE).chunks(100_000) {
        patcher.patch(piece, &mut out).unwrap();
    }
    assert_eq!(patcher.finish(&mut out).unwrap(), Verdict::Patched);
    assert!(out.bytes == of(NOW));
    out.explains(&of(LATE));
    let larger = || -> Box<dyn ContentPatcher> {
        Box::new(ZipPatcher::new(stamp(Rule::Set), SPOOLED_MAX + 1, &Spools::new("/nowhere")))
    };
    stays(&larger, b"PK\x03\x04", "larger than 256 MiB");
}

/// Puts the records of Zip64 into an archive without a comment.
fn zip64(archive: &[u8], lie: u64) -> Vec<u8> {
    let (rest, end) = archive.split_at(archive.len() - 29);
    let entries = u64::from(end[10]);
    let [length, offset] = [12, 16].map(|at| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap())));
    let numbers = [entries, entries, length, offset].map(u64::to_le_bytes).concat();
    let record = [&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8], &numbers].concat();
    let at = rest.len() as u64 + lie;
    let locator = [&b"PK\x06\x07"[..], &[0; 4], &at.to_le_bytes(), &1u32.to_le_bytes()].concat();
    let end = [&end[..8], &[0xff; 12], &end[20..]].concat();
    [rest, &record, &locator, &end].concat()
}

#[test]
fn zip64_is_read() {
    let of = |time| {
        let mut members = all_kinds(time);
        members[0].extras[1].extend(extra(1, b""));
        zip64(&zip(&members), 0)
    };
    becomes(&new(Rule::Set), &of(LATE), &of(NOW));
    stays(&new(Rule::Set), &zip64(&zip(&all_kinds(LATE)), 1), "does not lead to the directory");
}

#[test]
fn what_readers_may_disagree_about_is_left() {
    let two = [member("a", b"content", LATE), member("b", b"more", LATE)];
    let sound = zip(&two);
    let directory = sound.len() - 29 - 2 * 47;
    let with = |at: usize, new: &[u8]| {
        let mut bytes = sound.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let encrypted = zip(&[Member { flags: 1, ..member("a", b"content", LATE) }]);
    let end = sound.len() - 29;
    let nested = [&sound[..end + 20], &29u16.to_le_bytes(), &sound[end..end + 20], &[0; 2], b"comment"].concat();
    let apk = {
        let block = [&b"PK\x03\x04"[..], &[0; 26], b"APK Sig Block 42"].concat();
        archive(&[], &block, true)
    };
    for (content, reason) in [
        (encrypted, "encrypted"),
        (nested, "disagree about where it ends"),
        ([&sound[..], b"x"].concat(), "disagree about where it ends"),
        (sound[..sound.len() - 1].to_vec(), "disagree about where it ends"),
        (sound[..end].to_vec(), "no record at its end"),
        (apk, "Android"),
        (with(0, b"PK00"), "split"),
        (with(end + 4, &[1]), "split"),
        (with(end + 8, &[1]), "split"),
        (with(end + 8, &[3, 0, 3, 0]), "directory is damaged"),
        (with(end + 8, &[1, 0, 1, 0]), "directory is damaged"),
        (with(end + 12, &[255]), "does not lead to the directory"),
        (with(end + 16, &[255]), "does not lead to the directory"),
        // A header that is elsewhere, of another name, method, size or checksum; data that is cut or shared.
        (with(directory + 42, &[1]), "header of a member is damaged"),
        (with(directory + 46, b"c"), "contradict"),
        (with(directory + 10, &[8]), "contradict"),
        (with(directory + 16, &[1]), "contradict"),
        (with(directory + 20, &[1]), "contradict"),
        (with(directory + 34, &[1]), "split"),
        (with(directory + 42, &[0xff; 4]), "missing"),
        (with(directory + 47 + 42, &[0]), "contradict"),
    ] {
        stays(&new(Rule::Set), &content, reason);
    }
    let mut cut = archive(&[Member { descriptor: Descriptor::Marked, ..member("a", b"content", LATE) }], b"", true);
    let central = cut.len() - 29 - 47;
    cut[central + 20] = 200;
    stays(&new(Rule::Set), &cut, "cut");
    let mut overlapping = archive(
        &[
            Member { descriptor: Descriptor::Marked, ..member("a", b"content", LATE) },
            Member { descriptor: Descriptor::Marked, ..member("b", b"more", LATE) },
        ],
        b"",
        true,
    );
    let central = overlapping.len() - 29 - 2 * 47;
    overlapping[central + 20] = 40;
    stays(&new(Rule::Set), &overlapping, "overlap");
}

#[test]
fn signed_archives() {
    for name in ["META-INF/X.SF", "meta-inf/x.rsa", "META-INF/A.DSA", "META-INF/B.EC"] {
        let of = |time| zip(&[member("A.class", b"x", time), member(name, b"", time)]);
        let (found, verdict) = patched(&new(Rule::Set), &of(LATE));
        assert!(found == of(NOW));
        assert!(matches!(verdict, Verdict::PatchedWithNote(_)), "{verdict:?}");
    }
    for name in ["META-INF/x/X.SF", "META-INF/SF", "X.SF", "META-INF/X.SFX"] {
        let of = |time| zip(&[member(name, b"", time)]);
        becomes(&new(Rule::Set), &of(LATE), &of(NOW));
    }
    stays(&new(Rule::Set), &zip(&[member(".signature.p7s", b"", LATE)]), "NuGet");
}

#[test]
fn classes_of_clojure_stay_newer() {
    let jar = |source: &str, class: &str| zip(&[member(source, b"", LATE), member(class, b"", LATE)]);
    for source in ["a/core.clj", "a/core.cljc"] {
        stays(&new(Rule::Set), &jar(source, "a/core__init.class"), "Clojure");
    }
    let others = jar("a/core.clj", "b/core__init.class");
    assert_eq!(patched(&new(Rule::Set), &others).1, Verdict::Patched);
    // Nothing changes in it.
    let early = zip(&[member("a.clj", b"", EARLY), member("a__init.class", b"", EARLY)]);
    becomes(&new(Rule::Clamp), &early, &early);
}

const SOURCE: &[u8] = b"PORT = 8080\n";

fn bytecode(mtime: u32, size: usize) -> Vec<u8> {
    let words = [0, mtime, size as u32].map(u32::to_le_bytes).concat();
    [&3495u16.to_le_bytes()[..], b"\r\n", &words, b"code"].concat()
}

/// A source and its bytecode, of which the latter says this mtime.
fn python(time: u32, mtime: u32, change: impl Fn(&mut Member)) -> Vec<u8> {
    let mut pyc = member("p/conf.pyc", &bytecode(mtime, SOURCE.len()), time);
    change(&mut pyc);
    zip(&[pyc, member("p/conf.py", SOURCE, time)])
}

#[test]
fn bytecode_follows_its_source() {
    for descriptor in [Descriptor::None, Descriptor::Marked, Descriptor::Long, Descriptor::Announced] {
        let with = |member: &mut Member| member.descriptor = descriptor;
        for mtime in [LATE - 2, LATE - 1, LATE] {
            becomes(&new(Rule::Set), &python(LATE, mtime, with), &python(NOW, NOW, with));
            becomes(&new(Rule::Clamp), &python(LATE, mtime, with), &python(NOW, NOW, with));
        }
        becomes(&new(Rule::Set), &python(EARLY, EARLY, with), &python(NOW, NOW, with));
        becomes(&new(Rule::Clamp), &python(EARLY, EARLY, with), &python(EARLY, EARLY, with));
    }
    let cached = |member: &mut Member| member.name = "p/__pycache__/conf.cpython-311.opt-1.pyc".to_owned();
    becomes(&new(Rule::Set), &python(LATE, LATE, cached), &python(NOW, NOW, cached));
    // Before 1980 the nearest time that zipimport could accept.
    let first = Stamp::set(Epoch::from_seconds(7).unwrap());
    becomes(&with(first), &python(LATE, LATE, |_| ()), &python(7, 315_532_800, |_| ()));
    // The extended timestamp says what the MS-DOS time, of another zone, does not.
    let zone = |time, mtime| {
        let unix = extra(0x5455, &[&[1][..], &u32::to_le_bytes(time)].concat());
        let extras = [unix.clone(), unix];
        let dos = dos_seconds(if time == LATE { i64::from(time) + 7200 } else { time.into() });
        let source = Member { extras, dos, ..member("conf.py", SOURCE, time) };
        zip(&[Member { dos, ..member("conf.pyc", &bytecode(mtime, SOURCE.len()), time) }, source])
    };
    becomes(&new(Rule::Set), &zone(LATE, LATE), &zone(NOW, NOW));
}

#[test]
fn stale_bytecode_stays_stale() {
    for (mtime, size) in [(LATE - 3, SOURCE.len()), (LATE + 1, SOURCE.len()), (LATE, SOURCE.len() + 1), (5, 0)] {
        let with = |member: &mut Member| member.content = bytecode(mtime, size);
        becomes(&new(Rule::Set), &python(LATE, 0, with), &python(NOW, 0, with));
    }
    stays(&new(Rule::Set), &python(LATE, NOW, |_| ()), "stale, and would become valid");
    // Hash-based, of no known version, without its source.
    for head in [&[1u8, 0, 0, 0][..], &[3, 0, 0, 0]] {
        let with = |member: &mut Member| member.content[4..8].copy_from_slice(head);
        becomes(&new(Rule::Set), &python(LATE, LATE, with), &python(NOW, LATE, with));
    }
    let alone = |member: &mut Member| member.name = "other.pyc".to_owned();
    becomes(&new(Rule::Set), &python(LATE, LATE, alone), &python(NOW, LATE, alone));
}

#[test]
fn bytecode_that_cannot_follow_keeps_its_archive() {
    let deflated = |member: &mut Member| member.is_deflated = true;
    stays(&new(Rule::Set), &python(LATE, LATE, deflated), "compressed bytecode");
    // It need not follow.
    becomes(&new(Rule::Set), &python(LATE, 5, deflated), &python(NOW, 5, deflated));
    becomes(&new(Rule::Set), &python(LATE, NOW + 50, deflated), &python(NOW, NOW + 50, deflated));
    becomes(&new(Rule::Clamp), &python(EARLY, EARLY, deflated), &python(EARLY, EARLY, deflated));
    let mut damaged = python(LATE, LATE, |_| ());
    damaged[30 + "p/conf.pyc".len() + 17] ^= 1;
    stays(&new(Rule::Set), &damaged, "checksum of bytecode");
    let pair = [member("a.py", SOURCE, LATE), member("a.pyc", &bytecode(LATE, SOURCE.len()), LATE)];
    let twice = zip(&[pair[0].clone(), pair[0].clone(), pair[1].clone()]);
    stays(&new(Rule::Set), &twice, "two sources");
    let signed = zip(&[&pair[..], &[member("META-INF/A.SF", b"", LATE)]].concat());
    stays(&new(Rule::Set), &signed, "signed, and bytecode");
}

proptest! {
    #[test]
    fn damage_is_left_or_patched_soundly(at in 0usize..2000, byte: u8, cut in 0usize..4000, is_long: bool) {
        let mut bytes = python(LATE, LATE, |member| member.descriptor = Descriptor::Marked);
        if is_long {
            bytes = zip64(&zip(&all_kinds(LATE)), 0);
        }
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(if cut < 2000 { length } else { cut - 2000 });
        patched(&new(Rule::Set), &bytes);
    }
}
