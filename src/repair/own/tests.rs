//! Files of every format as they are, and in tars in tars.

use super::super::checked::{EPOCH, becomes, patched, stamp, stays};
use super::*;
use crate::stamp::Rule;
use proptest::prelude::*;

const LATE: u64 = 1_760_000_000;

fn named(name: &'static str, formats: OwnFormats, rule: Rule) -> impl Fn(usize) -> Box<dyn ContentPatcher> {
    let own = OwnTimes::new(formats, Spools::new(std::env::temp_dir()));
    move |size| own.patcher_of(name.as_bytes(), size as u64, stamp(rule))
}

#[track_caller]
fn file_becomes(name: &'static str, formats: OwnFormats, before: &[u8], after: &[u8]) {
    for rule in [Rule::Set, Rule::Clamp] {
        let make = named(name, formats, rule);
        becomes(&|| make(before.len()), before, after);
    }
}

#[track_caller]
fn file_stays(name: &'static str, content: &[u8], reason: &str) {
    let make = named(name, OwnFormats::ALL, Rule::Set);
    stays(&|| make(content.len()), content, reason);
}

/// A gzip file without data.
fn gz(mtime: u64) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0][..], &(mtime as u32).to_le_bytes(), &[0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn deb(mtime: u64) -> Vec<u8> {
    format!("!<arch>\n{:<16}{mtime:<12}{:<6}{:<6}{:<8}{:<10}`\n2.0\n", "debian-binary", 0, 0, "100644", 4).into_bytes()
}

/// A tar of files with this time.
fn tar(files: &[(&str, Vec<u8>)], mtime: u64, is_ustar: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        let mut header = if is_ustar { ::tar::Header::new_ustar() } else { ::tar::Header::new_old() };
        header.set_path(name).unwrap();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(mtime);
        header.set_entry_type(::tar::EntryType::Regular);
        let bytes = header.as_bytes().iter().enumerate();
        let sum: u32 = bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
        header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

#[test]
fn files_are_known_by_their_first_bytes() {
    file_becomes("a", OwnFormats::ALL, &gz(LATE), &gz(EPOCH));
    file_becomes("a", OwnFormats::ALL, &deb(LATE), &deb(EPOCH));
    let of = |time| tar(&[("f", b"content".to_vec())], time, true);
    file_becomes("a", OwnFormats::ALL, &of(LATE), &of(EPOCH));
    let of = |time| tar(&[("f", b"content".to_vec())], time, false);
    file_becomes("a.tar", OwnFormats::ALL, &of(LATE), &of(EPOCH));
    file_becomes("a", OwnFormats::ALL, &of(LATE), &of(LATE));
    for other in [&b"text"[..], b"\x1f\x8b\x09", b"!<arch>", &[0; 2000], &[0xff; 600]] {
        file_becomes("a.tar", OwnFormats::ALL, other, other);
    }
}

#[test]
fn only_formats_that_are_asked_for_are_patched() {
    let none = OwnFormats::default();
    let content = tar(&[("f", gz(LATE))], LATE, true);
    let new = |formats, times: [u64; 2]| {
        file_becomes("a", formats, &content, &tar(&[("f", gz(times[0]))], times[1], true));
    };
    new(none, [LATE, LATE]);
    new(OwnFormats { gzip: true, ..none }, [LATE, LATE]);
    new(OwnFormats { tar: true, ..none }, [LATE, EPOCH]);
    new(OwnFormats { tar: true, gzip: true, ..none }, [EPOCH, EPOCH]);
    assert!(!none.any() && OwnFormats { jks: true, ..none }.any());
}

#[test]
fn tars_in_tars_are_opened_two_deep() {
    let of = |times: [u64; 4]| {
        let third = tar(&[("f.gz", gz(times[3]))], times[2], true);
        let second = tar(&[("third.tar", third), ("f.gz", gz(times[2]))], times[1], true);
        tar(&[("second.tar", second), ("lib.a", deb(times[1])), ("text", vec![b'x'; 3000])], times[0], true)
    };
    // The third is a file two deep, and is not opened.
    let (before, after) = (of([LATE; 4]), of([EPOCH, EPOCH, LATE, LATE]));
    let second = |bytes: &[u8]| bytes.to_vec();
    let make = named("a", OwnFormats::ALL, Rule::Set);
    let (found, verdict) = patched(&|| make(before.len()), &before);
    assert_eq!(verdict, Verdict::Patched);
    // A gzip file beside the third is two deep as well, and is patched.
    let expected = {
        let third = tar(&[("f.gz", gz(LATE))], LATE, true);
        let second = tar(&[("third.tar", third), ("f.gz", gz(EPOCH))], EPOCH, true);
        tar(&[("second.tar", second), ("lib.a", deb(EPOCH)), ("text", vec![b'x'; 3000])], EPOCH, true)
    };
    assert!(second(&found) == expected && expected != after);
}

#[test]
fn what_is_not_sound_within_a_tar_stays_alone() {
    let damaged = [&gz(LATE)[..], &[0x1f, 0x8b, 8]].concat();
    let of = |time| {
        let files = [("a.gz", damaged.clone()), ("b.gz", gz(time)), ("sha256/ab", gz(LATE))];
        tar(&files, time, true)
    };
    let (before, make) = (of(LATE), named("a", OwnFormats::ALL, Rule::Set));
    let (found, verdict) = patched(&|| make(before.len()), &before);
    assert!(found == of(EPOCH));
    assert_eq!(verdict, Verdict::PatchedWithNote("a.gz: it ends within a member".to_owned()));
    let many: Vec<_> = (0..9).map(|_| ("a.gz", damaged.clone())).collect();
    let (before, after) = (tar(&many, LATE, true), tar(&many, EPOCH, true));
    let (found, verdict) = patched(&|| make(before.len()), &before);
    assert!(found == after);
    let Verdict::PatchedWithNote(text) = verdict else { panic!("{verdict:?}") };
    assert!(text.ends_with("; and 6 more"), "{text}");
}

#[test]
fn a_tar_that_is_not_sound_stays() {
    let sound = tar(&[("f", vec![b'x'; 700]), ("g", b"y".to_vec())], LATE, true);
    file_stays("a", &sound[..800], "content");
    let mut damaged = sound.clone();
    damaged[512 + 1024 + 10] ^= 1;
    file_stays("a", &damaged, "checksum");
}

#[test]
fn a_tar_whose_length_would_change_stays() {
    let pax = |records: &[(&str, &str)]| {
        let mut builder = ::tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap();
        let mut header = ::tar::Header::new_ustar();
        header.set_path("f").unwrap();
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        builder.into_inner().unwrap()
    };
    file_stays("a", &pax(&[("mtime", "1760000000.5")]), "length would change");
    // The header stays for another record.
    let content = pax(&[("mtime", "1760000000.5"), ("comment", "x")]);
    let make = named("a", OwnFormats::ALL, Rule::Set);
    let (found, verdict) = patched(&|| make(content.len()), &content);
    assert!(found != content && verdict == Verdict::Patched);
}

const SOURCE: &[u8] = b"PORT = 8080\n";

fn bytecode(mtime: u64, size: usize) -> Vec<u8> {
    let words = [0, mtime as u32, size as u32].map(u32::to_le_bytes).concat();
    [&3495u16.to_le_bytes()[..], b"\r\n", &words, b"code"].concat()
}

#[test]
fn bytecode_in_a_tar_follows_its_source() {
    let of = |time, code: Vec<u8>| {
        tar(&[("./p/__pycache__/conf.cpython-311.pyc", code), ("p/conf.py", SOURCE.to_vec())], time, true)
    };
    let size = SOURCE.len();
    file_becomes("a", OwnFormats::ALL, &of(LATE, bytecode(LATE, size)), &of(EPOCH, bytecode(EPOCH, size)));
    let early = of(5, bytecode(5, size));
    let clamp = named("a", OwnFormats::ALL, Rule::Clamp);
    becomes(&|| clamp(early.len()), &early, &early);
    let hashed = |time| of(time, [&bytecode(LATE, size)[..4], &[1, 0, 0, 0], b"12345678code"].concat());
    file_becomes("a", OwnFormats::ALL, &hashed(LATE), &hashed(EPOCH));
    for stale in [bytecode(LATE, size + 1), bytecode(LATE - 1, size), bytecode(EPOCH, size)] {
        file_stays("a", &of(LATE, stale), "does not fit its source");
    }
    file_stays("a", &tar(&[("conf.pyc", bytecode(LATE, size))], LATE, true), "does not fit its source");
}

proptest! {
    #[test]
    fn damage_is_left_or_patched_soundly(at in 0usize..6000, byte: u8, cut in 0usize..12_000) {
        let inner = tar(&[("f.gz", gz(LATE)), ("lib.a", deb(LATE))], LATE, true);
        let mut bytes = tar(&[("inner.tar", inner), ("f.gz", gz(LATE))], LATE, true);
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(if cut < 6000 { length } else { cut - 6000 });
        let make = named("a.tar", OwnFormats::ALL, Rule::Set);
        patched(&|| make(bytes.len()), &bytes);
    }
}
