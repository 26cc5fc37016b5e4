//! What becomes of each time, as bytes.

use super::*;

/// A late, an early time, the epoch, and how the header block of `f` looks with the epoch in it.
const LATE: u64 = 1_800_000_000;
const EARLY: u64 = 1_234_567_890;

fn file(mtime: u64) -> Block {
    ustar(b'0', "f", 0, mtime)
}

/// Patches and compares; the result must not change when it is patched again.
#[track_caller]
fn becomes(rule: Rule, before: &[u8], after: &[u8], what: &str) {
    let found = patch(before, rule).unwrap();
    assert_same(&found, after, what);
    assert_same(&patch(&found, rule).unwrap(), &found, &format!("{what}, patched again"));
}

#[test]
fn only_the_time_and_the_checksum_of_a_header_change() {
    let mut block = file(LATE);
    // Numbers that others write with spaces, and a name that is not UTF-8, stay as they are.
    block[100..108].copy_from_slice(b"   644 \0");
    block[0..4].copy_from_slice(b"\xff\xfef\0");
    let block = sum(block);
    let out = patch(&block, Rule::Set).unwrap();
    assert_eq!(&out[136..148], EPOCH_OCTAL);
    assert_eq!(out[..136], block[..136]);
    assert_eq!(out[156..], block[156..]);
    let expected = with(block, 136, EPOCH_OCTAL);
    assert_same(&out, &expected, "header");
}

#[test]
fn mtimes_of_all_spellings() {
    let base_256 = |value: i128| -> [u8; 12] {
        let mut field: [u8; 12] = value.to_be_bytes()[4..].try_into().unwrap();
        field[0] |= 0x80;
        field
    };
    // Field, and whether it is later than the epoch.
    let cases: [(&[u8; 12], bool); 11] = [
        (b"14524770400\0", false),
        (b"14524770401\0", true),
        (b"14524770400 ", false),
        (b" 1452477040\0", false),
        (b"777777777777", true),
        (b"           \0", false),
        (&[0; 12], false),
        (&base_256(-1), false),
        (&base_256(i64::MIN.into()), false),
        (&base_256(i64::MAX.into()), true),
        (&base_256(1 << 33), true),
    ];
    for magic in [USTAR, GNU, V7] {
        for (field, is_late) in cases {
            let before = with(block(magic, b'0', "f", 0, 0), 136, field);
            let after = with(before, 136, EPOCH_OCTAL);
            let what = crate::error::printable(field);
            becomes(Rule::Set, &before, &after, &what);
            becomes(Rule::Clamp, &before, if is_late { &after } else { &before }, &what);
        }
    }
}

#[test]
fn a_checksum_is_made_canonical_where_the_block_changes() {
    // Sun's sum of signed bytes, and digits without a NUL behind them.
    let mut signed = file(EARLY);
    signed[0] = 0xe9;
    let sum: i64 = sum(signed)
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => 32,
            _ => i64::from(*byte as i8),
        })
        .sum();
    signed[148..156].copy_from_slice(format!("{sum:7o} ").as_bytes());
    becomes(Rule::Clamp, &signed, &signed, "clamp, early");
    becomes(Rule::Set, &signed, &with(signed, 136, EPOCH_OCTAL), "set");
    let mut late = with(signed, 136, b"15000000000\0");
    let right = super::sum(late);
    late[148..156].copy_from_slice(b"0\0\0\0\0\0\0\0");
    assert!(patch(&late, Rule::Set).is_err());
    becomes(Rule::Clamp, &right, &with(right, 136, EPOCH_OCTAL), "clamp, late");
}

#[test]
fn gnu_access_and_change_times_only_where_they_are_set() {
    let gnu = |atime: &[u8], ctime: &[u8]| with(with(block(GNU, b'0', "f", 0, EPOCH), 345, atime), 357, ctime);
    let epoch = EPOCH_OCTAL;
    let early = b"11145401322\0";
    let late = b"15000000000\0";
    let none = &[0; 12];
    becomes(Rule::Set, &gnu(none, none), &gnu(none, none), "unset");
    becomes(Rule::Set, &gnu(early, none), &gnu(epoch, none), "atime");
    becomes(Rule::Set, &gnu(none, late), &gnu(none, epoch), "ctime");
    becomes(Rule::Clamp, &gnu(early, late), &gnu(early, epoch), "clamp");
    // Go 1.7 wrote a prefix there; if one of the two is no number, there are no times.
    for (atime, ctime) in [(b"usr/share/do", b"c/packages\0\0"), (b"123456701234", b"567/x\0\0\0\0\0\0\0")] {
        becomes(Rule::Set, &gnu(atime, ctime), &gnu(atime, ctime), "prefix");
    }
    let prefixed = gnu(b"usr/share/do", b"c/packages\0\0");
    assert_eq!(entry_of(&prefixed).entry().name(), &b"usr/share/doc/packages/f"[..]);
}

#[test]
fn star_access_and_change_times() {
    let star = |magic, atime: &[u8], ctime: &[u8]| {
        let block = with(block(magic, b'0', "f", 0, EPOCH), 508, b"tar\0");
        with(with(block, 476, atime), 488, ctime)
    };
    let (early, late, none) = (b"11145401322 ", b"15000000000 ", &[0; 12]);
    becomes(Rule::Set, &star(USTAR, early, none), &star(USTAR, EPOCH_OCTAL, none), "set");
    becomes(Rule::Clamp, &star(USTAR, early, late), &star(USTAR, early, EPOCH_OCTAL), "clamp");
    becomes(Rule::Set, &star(V7, early, late), &star(V7, early, late), "v7 has none");
}

#[test]
fn set_moves_mtime_records_into_the_header() {
    let capability = "\u{1}\0\0\u{2}\n=\u{7f} mtime=5\n";
    for (what, before, after) in [
        ("alone", &[("mtime", "1234.5")][..], None),
        ("empty", &[("mtime", "")][..], None),
        ("twice", &[("mtime", "1"), ("mtime", "2")][..], None),
        (
            "with others",
            &[("path", "f"), ("mtime", "-5.25"), ("uid", "7")][..],
            Some(&[("path", "f"), ("uid", "7")][..]),
        ),
        (
            "others are set",
            &[("atime", "1.5"), ("mtime", "1"), ("ctime", "1700000001"), ("LIBARCHIVE.creationtime", "0")][..],
            Some(&[("atime", "1700000000"), ("ctime", "1700000000"), ("LIBARCHIVE.creationtime", "1700000000")][..]),
        ),
        ("empty ones stay", &[("atime", ""), ("ctime", "")][..], Some(&[("atime", ""), ("ctime", "")][..])),
        (
            "binary values stay",
            &[("SCHILY.xattr.security.capability", capability), ("mtime", "1")][..],
            Some(&[("SCHILY.xattr.security.capability", capability)][..]),
        ),
        ("no time at all", &[("uid", "3000000")][..], Some(&[("uid", "3000000")][..])),
    ] {
        let before = stream![extension(b'x', "./PaxHeaders.1234/f", &records(before), LATE), file(EARLY), END];
        let after = stream![after.map(pax).unwrap_or_default(), file(EPOCH), END];
        becomes(Rule::Set, &before, &after, what);
    }
}

#[test]
fn clamp_judges_each_time_alone() {
    // Records and header mtime before, and after; `None` where nothing changes.
    type Case<'a> = (&'a [(&'a str, &'a str)], u64, Option<(&'a [(&'a str, &'a str)], u64)>);
    let cases: &[Case<'_>] = &[
        (&[("mtime", "1699999999.999999999")], EARLY, None),
        (&[("mtime", "1700000000.000")], EPOCH, None),
        (&[("mtime", "-9.5"), ("atime", "0001.10")], EARLY, None),
        (&[("mtime", "1700000000.0000000001")], EARLY, Some((&[], EPOCH))),
        (&[("mtime", "1800000000")], LATE, Some((&[], EPOCH))),
        (&[("mtime", "9999999999999")], 0, Some((&[], EPOCH))),
        (&[("mtime", "5.5")], LATE, Some((&[("mtime", "5.5")], EPOCH))),
        (&[("path", "f"), ("mtime", "1800000000")], EARLY, Some((&[("path", "f")], EPOCH))),
        (&[("atime", "1800000000"), ("ctime", "5")], 5, Some((&[("atime", "1700000000"), ("ctime", "5")], 5))),
        // If the last mtime went, the first would count.
        (&[("mtime", "5"), ("mtime", "1800000000")], 5, Some((&[("mtime", "5"), ("mtime", "1700000000")], 5))),
    ];
    for (before, mtime, after) in cases {
        let what = format!("{before:?} {mtime}");
        // Names and own mtimes of extension headers don't matter while they are not late.
        let old = stream![extension(b'x', "./PaxHeaders.1234/f", &records(before), EARLY), file(*mtime), END];
        let new = match after {
            None => old.clone(),
            Some(([], mtime)) => stream![file(*mtime), END],
            Some((list, mtime)) => {
                stream![extension(b'x', "./PaxHeaders.1234/f", &records(list), EARLY), file(*mtime), END]
            }
        };
        becomes(Rule::Clamp, &old, &new, &what);
    }
}

#[test]
fn payload_and_its_size_are_rebuilt_as_one() {
    // Other spellings of the size, and rubbish in the padding, stay until the payload changes.
    let mut header = extension(b'x', "PaxHeaders.0/f", &records(&[("atime", "1800000000")]), 0);
    let block = with(header[..512].try_into().unwrap(), 124, b"         24 ");
    header[..512].copy_from_slice(&block);
    header[1023] = b'x';
    let expected = stream![pax(&[("atime", "1700000000")]), file(EPOCH)];
    for rule in RULES {
        becomes(rule, &stream![header, file(EPOCH)], &expected, "rebuilt");
    }
    let far = Stamp { epoch: Epoch::from_seconds(LATE).unwrap(), rule: Rule::Clamp };
    let (kept, _) = patch_in_pieces(&stream![header, file(EPOCH)], far, 1).unwrap();
    assert_same(&kept, &stream![header, file(EPOCH)], "kept");
    // In set mode there is one spelling, also where the value was right already.
    let mut spelled = extension(b'x', "PaxHeaders.0/f", &records(&[("atime", "1700000000")]), 0);
    let block = with(spelled[..512].try_into().unwrap(), 124, b"         24 ");
    spelled[..512].copy_from_slice(&block);
    spelled[1023] = b'x';
    becomes(Rule::Set, &stream![spelled, file(EPOCH)], &expected, "spelling");
    becomes(Rule::Clamp, &stream![spelled, file(EPOCH)], &stream![spelled, file(EPOCH)], "spelling");
    // A record that loses digits may lose one of its length's digits too.
    let long = format!("1800000000.{}", "5".repeat(80));
    becomes(
        Rule::Set,
        &stream![pax(&[("ctime", &long)]), file(EPOCH)],
        &stream![pax(&[("ctime", "1700000000")]), file(EPOCH)],
        "length",
    );
}

#[test]
fn extension_headers_are_made_canonical_by_set_alone() {
    let long = "d/".repeat(80) + "f";
    let name = [long.as_bytes(), b"\0"].concat();
    let entry = |x: &str, mtime| {
        let path = records(&[("path", "a/../b//é/f")]);
        stream![extension(b'L', "././@LongLink", &name, mtime), extension(b'x', x, &path, mtime), file(EPOCH)]
    };
    becomes(Rule::Set, &entry("./PaxHeaders.77/f", LATE), &entry("b//PaxHeaders.0/f", 0), "set");
    becomes(Rule::Clamp, &entry("./PaxHeaders.77/f", EARLY), &entry("./PaxHeaders.77/f", EARLY), "clamp, early");
    becomes(Rule::Clamp, &entry("./PaxHeaders.77/f", LATE), &entry("./PaxHeaders.77/f", 0), "clamp, late");
    // A name that the writer has spread over prefix and name.
    let path = records(&[("comment", "x")]);
    let prefixed = with(ustar(b'x', "PaxHeaders.1/f", path.len() as u64, 0), 345, b"some/where");
    let before = stream![prefixed, padded(&path), with(file(EPOCH), 345, b"some/where")];
    let canonical = extension(b'x', "some/where/PaxHeaders.0/f", &path, 0);
    becomes(Rule::Set, &before, &stream![canonical, with(file(EPOCH), 345, b"some/where")], "prefix");
}

#[test]
fn a_pax_header_that_lost_its_mtime_is_as_one_that_never_had_it() {
    // bsdtar ends the size with a space; what follows the records may be anything.
    let as_written = |list: &[(&str, &str)]| {
        let mut header = pax(list);
        *header.last_mut().unwrap() = b'x';
        let block = with(*header.first_chunk().unwrap(), 135, b" ");
        header[..BLOCK].copy_from_slice(&block);
        stream![header, file(LATE), END]
    };
    let xattr = ("SCHILY.xattr.user.a", "v");
    let canonical = stream![pax(&[xattr]), file(EPOCH), END];
    becomes(Rule::Set, &as_written(&[("mtime", "1800000000.5"), xattr]), &canonical, "with an mtime");
    becomes(Rule::Set, &as_written(&[xattr]), &canonical, "without one");
    becomes(Rule::Clamp, &as_written(&[xattr])[..2 * BLOCK], &as_written(&[xattr])[..2 * BLOCK], "clamp");
}

#[test]
fn global_headers() {
    let global = |name: &str, list: &[(&str, &str)], mtime| extension(b'g', name, &records(list), mtime);
    let comment = ("comment", "41b5b3b");
    for (rule, before, after) in [
        (Rule::Set, global("/tmp/GlobalHead.99.1", &[("mtime", "1.5")], LATE), vec![]),
        (
            Rule::Set,
            global("/tmp/GlobalHead.99.1", &[("mtime", "1.5"), comment, ("atime", "3")], LATE),
            global("/tmp/GlobalHead.0.1", &[comment, ("atime", "1700000000")], 0),
        ),
        (Rule::Set, global("pax_global_header", &[comment], EARLY), global("pax_global_header", &[comment], 0)),
        (Rule::Set, global("GlobalHead.x.1", &[], 0), global("GlobalHead.x.1", &[], 0)),
        (
            Rule::Clamp,
            global("GlobalHead.99.1", &[("mtime", "1800000000.5"), ("atime", "3.25")], EARLY),
            global("GlobalHead.99.1", &[("mtime", "1700000000"), ("atime", "3.25")], EARLY),
        ),
    ] {
        becomes(rule, &stream![before, file(EPOCH), END], &stream![after, file(EPOCH), END], "global");
    }
}

#[test]
fn clamp_keeps_a_record_that_overrides_a_global_one() {
    let global = |value: &str| extension(b'g', "g", &records(&[("mtime", value)]), 0);
    let late = [("mtime", "1800000000")];
    let own = [("mtime", "1700000000")];
    becomes(
        Rule::Clamp,
        &stream![global("5"), pax(&late), file(3), global(""), pax(&late), file(3), END],
        &stream![global("5"), pax(&own), file(3), global(""), file(EPOCH), END],
        "global mtime",
    );
}

#[test]
fn of_several_pax_headers_none_is_dropped() {
    // Go lets the last replace the others: dropping an empty one would bring the first to life.
    let before = stream![pax(&[("path", "other")]), pax(&[("mtime", "5")]), file(EARLY), END];
    let x = |list| extension(b'x', "PaxHeaders.0/f", &records(list), 0);
    becomes(Rule::Set, &before, &stream![x(&[("path", "other")]), x(&[]), file(EPOCH), END], "set");
    assert_eq!(entry_of(&before).entry().name(), &b"f"[..]);
    let late = stream![pax(&[("mtime", "5")]), pax(&[("mtime", "1800000000")]), file(EARLY), END];
    let after = stream![pax(&[("mtime", "5")]), pax(&[("mtime", "1700000000")]), file(EARLY), END];
    becomes(Rule::Clamp, &late, &after, "clamp");
}

#[test]
fn headers_that_no_entry_follows_are_patched_too() {
    let before = stream![extension(b'x', "PaxHeaders.9/f", &records(&[("path", "d/f"), ("mtime", "1800000000")]), 1)];
    let set = extension(b'x', "d/PaxHeaders.0/f", &records(&[("path", "d/f")]), 0);
    let clamped = extension(b'x', "PaxHeaders.9/f", &records(&[("path", "d/f"), ("mtime", "1700000000")]), 1);
    for end in [&[][..], &END, &END[..700], &END[..3]] {
        becomes(Rule::Set, &stream![before, end], &stream![set, end], "set");
        becomes(Rule::Clamp, &stream![before, end], &stream![clamped, end], "clamp");
    }
    // The same before a global header.
    let global = extension(b'g', "g", &records(&[("comment", "x")]), 0);
    becomes(
        Rule::Clamp,
        &stream![before, global, file(5), END],
        &stream![clamped, global, file(5), END],
        "before a global header",
    );
}

#[test]
fn the_statistics_count_what_changed() {
    let stream = stream![file(EPOCH), file(LATE), pax(&[("atime", "5")]), file(EPOCH), file(EARLY), END];
    let stats = |rule| patch_in_pieces(&stream, stamp(rule), 1).unwrap().1;
    assert_eq!(stats(Rule::Set), Stats { entries: 4, stamped: 3, changed: true, ..Stats::default() });
    assert_eq!(stats(Rule::Clamp), Stats { entries: 4, stamped: 1, changed: true, ..Stats::default() });
    let (_, none) = patch_in_pieces(&stream![file(EPOCH), END], stamp(Rule::Set), 1).unwrap();
    assert_eq!(none, Stats { entries: 1, ..Stats::default() });
    let (_, global) = patch_in_pieces(&extension(b'g', "g", &[], 5), stamp(Rule::Set), 1).unwrap();
    assert_eq!(global, Stats { changed: true, ..Stats::default() });
}
