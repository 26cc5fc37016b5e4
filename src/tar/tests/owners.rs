//! What becomes of the names of owners and groups, as bytes.

use super::*;
use crate::tar::{Part, Visitor};

const LATE: u64 = 1_800_000_000;
const EARLY: u64 = 1_234_567_890;
const STAR: [u8; 4] = *b"tar\0";

/// The block with names of an owner and a group in it.
fn named(block: Block, uname: &[u8], gname: &[u8]) -> Block {
    let mut names = [0; 64];
    names[..uname.len()].copy_from_slice(uname);
    names[32..32 + gname.len()].copy_from_slice(gname);
    with(block, 265, &names)
}

pub(super) fn numeric(stream: &[u8], rule: Rule) -> Result<(Vec<u8>, Stats)> {
    let mut found = None;
    for piece in [1, 700, 100_000] {
        let (mut walker, mut patched) = (Walker::new(), PatchedBytes::new(patcher(stamp(rule)).numeric_owner(true)));
        for piece in stream.chunks(piece) {
            walker.push(piece, &mut patched)?;
        }
        walker.end(&mut patched)?;
        let made = patched.finish()?;
        assert!(found.is_none_or(|found| found == made), "the size of the pieces shows");
        found = Some(made);
    }
    Ok(found.unwrap())
}

/// Has an entry of this stream the name of an owner or a group?
pub(super) fn has_names(stream: &[u8]) -> bool {
    struct Names(bool);
    impl Visitor for Names {
        fn headers(&mut self, _: Step, entry: &Entry, _: &[u8]) -> Result<()> {
            self.0 |= !entry.uname().is_empty() || !entry.gname().is_empty();
            Ok(())
        }

        fn bytes(&mut self, _: Part, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
    let (mut walker, mut names) = (Walker::new(), Names(false));
    walker.push(stream, &mut names).unwrap();
    walker.end(&mut names).unwrap();
    names.0
}

/// Patches and compares, numbers of stamped entries and of those without names included; the result must not change when it
/// is patched again.
#[track_caller]
fn becomes(rule: Rule, before: &[u8], after: &[u8], counts: (u64, u64), what: &str) {
    let (found, stats) = numeric(before, rule).unwrap();
    assert_same(&found, after, &format!("{what}, {rule:?}"));
    assert_eq!((stats.stamped, stats.owners), counts, "{what}, {rule:?}");
    assert_eq!(stats.changed, before != after, "{what}, {rule:?}");
    let (again, stats) = numeric(&found, rule).unwrap();
    assert_same(&again, &found, &format!("{what}, {rule:?}, patched again"));
    assert_eq!((stats.stamped, stats.owners, stats.changed), (0, 0, false), "{what}, {rule:?}, patched again");
}

#[test]
fn names_in_the_header_become_nul_in_every_format_that_has_them() {
    for magic in [USTAR, GNU] {
        for trailer in [[0; 4], STAR] {
            let plain = |mtime| with(block(magic, b'0', "f", 0, mtime), 508, &trailer);
            for (uname, gname) in [
                (&b"root"[..], &b"wheel"[..]),
                (b"", b"users"),
                (b"j\xf6rg", b""),
                // Fields without a NUL, and with bytes after it.
                (&[b'u'; 32], &[b'g'; 32]),
                (b"\0\0rest", b"x\0y"),
            ] {
                let old = stream![named(plain(EPOCH), uname, gname), END];
                let new = stream![plain(EPOCH), END];
                for rule in RULES {
                    becomes(rule, &old, &new, (0, 1), "names alone");
                }
                let late = stream![named(plain(LATE), uname, gname), END];
                for rule in RULES {
                    becomes(rule, &late, &new, (1, 1), "names and a time");
                }
                let early = stream![named(plain(EARLY), uname, gname), END];
                becomes(Rule::Clamp, &early, &stream![plain(EARLY), END], (0, 1), "the time stays");
            }
        }
    }
}

#[test]
fn without_the_option_names_stay() {
    let file = named(ustar(b'0', "f", 0, EPOCH), b"root", b"root");
    let old = stream![pax(&[("uname", "someone"), ("gname", "")]), file, END];
    for rule in RULES {
        assert_same(&patch(&old, rule).unwrap(), &old, "without the option");
    }
}

#[test]
fn a_header_without_a_magic_has_no_names() {
    for magic in [V7, b"ustar \0\0"] {
        let old = stream![named(block(magic, b'0', "f", 0, EPOCH), b"these bytes", b"are no names"), END];
        for rule in RULES {
            becomes(rule, &old, &old, (0, 0), "no magic");
        }
    }
}

#[test]
fn only_names_and_the_checksum_change() {
    let mut old = named(ustar(b'0', "f", 0, EPOCH), b"root", b"root");
    old[100..108].copy_from_slice(b"   644 \0");
    old[0..4].copy_from_slice(b"\xff\xfef\0");
    old[329..345].copy_from_slice(b"    123\0    456\0");
    old[345..352].copy_from_slice(b"prefix\0");
    let old = sum(old);
    let (new, _) = numeric(&old, Rule::Clamp).unwrap();
    assert_eq!(new[..148], old[..148]);
    assert_eq!(new[156..265], old[156..265]);
    assert_eq!(new[265..329], [0; 64]);
    assert_eq!(new[329..], old[329..]);
    assert_same(&new, &sum(new.clone().try_into().unwrap()), "checksum");
}

#[test]
fn name_records_go_and_an_empty_header_with_them() {
    let file = |mtime| ustar(b'0', "f", 0, mtime);
    let capability = "\u{1}\0\0\u{2}\n=\u{7f} uname=x\n";
    for (what, before, after) in [
        ("alone", &[("uname", "a name of more than thirty-two bytes")][..], None),
        ("both", &[("uname", "käthe"), ("gname", "käthe")][..], None),
        ("empty ones, which take back a global name", &[("uname", ""), ("gname", "")][..], None),
        ("twice", &[("uname", "a"), ("uname", "b")][..], None),
        (
            "with others",
            &[("path", "f"), ("uname", "u"), ("uid", "7"), ("gname", "g")][..],
            Some(&[("path", "f"), ("uid", "7")][..]),
        ),
        (
            "values and longer keys stay",
            &[("SCHILY.xattr.security.capability", capability), ("uname", "u"), ("unames", "v"), ("X.uname", "w")][..],
            Some(&[("SCHILY.xattr.security.capability", capability), ("unames", "v"), ("X.uname", "w")][..]),
        ),
    ] {
        let after = stream![after.map(pax).unwrap_or_default(), file(EPOCH), END];
        for rule in RULES {
            becomes(rule, &stream![pax(before), file(EPOCH), END], &after, (0, 1), what);
        }
    }
    // With the mtime record the header goes as well.
    let times = pax(&[("mtime", "1800000000.5"), ("uname", "u")]);
    for rule in RULES {
        becomes(rule, &stream![times, file(EARLY), END], &stream![file(EPOCH), END], (1, 1), "mtime and name");
    }
    // A header that never had a record is left, as it is without the option.
    let empty = stream![pax(&[]), file(EPOCH), END];
    for rule in RULES {
        becomes(rule, &empty, &empty, (0, 0), "no records");
    }
}

#[test]
fn of_several_headers_an_emptied_one_still_replaces_the_others() {
    let file = ustar(b'0', "f", 0, EPOCH);
    let old = stream![pax(&[("path", "first")]), pax(&[("uname", "u")]), file, END];
    let new = stream![pax(&[("path", "first")]), pax(&[]), file, END];
    for rule in RULES {
        becomes(rule, &old, &new, (0, 1), "two headers");
    }
}

#[test]
fn global_names_go() {
    let file = ustar(b'0', "f", 0, EPOCH);
    let global = |list: &[(&str, &str)]| extension(b'g', "pax_global_header", &records(list), 0);
    let old = stream![global(&[("uname", "u"), ("gname", "g")]), file, END];
    let mixed = stream![global(&[("uname", "u"), ("comment", "c")]), file, END];
    for rule in RULES {
        becomes(rule, &old, &stream![file, END], (0, 0), "all of it");
        becomes(rule, &mixed, &stream![global(&[("comment", "c")]), file, END], (0, 0), "a part");
    }
}

#[test]
fn extension_headers_lose_their_own_names() {
    let long = format!("{}\0", "n".repeat(150));
    let file = |magic| block(magic, b'0', &"n".repeat(100), 0, EPOCH);
    for (kind, payload, magic) in [
        (b'L', long.clone().into_bytes(), GNU),
        (b'K', long.into_bytes(), GNU),
        (b'x', records(&[("uid", "7")]), USTAR),
    ] {
        let name = format!("PaxHeaders.0/{}", "n".repeat(87));
        let plain = extension(kind, &name, &payload, 0);
        let (head, rest) = plain.split_at(BLOCK);
        let old = stream![named(head.try_into().unwrap(), b"root", b"root"), rest, file(magic), END];
        for rule in RULES {
            becomes(rule, &old, &stream![plain, file(magic), END], (0, 1), "an extension header");
        }
    }
}

#[test]
fn hostile_headers_are_the_same_errors_and_leave_nothing_out() {
    let file = named(ustar(b'0', "f", 0, EPOCH), b"root", b"root");
    let mut damaged = file;
    damaged[265] ^= 1;
    for bad in [
        stream![damaged, END],
        stream![extension(b'x', "p", b"12 uname=a\0b\n", 0), file, END],
        stream![extension(b'x', "p", b"99 uname=a\n", 0), file, END],
        stream![extension(b'x', "p", b"uname=a\n", 0), file, END],
        stream![file, &file[..300]],
    ] {
        for rule in RULES {
            let with_names = patch(&bad, rule).unwrap_err().to_string();
            assert_eq!(numeric(&bad, rule).unwrap_err().to_string(), with_names);
        }
    }
    // Extension headers that no entry follows.
    let loose = stream![pax(&[("uname", "u"), ("uid", "7")]), END];
    for rule in RULES {
        becomes(rule, &loose, &stream![pax(&[("uid", "7")]), END], (0, 0), "loose");
    }
    // Many records cost no more than as many times would.
    let many: Vec<u8> = (0..60_000).flat_map(|_| record("uname", b"u")).collect();
    let (out, stats) = numeric(&stream![extension(b'x', "p", &many, 0), file, END], Rule::Set).unwrap();
    assert_eq!((out.len(), stats.owners), (3 * BLOCK, 1));
}
