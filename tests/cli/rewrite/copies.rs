//! Copies of mtimes in files: a right one follows its original, a stale one stays stale.

use super::*;
use crate::support::tarball::{Entry, tar};
use serde_json::Value;

pub(super) const EPOCH_SECONDS: u32 = 1_700_000_000;
/// When the source was written, by the tests' clock: later than the epoch.
pub(super) const BUILT: i64 = 1_760_000_000;
/// Python 3.11.
const MAGIC: u16 = 3495;

/// Bytecode of a source with that mtime and size.
pub(super) fn pyc(flags: u32, mtime: i64, size: usize) -> Vec<u8> {
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend(b"\r\n");
    for word in [flags, mtime as u32, size as u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"\xe3code");
    bytes
}

/// A cache of fontconfig for a directory with that mtime.
fn font_cache(directory: &str, seconds: i32, nanos: i64) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0..4].copy_from_slice(&0xfc02_fc04_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&64_u64.to_le_bytes());
    bytes[48..52].copy_from_slice(&seconds.to_le_bytes());
    bytes[56..64].copy_from_slice(&nanos.to_le_bytes());
    bytes.extend(directory.as_bytes());
    bytes.extend(b"\0fonts");
    bytes
}

pub(super) fn image(layers: &[Vec<Entry>]) -> Vec<u8> {
    let build = Build::FIRST;
    let layers = layers.iter().map(|entries| Layer::new(tar(entries), Packing::Gzip, Family::Oci, &build)).collect();
    Layout::of(&Image::new(layers, Family::Oci, &build, &["app:1"]), &build).tar(&build)
}

/// The content of the last file of that name in any layer.
pub(super) fn content(image: &[u8], name: &str) -> Vec<u8> {
    let seen = judge::walk(&read_tar(image));
    let mut found = None;
    for (_, _, tar) in &seen.layers {
        for entry in ::tar::Archive::new(&tar[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.path().unwrap().to_str() == Some(name) {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
                found = Some(bytes);
            }
        }
    }
    found.unwrap_or_else(|| panic!("no {name}"))
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(super) const PYC: &str = "app/__pycache__/conf.cpython-311.pyc";

pub(super) fn source(text: &str, mtime: i64) -> Entry {
    Entry::file("app/conf.py", text, mtime)
}

/// Rewrites with copies that follow, and once more: that changes nothing. The report explains every byte that `--repair none`
/// would have left.
#[track_caller]
pub(super) fn follow(image: &[u8], options: &[&str]) -> Vec<u8> {
    let dir = scratch();
    let report = dir.path().join("report.json");
    let with_report: Vec<&str> = options.iter().copied().chain(["--report", text(&report)]).collect();
    let out = filter(image, &with_report);
    assert!(filter(&out, options) == out, "not idempotent with {options:?}");
    let others = options.iter().copied().filter(|option| !option.starts_with("--repair"));
    let none: Vec<&str> = others.chain(["--repair", "none"]).collect();
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    explained(&contents(&filter(image, &none)), &contents(&out), &report);
    out
}

/// Every file of every layer, by the layer's place and the file's name.
fn contents(image: &[u8]) -> Vec<(usize, String, Vec<u8>)> {
    let seen = judge::walk(&read_tar(image));
    let mut all = Vec::new();
    for (number, (_, _, tar)) in seen.layers.iter().enumerate() {
        for entry in ::tar::Archive::new(&tar[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            all.push((number, entry.path().unwrap().to_str().unwrap().to_owned(), bytes));
        }
    }
    all
}

/// Are these the same files, but for what the report lists?
#[track_caller]
fn explained(none: &[(usize, String, Vec<u8>)], new: &[(usize, String, Vec<u8>)], report: &Value) {
    let mut expected = none.to_vec();
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), none.iter().map(|(number, ..)| number).max().unwrap() + 1);
    for (number, layer) in layers.iter().enumerate() {
        for edit in layer["edits"].as_array().unwrap() {
            let of_entry =
                |(layer, name, _): &&mut (usize, String, Vec<u8>)| *layer == number && *name == edit["entry"];
            let (.., content) = expected.iter_mut().find(of_entry).expect("an entry of that name");
            if edit.get("note").is_some() {
                continue;
            }
            let bytes = |key: &str| {
                let hex = edit[key].as_str().unwrap().as_bytes();
                hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
            };
            let (old, new): (Vec<u8>, Vec<u8>) = (bytes("old"), bytes("new"));
            let at = edit["at"].as_u64().unwrap() as usize;
            assert_eq!(content[at..at + old.len()], old, "{edit}");
            assert_eq!((old.len(), old == new), (new.len(), false), "{edit}");
            content[at..at + old.len()].copy_from_slice(&new);
        }
    }
    assert!(expected == new, "the report does not explain it");
}

#[test]
fn bytecode_follows_its_source() {
    let text = "PORT = 8080\n";
    let copy = |mtime| Entry::file(PYC, pyc(0, mtime, text.len()), BUILT);
    for layers in [
        vec![vec![copy(BUILT), source(text, BUILT)]],
        vec![vec![source(text, BUILT), copy(BUILT)]],
        vec![vec![source(text, BUILT)], vec![copy(BUILT)]],
        vec![vec![copy(BUILT)], vec![source(text, BUILT)]],
    ] {
        let before = image(&layers);
        for options in [&[][..], &["--clamp"], &["--compression", "zstd"], &["-j", "1"]] {
            let out = follow(&before, options);
            let new = content(&out, PYC);
            assert_eq!(word(&new, 8), EPOCH_SECONDS, "{options:?}");
            let mut expected = pyc(0, BUILT, text.len());
            expected[8..12].copy_from_slice(&EPOCH_SECONDS.to_le_bytes());
            assert_eq!(new, expected, "nothing else changes");
        }
        let kept = filter(&before, &["--repair", "none"]);
        assert_eq!(content(&kept, PYC), pyc(0, BUILT, text.len()), "none leaves the content to the byte");
    }
}

#[test]
fn two_builds_with_bytecode_come_out_equal() {
    let build = |mtime| image(&[vec![Entry::file(PYC, pyc(0, mtime, 12), BUILT), source("PORT = 8080\n", mtime)]]);
    assert!(follow(&build(BUILT), &[]) == follow(&build(BUILT + 23), &[]));
    assert!(filter(&build(BUILT), &["--repair", "none"]) != filter(&build(BUILT + 23), &["--repair", "none"]));
}

#[test]
fn bytecode_of_every_generation_follows() {
    let generation = |magic: u16, words: &[u32]| {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend(b"\r\n");
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    };
    let built = BUILT as u32;
    for (path, before, at) in [
        ("app/conf.pyc", generation(62_211, &[built]), 4),
        ("app/__pycache__/conf.cpython-32.pyc", generation(3_180, &[built]), 4),
        ("app/__pycache__/conf.cpython-36.pyc", generation(3_379, &[built, 4]), 4),
        ("app/__pycache__/conf.cpython-312.opt-2.pyc", generation(3_531, &[0, built, 4]), 8),
    ] {
        let out = follow(&image(&[vec![Entry::file(path, &before, BUILT), source("a=1\n", BUILT)]]), &[]);
        assert_eq!(word(&content(&out, path), at), EPOCH_SECONDS, "{path}");
    }
}

#[test]
fn what_was_stale_or_has_no_source_stays() {
    let stale = pyc(0, BUILT - 5, 12);
    let other_size = pyc(0, BUILT, 13);
    let by_hash = pyc(1, 0x1234_5678, 0x9abc_def0);
    for bytecode in [&stale, &other_size, &by_hash] {
        let before = image(&[vec![Entry::file(PYC, bytecode, BUILT), source("PORT = 8080\n", BUILT)]]);
        assert_eq!(content(&follow(&before, &[]), PYC), *bytecode);
    }
    let alone = pyc(0, BUILT, 12);
    for layers in [
        vec![vec![Entry::file(PYC, &alone, BUILT)]],
        vec![
            vec![source("PORT = 8080\n", BUILT), Entry::file(PYC, &alone, BUILT)],
            vec![Entry::file("app/.wh.conf.py", "", BUILT)],
        ],
        vec![
            vec![source("PORT = 8080\n", BUILT)],
            vec![Entry::file("app/.wh..wh..opq", "", BUILT), Entry::file(PYC, &alone, BUILT)],
        ],
    ] {
        let out = follow(&image(&layers), &[]);
        assert_eq!(content(&out, PYC), alone, "{} layers", layers.len());
    }
}

/// The source was replaced by another one of the same size in a later layer: bytecode that follows would run the old code.
#[test]
fn a_source_that_was_replaced_in_a_later_layer_stays_without_bytecode() {
    let (old, new) = ("PORT = 8080\n", "PORT = 9090\n");
    let layers = [vec![source(old, BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)], vec![source(new, BUILT + 60)]];
    for options in [&[][..], &["--clamp"]] {
        assert_eq!(word(&content(&follow(&image(&layers), options), PYC), 8), BUILT as u32, "{options:?}");
    }
}

/// A base that was restamped with the same epoch, whose source a later layer replaced at the same size: after restamping,
/// bytecode and source would have the same time.
#[test]
fn a_stale_copy_does_not_become_right() {
    let epoch = i64::from(EPOCH_SECONDS);
    let layers = [
        vec![source("PORT = 8080\n", epoch), Entry::file(PYC, pyc(0, epoch, 12), epoch)],
        vec![source("PORT = 9090\n", BUILT)],
    ];
    let before = image(&layers);
    for options in [&[][..], &["--clamp"]] {
        assert_eq!(word(&content(&follow(&before, options), PYC), 8), EPOCH_SECONDS ^ 1, "{options:?}");
    }
    // In a layer that must stay it can't be mended.
    let base = ["rewrite", "--epoch", "1700000000", "--base-layers", "1", "--repair"];
    pipe(base.iter().chain(&["copies"]), &before).expect_error(&[
        "conf.cpython-311.pyc",
        "app/conf.py",
        "ignore-stale",
    ]);
    let out = pipe(base.iter().chain(&["ignore-stale"]), &before).expect(0).stdout;
    assert_eq!(word(&content(&out, PYC), 8), EPOCH_SECONDS);
}

#[test]
fn a_copy_of_a_source_in_the_base_stays_with_it() {
    let layers = [vec![source("PORT = 8080\n", BUILT)], vec![Entry::file(PYC, pyc(0, BUILT, 12), BUILT)]];
    let out = follow(&image(&layers), &["--base-layers", "1"]);
    assert_eq!(content(&out, PYC), pyc(0, BUILT, 12));
}

#[test]
fn a_cache_of_fontconfig_follows_its_directory() {
    let name = "var/cache/fontconfig/3830d5c3ddfd5cd38a049b759396e72e-le64.cache-8";
    let layers = |seconds: i64, nanos| {
        [
            vec![Entry::dir("usr/share/fonts/", BUILT)],
            vec![Entry::file(name, font_cache("/usr/share/fonts", seconds as i32, nanos), BUILT)],
        ]
    };
    // The nanoseconds that the directory had in the build are not in the image.
    for options in [&[][..], &["--clamp"]] {
        let new = content(&follow(&image(&layers(BUILT, 886_499_450)), options), name);
        assert_eq!((word(&new, 48), &new[56..64]), (EPOCH_SECONDS, &[0; 8][..]));
    }
    let stale = font_cache("/usr/share/fonts", BUILT as i32 - 1, 5);
    assert_eq!(content(&follow(&image(&layers(BUILT - 1, 5)), &[]), name), stale);
}

#[test]
fn an_entry_of_bootsnap_follows_its_source() {
    let name = "t/rb/tmp/cache/bootsnap/compile-cache-iseq/71/a39226c6f3731d";
    let mut key = vec![0; 64];
    key[0] = 4;
    key[16..24].copy_from_slice(&7_u64.to_le_bytes());
    key[24..32].copy_from_slice(&BUILT.to_le_bytes());
    key.extend(b"YARB");
    let layers = [vec![Entry::file("t/rb/cur/lib/foo.rb", "puts 1\n", BUILT)], vec![Entry::file(name, &key, BUILT)]];
    assert_eq!(word(&content(&follow(&image(&layers), &[]), name), 24), EPOCH_SECONDS);
    // What was in memory is in the padding: it goes on request.
    key[40..64].fill(7);
    let layers = [vec![Entry::file("t/rb/cur/lib/foo.rb", "puts 1\n", BUILT)], vec![Entry::file(name, &key, BUILT)]];
    assert_eq!(content(&follow(&image(&layers), &[]), name)[40..64], [7; 24]);
    let cleared = content(&follow(&image(&layers), &["--repair=bootsnap"]), name);
    assert_eq!((&cleared[40..64], &cleared[64..]), (&[0; 24][..], &b"YARB"[..]));
    // So it does where the source is in no layer, and the time stays.
    let alone = content(&follow(&image(&[vec![Entry::file(name, &key, BUILT)]]), &["--repair=bootsnap"]), name);
    assert_eq!((&alone[..40], &alone[40..64]), (&key[..40], &[0; 24][..]));
}

#[test]
fn images_that_share_a_layer_may_need_it_in_two_forms() {
    let build = Build::FIRST;
    let layer = |entries: &[Entry]| Layer::new(tar(entries), Packing::Gzip, Family::Oci, &build);
    let shared = layer(&[source("PORT = 8080\n", BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)]);
    let replaced = layer(&[source("PORT = 9090\n", BUILT + 60)]);
    let images = [
        Image::new(vec![shared.clone()], Family::Oci, &build, &["app:1"]),
        Image::new(vec![shared, replaced], Family::Oci, &build, &["app:2"]),
    ];
    let before = crate::support::docker::legacy(&images, &build);
    let out = filter(&before, &[]);
    assert!(filter(&out, &[]) == out);
    let seen = judge::walk(&read_tar(&out));
    let copies: Vec<u32> = seen
        .layers
        .iter()
        .filter_map(|(_, _, tar)| {
            let at = tar.windows(4).position(|bytes| bytes == [167, 13, b'\r', b'\n'])?;
            Some(word(tar, at + 8))
        })
        .collect();
    assert_eq!(copies.iter().collect::<std::collections::BTreeSet<_>>().len(), 2, "{copies:?}");
}

/// Debian has sources of its own packages as links into `/etc`, and their bytecode beside the link.
#[test]
fn links_are_followed_from_a_copy_to_its_original() {
    let copy = |path: &str| Entry::file(path, pyc(0, BUILT, 12), BUILT);
    let text = "PORT = 8080\n";
    for layers in [
        vec![vec![
            Entry::link(b'2', "app/conf.py", "/etc/app/conf.py", BUILT - 9),
            Entry::file("etc/app/conf.py", text, BUILT),
            copy(PYC),
        ]],
        vec![
            vec![Entry::link(b'2', "app", "srv/./app", BUILT), Entry::file("srv/app/conf.py", text, BUILT)],
            vec![copy(PYC)],
        ],
        vec![
            vec![Entry::file("srv/conf.py", text, BUILT), Entry::link(b'1', "app/conf.py", "srv/conf.py", BUILT)],
            vec![copy(PYC)],
        ],
    ] {
        assert_eq!(word(&content(&follow(&image(&layers), &[]), PYC), 8), EPOCH_SECONDS);
    }
    // What a link leads to need not be called like a source; an entry may be in a directory that a link leads to.
    for layers in [
        vec![vec![Entry::link(b'2', "app/conf.py", "real", BUILT), Entry::file("app/real", text, BUILT), copy(PYC)]],
        vec![vec![
            Entry::file("app/real", text, BUILT),
            Entry::link(b'1', "app/conf.py", "app/real", BUILT),
            copy(PYC),
        ]],
        vec![vec![Entry::link(b'2', "lib", "app", BUILT), Entry::file("lib/conf.py", text, BUILT), copy(PYC)]],
        vec![vec![Entry::link(b'2', "app/conf.py", "gone", BUILT), Entry::file("app/conf.py", text, BUILT), copy(PYC)]],
    ] {
        assert_eq!(word(&content(&follow(&image(&layers), &[]), PYC), 8), EPOCH_SECONDS);
    }
    // A stale one does not become right that way.
    let epoch = i64::from(EPOCH_SECONDS);
    let stale = Entry::file(PYC, pyc(0, epoch, 12), BUILT);
    let layers = [vec![Entry::link(b'2', "app/conf.py", "real", BUILT), Entry::file("app/real", text, BUILT), stale]];
    assert_eq!(word(&content(&follow(&image(&layers), &[]), PYC), 8), EPOCH_SECONDS ^ 1);
    // A link in a circle leads nowhere.
    let circle = [
        vec![Entry::link(b'2', "app/conf.py", "other.py", BUILT), Entry::link(b'2', "app/other.py", "conf.py", BUILT)],
        vec![copy(PYC)],
    ];
    assert_eq!(word(&content(&follow(&image(&circle), &[]), PYC), 8), BUILT as u32);
}

/// Fedora links `.opt-1.pyc` and `.pyc` of one source to each other: one file, two names.
#[test]
fn a_file_with_two_names_stays_stale_where_one_of_them_is() {
    let other = "other/__pycache__/conf.cpython-311.pyc";
    let layers = |mtime| {
        [
            vec![source("PORT = 8080\n", BUILT), Entry::file("other/conf.py", "PORT = 9090\n", mtime)],
            vec![Entry::file(PYC, pyc(0, BUILT, 12), BUILT), Entry::link(b'1', other, PYC, BUILT)],
        ]
    };
    assert_eq!(word(&content(&follow(&image(&layers(BUILT)), &[]), PYC), 8), EPOCH_SECONDS);
    assert_eq!(word(&content(&follow(&image(&layers(BUILT + 5)), &[]), PYC), 8), BUILT as u32);
}

/// Without the bytecode that is left out, that of the base is there again.
#[test]
fn what_is_left_out_hides_nothing() {
    let epoch = i64::from(EPOCH_SECONDS);
    let layers = [
        vec![source("PORT = 8080\n", epoch), Entry::file(PYC, pyc(0, epoch, 12), epoch)],
        vec![source("PORT = 9090\n", BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)],
    ];
    let arguments = ["rewrite", "--epoch", "1700000000", "--base-layers", "1", "--omit", "**/*.pyc"];
    pipe(arguments, &image(&layers)).expect_error(&[PYC, "app/conf.py", "ignore-stale"]);
}
