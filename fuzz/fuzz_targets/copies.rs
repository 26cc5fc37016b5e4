//! Copies of mtimes in files: bytecode of Python, caches of fontconfig, bootsnap and PHP. Whatever such a file holds, the layer
//! keeps its length, the pieces do not show, and a second run changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::{LayerPlanner, LayerRules, PatchedBytes, Patcher, Repairs, Walker};
use restamp::{Epoch, Rule, Stamp};

/// Names by which such files are known.
const NAMES: [&str; 5] = [
    "p/__pycache__/conf.cpython-311.pyc",
    "var/cache/fontconfig/0123456789abcdef0123456789abcdef-le64.cache-8",
    "var/cache/fontconfig/0123456789abcdef0123456789abcdef-be64.cache-9",
    "app/tmp/cache/bootsnap/compile-cache-iseq/71/a39226c6f3731d",
    "var/cache/opcache/5605b5ef980d64f76a7c2b10eed887dd/i.php.bin",
];

fuzz_target!(|data: &[u8]| {
    let Some((&options, content)) = data.split_first() else { return };
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let name = NAMES[usize::from(options >> 1) % NAMES.len()];
    let stream = stream(name, content);
    let out = patch(&stream, rule, usize::MAX);
    assert_eq!(out.len(), stream.len());
    assert!(patch(&stream, rule, 1 + usize::from(options >> 3)) == out, "the pieces show");
    assert!(patch(&out, rule, usize::MAX) == out, "not idempotent");
});

/// A layer of this one file.
fn stream(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"14524252504");
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut stream = [&header[..], content].concat();
    stream.resize(stream.len().next_multiple_of(512) + 1024, 0);
    stream
}

fn patch(stream: &[u8], rule: Rule, piece: usize) -> Vec<u8> {
    let stamp = Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule };
    let repairs = Repairs { copies: true, opcache: true, bootsnap: true, ..Repairs::default() };
    let rules = LayerRules { repairs, ..LayerRules::default() };
    let mut patched = PatchedBytes::new(Patcher::new(stamp, Box::new(LayerPlanner::new(&rules))));
    let mut walker = Walker::new();
    for piece in stream.chunks(piece) {
        walker.push(piece, &mut patched).unwrap();
    }
    walker.end(&mut patched).unwrap();
    patched.finish().unwrap().0
}
