//! Where entries begin and end, what is refused, and what an entry says.

use super::*;
use crate::Instant;
use crate::tar::{ExtensionKind, Field, Format};

/// All steps of a stream and, for each, how many bytes were fed or passed for it.
fn steps(stream: &[u8]) -> Result<Vec<(Option<Step>, usize)>> {
    let (mut framer, mut rest, mut steps) = (Framer::new(), stream, Vec::new());
    while !rest.is_empty() {
        let (step, count) = match framer.want() {
            Want::Feed(count) => {
                let count = count.min(rest.len());
                (Some(framer.feed(&rest[..count])?), count)
            }
            Want::Content { remaining, .. } => (None, rest.len().min(remaining as usize)),
            Want::Rest => (None, rest.len()),
        };
        if step.is_none() {
            framer.pass(count as u64);
        }
        steps.push((step, count));
        rest = &rest[count..];
    }
    framer.end()?;
    Ok(steps)
}

const CONTENT: Option<Step> = None;

#[track_caller]
fn frames(stream: &[u8], expected: &[(Option<Step>, usize)], what: &str) {
    assert_eq!(steps(stream).unwrap(), expected, "{what}");
}

#[test]
fn headers_content_and_end() {
    use Step::{End, Entry, Global, Held, More};
    let f = ustar(b'0', "f", 600, 0);
    let content = [7; 1024];
    let x = pax(&[("path", "f")]);
    let g = extension(b'g', "g", &records(&[("size", "5")]), 0);
    let l = extension(b'L', "l", &[b'n'; 600], 0);
    let entry = [(Some(Entry), 512), (CONTENT, 1024)];
    let end = [(Some(End), 512), (Some(More), 512)];
    let held = [(Some(Held), 512), (Some(Held), 512)];
    frames(&[], &[], "nothing");
    frames(&END, &end, "an empty archive");
    frames(&stream![f, content, END], &[&entry[..], &end].concat(), "a file");
    frames(&stream![x, f, content], &[&held[..], &entry].concat(), "a PAX header, no end marker");
    let expected = [&[(Some(Held), 512), (Some(Global), 512)], &entry[..]].concat();
    frames(&stream![g, f, content], &expected, "a global size is none");
    let expected = [&[(Some(Held), 512), (Some(Held), 1024)], &held[..], &entry].concat();
    frames(&stream![l, x, f, content], &expected, "a payload of two blocks");
    frames(&stream![extension(b'x', "x", b"", 0), f, content], &[&held[..1], &entry].concat(), "no payload");
    // Behind the end marker nothing is read, but zeros are looked at one by one.
    let expected = [&entry[..], &end, &[(Some(More), 512), (Some(More), 512), (CONTENT, 1024)]].concat();
    frames(&stream![f, content, END, END[..512], f, content], &expected, "a second archive");
    // Blocks cut short.
    frames(&stream![f, content[..600]], &[(Some(Entry), 512), (CONTENT, 600)], "no padding");
    frames(&stream![f, content[..700]], &[(Some(Entry), 512), (CONTENT, 700)], "half the padding");
    frames(&END[..100], &[(Some(End), 100)], "some zeros");
    frames(&END[..512], &end[..1], "one zero block");
    frames(&END[..700], &[(Some(End), 512), (Some(More), 188)], "one zero block and a bit");
    frames(&x[..530], &[(Some(Held), 512), (Some(Held), 18)], "a payload without padding");
    frames(&stream![END, f[..9]], &[&end[..], &[(Some(More), 9)]].concat(), "anything behind the end");
}

#[test]
fn how_much_content_there_is() {
    let content = |headers: &[u8]| {
        let framer = entry_of(headers);
        let want = framer.want();
        let total = framer.entry().size().next_multiple_of(512);
        assert!(want == if total == 0 { Want::Feed(512) } else { Want::Content { remaining: total, total } });
        framer.entry().size()
    };
    assert_eq!(content(&ustar(b'0', "f", 5, 0)), 5);
    assert_eq!(content(&ustar(0, "f", 5, 0)), 5);
    assert_eq!(content(&ustar(b'7', "f", 5, 0)), 5);
    assert_eq!(content(&ustar(b'D', "dumpdir/", 5, 0)), 5);
    assert_eq!(content(&ustar(b'0', "f/", 5, 0)), 5);
    for kind in b'1'..=b'6' {
        assert_eq!(content(&ustar(kind, "f", 5, 0)), 0, "links, devices and directories have none");
    }
    assert_eq!(content(&ustar(0, "d/", 0, 0)), 0);
    assert_eq!(content(&ustar(0, "d/", 5, 0)), 0, "as Go's reader has it");
    assert_eq!(content(&with(ustar(0, "", 5, 0), 345, b"d")), 0);
    assert_eq!(content(&stream![pax(&[("path", "d/")]), ustar(0, "f", 5, 0)]), 0);
    assert_eq!(content(&stream![pax(&[("path", "f")]), ustar(0, "d/", 5, 0)]), 5);
    assert_eq!(content(&stream![pax(&[("size", "700")]), ustar(b'0', "f", 5, 0)]), 700);
    assert_eq!(content(&stream![pax(&[("size", "")]), ustar(b'0', "f", 5, 0)]), 5);
    let pax_700 = pax(&[("size", "700")]);
    assert_eq!(content(&stream![pax_700, pax_700, ustar(b'0', "f", 5, 0)]), 700);
    let large = with(ustar(b'0', "f", 0, 0), 124, &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(entry_of(&large).entry().size(), 0x7fff_ffff_ffff_ffff);
}

#[test]
fn sparse_maps_are_headers() {
    use Step::{Entry, More};
    let gnu = block(GNU, b'S', "f", 512, 0);
    let mut map = [0; 512];
    map[..12].copy_from_slice(b"00000001000\0");
    let last = map;
    map[504] = 1;
    let stream = stream![with(gnu, 482, &[1]), map, last, [1; 512], END];
    let blocks = [(Some(Entry), 512), (Some(More), 512), (Some(More), 512), (CONTENT, 512)];
    assert_eq!(steps(&stream).unwrap()[..4], blocks);
    assert_eq!(steps(&stream![gnu, [1; 512]]).unwrap(), [(Some(Entry), 512), (CONTENT, 512)]);
    for rule in RULES {
        let out = patch(&stream, rule).unwrap();
        assert_eq!(out[512..], stream[512..], "the map passes");
    }
}

/// What is wrong with a stream: the message must have each of these parts.
#[track_caller]
fn refused(stream: &[u8], parts: &[&str]) {
    for rule in RULES {
        let Err(error) = patch(stream, rule) else { panic!("accepted; it should say {parts:?}") };
        let error = error.to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
    }
}

#[test]
fn malformed_headers_are_named_with_their_place() {
    let f = ustar(b'0', "f", 0, 0);
    let number = |at: usize, bytes: &[u8]| stream![f, with(ustar(b'0', "bad", 0, 0), at, bytes)];
    refused(&number(136, b"12x\0"), &["bad: offset 512: mtime: expected", "12x"]);
    refused(&number(124, b"-0000000001\0"), &["bad: offset 512: size"]);
    refused(&number(124, &[0xff; 12]), &["bad: offset 512: size: expected a number that is not negative, found -1"]);
    refused(&number(124, &[0x8f; 12]), &["size"]);
    refused(&number(100, b"9"), &["mode"]);
    refused(&number(108, b"0 0 "), &["uid"]);
    refused(&number(116, b"a"), &["gid"]);
    refused(&number(329, b"x"), &["device major"]);
    refused(&number(337, b"x"), &["device minor"]);
    assert!(patch(&with(block(V7, b'0', "v7", 0, 0), 329, b"x"), Rule::Set).is_ok(), "v7 has no devices");
    let mut wrong = f;
    wrong[3] = b'x';
    refused(&stream![f, wrong], &["offset 512", "checksum"]);
    refused(&block(USTAR, b'S', "s", 0, 0), &["s: offset 0: sparse file: expected a header in GNU format"]);
    refused(&stream![f, END[..512], f], &["offset 1024: end marker: expected two blocks of zeros"]);
}

#[test]
fn malformed_records_are_named_with_their_place() {
    let x = |payload: &[u8]| stream![extension(b'x', "px", payload, 0), ustar(b'0', "f", 0, 0)];
    let place = |at: usize| format!("px: offset {}: PAX", 512 + at);
    for payload in [
        &b"12 path"[..],
        b"path=f\n",
        b" 8 a=bc\n",
        b"-8 a=bc\n",
        b"99999999999999999999999 a=b\n",
        b"4294967296 a=b\n",
        b"4 a=",
        b"7 a=bcd\n",
        b"8 abcde\n",
        b"8 =bcde\n",
        b"9 a\0b=cd\n",
        b"11 path=a\0\n",
        b"\0\0\0\0\0\0\0",
        b"5 a=b",
    ] {
        refused(&x(payload), &[&place(0)]);
    }
    for (key, value) in [
        ("mtime", "1e9"),
        ("mtime", "+1"),
        ("mtime", "1."), // accepted below
        ("mtime", ".5"),
        ("mtime", "-"),
        ("mtime", "1.5.5"),
        ("mtime", "9223372036854775808"),
        ("mtime", "-9223372036854775808.5"),
        ("atime", "now"),
        ("ctime", "0x1"),
        ("LIBARCHIVE.creationtime", "1 "),
        ("size", "5x"),
        ("uid", " 5"),
        ("gid", "5.0"),
    ] {
        let payload = records(&[("comment", "ok"), (key, value)]);
        if value == "1." {
            assert!(patch(&x(&payload), Rule::Set).is_ok(), "Go takes it");
        } else {
            refused(&x(&payload), &[&place(14), key]);
        }
    }
    refused(&x(&records(&[("size", "-1")])), &["f: offset 1024: size: expected a number that is not negative"]);
}

#[test]
fn what_readers_would_frame_differently_is_refused() {
    let size = |size: &str| pax(&[("size", size)]);
    let f = ustar(b'0', "f", 5, 0);
    refused(&stream![size("512"), pax(&[("path", "f")]), f], &["f: offset 512", "two sizes, 512 and 5"]);
    refused(&stream![size("512"), size("1024"), f], &["two sizes, 512 and 1024"]);
    refused(&stream![pax(&[("size", "1"), ("size", "2")]), f], &["two sizes, 1 and 2"]);
    refused(&stream![size("5"), extension(b'g', "g", b"", 0), f], &["global header", "offset 0"]);
    for names in [["d/\0", "f"], ["f\0", "d/"]] {
        let both =
            stream![extension(b'L', "l", names[0].as_bytes(), 0), pax(&[("path", names[1])]), ustar(0, "f", 5, 0)];
        refused(&both, &["offset 2048: two names", "with a size of 5"]);
    }
}

#[test]
fn extension_headers_have_limits() {
    let large = ustar(b'x', "x", (1 << 20) + 1, 0);
    refused(&large, &["x: offset 0: size of an extension header is over the limit"]);
    let many: Vec<u8> = (0..1025).flat_map(|_| extension(b'x', "x", b"", 0)).collect();
    refused(&many, &["number of extension headers", "at most 1024"]);
    let heavy: Vec<u8> = (0..4).flat_map(|_| extension(b'L', "l", &vec![b'n'; 1 << 20], 0)).collect();
    refused(&heavy, &["size of all extension headers", "4194304"]);
    let bounded = [&heavy[..3 * ((1 << 20) + 512)], &ustar(b'0', "f", 0, 0)].concat();
    assert_same(&patch(&bounded, Rule::Clamp).unwrap(), &bounded, "within the limits");
}

#[test]
fn a_stream_that_ends_too_early_is_told_by_entry_and_offset() {
    let f = ustar(b'0', "f", 600, 0);
    refused(&stream![f, [0; 599]], &["f: offset 0: content: expected 600 bytes, found 599 before the stream ends"]);
    refused(&f, &["f: offset 0: content: expected 600 bytes, found 0"]);
    refused(&f[..511], &["offset 0: header block: expected 512 bytes, found 511"]);
    refused(&stream![END[..512], f[..9]], &["offset 512"]);
    refused(&pax(&[("path", "f")])[..512], &["offset 512: payload of an extension header: expected 9 bytes"]);
    refused(&pax(&[("path", "f")])[..520], &["payload of an extension header", "found 8"]);
    let sparse = with(block(GNU, b'S', "s", 0, 0), 482, &[1]);
    refused(&sparse, &["s: offset 512: sparse map"]);
    refused(&stream![sparse, [0; 100]], &["s: offset 512: sparse map"]);
}

#[test]
fn an_entry_says_all_there_is() {
    let header = with(ustar(b'3', "null", 9, 5), 329, b"0000001\x000000003\0");
    let header = with(with(header, 265, b"root"), 297, b"wheel");
    let header = with(with(header, 345, b"dev"), 157, b"target");
    let framer = entry_of(&header);
    let entry = framer.entry();
    assert_eq!((entry.name().as_ref(), entry.link_name()), (&b"dev/null"[..], &b"target"[..]));
    assert_eq!((entry.mode(), entry.uid(), entry.gid(), entry.device()), (0o644, 1000, 100, (1, 3)));
    assert_eq!((entry.uname(), entry.gname(), entry.kind(), entry.size()), (&b"root"[..], &b"wheel"[..], b'3', 0));
    assert_eq!((entry.format(), entry.mtime()), (Format::Ustar, Instant::from_seconds(5)));

    let list = [
        ("path", "p"),
        ("linkpath", "l"),
        ("uid", "3000000"),
        ("gid", "4000000"),
        ("uname", "u"),
        ("gname", "g"),
        ("mtime", "-1.5"),
        ("SCHILY.xattr.user.a", "1=\n"),
        ("GNU.sparse.realsize", "4096"),
    ];
    let stream = stream![extension(b'x', "x", &records(&list), 7), header];
    let framer = entry_of(&stream);
    let entry = framer.entry();
    assert_eq!((entry.name().as_ref(), entry.link_name()), (&b"p"[..], &b"l"[..]));
    assert_eq!((entry.uid(), entry.gid(), entry.uname(), entry.gname()), (3_000_000, 4_000_000, &b"u"[..], &b"g"[..]));
    assert_eq!(entry.mtime(), Instant { seconds: -2, nanos: 500_000_000 });
    assert_eq!(
        entry.pax_records().nth(7).map(|record| (record.key, record.value)),
        Some((&b"SCHILY.xattr.user.a"[..], &b"1=\n"[..]))
    );
    assert_eq!((entry.pax_records().count(), entry.sparse_size()), (9, Some(4096)));
    assert_eq!((entry.offset(), entry.header_offset(), entry.extension_count()), (0, 1024, 1));

    let long = stream![extension(b'K', "k", b"link\0", 0), extension(b'L', "l", b"long\0x", 0), header];
    let framer = entry_of(&long);
    assert_eq!((framer.entry().name().as_ref(), framer.entry().link_name()), (&b"long"[..], &b"link"[..]));
    // Of several PAX headers Go takes the last.
    let (first, last) = ([("path", "first"), ("uid", "7")], [("path", "p"), ("path", "last"), ("GNU.sparse.name", "")]);
    let framer = entry_of(&stream![pax(&first), pax(&last), header]);
    assert_eq!((framer.entry().name().as_ref(), framer.entry().uid()), (&b"last"[..], 1000));
    assert_eq!(framer.entry().pax_records().count(), 3);
    // An empty value takes back what stood before it, and so does a PAX header without records.
    let framer = entry_of(&stream![pax(&[("path", "p"), ("uid", "7"), ("path", "")]), header]);
    assert_eq!((framer.entry().name().as_ref(), framer.entry().uid()), (&b"dev/null"[..], 7));
    let framer = entry_of(&stream![pax(&[("path", "p")]), pax(&[]), header]);
    assert_eq!(framer.entry().name().as_ref(), b"dev/null");
    let framer = entry_of(&stream![pax(&[("path", "GNUSparseFile.7/f"), ("GNU.sparse.name", "f")]), header]);
    assert_eq!(framer.entry().name().as_ref(), b"f");
    let odd = with(with(block(GNU, b'0', "f", 0, 0), 345, "é/no/time".as_bytes()), 357, b"x");
    assert_eq!(entry_of(&odd).entry().name().as_ref(), b"f", "no prefix of Go 1.7");
    let v7 = with(block(V7, b'1', "f", 0, 0), 265, b"root");
    assert_eq!((entry_of(&v7).entry().uname(), entry_of(&v7).entry().device()), (&b""[..], (0, 0)));
    let sparse = with(block(GNU, b'S', "f", 0, 0), 483, b"00000010000\0");
    assert_eq!(entry_of(&sparse).entry().sparse_size(), Some(4096));
}

#[test]
fn every_time_is_told_with_its_place() {
    let x = extension(b'x', "x", &records(&[("path", "f"), ("atime", "1.5"), ("ctime", "")]), 7);
    let header = with(with(block(GNU, b'0', "f", 0, 5), 345, b"00000000002\0"), 357, b"00000000003\0");
    let framer = entry_of(&stream![x, header]);
    let sites: Vec<_> = framer.entry().times().collect();
    let told: Vec<_> = sites.iter().map(|site| (site.field.to_string(), site.value, site.offset)).collect();
    let seconds = |seconds| Some(Instant::from_seconds(seconds));
    assert_eq!(
        told,
        [
            ("mtime of the PAX header".to_owned(), seconds(7), 136),
            ("PAX atime".to_owned(), Some(Instant { seconds: 1, nanos: 500_000_000 }), 521),
            ("PAX ctime".to_owned(), None, 534),
            ("mtime".to_owned(), seconds(5), 1024 + 136),
            ("atime".to_owned(), seconds(2), 1024 + 345),
            ("ctime".to_owned(), seconds(3), 1024 + 357),
        ]
    );
    let accepted = |rule| sites.iter().map(|site| site.is_accepted(stamp(rule))).collect::<Vec<_>>();
    assert_eq!(accepted(Rule::Set), [false, false, true, false, false, false]);
    assert_eq!(accepted(Rule::Clamp), [true; 6]);
    let out = patch(&stream![x, header], Rule::Set).unwrap();
    let framer = entry_of(&out);
    assert!(framer.entry().times().all(|site| site.is_accepted(stamp(Rule::Set))), "0 is fine for an extension header");
    assert_eq!(framer.entry().times().next().unwrap().field, Field::ExtensionMtime { kind: ExtensionKind::Pax });
}
