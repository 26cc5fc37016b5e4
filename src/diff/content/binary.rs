//! Files of known formats in which one part differs that has a known cause: ELF, modules of the kernel, key stores.

use std::ops::Range;

use crate::causes::by_content::{ELF_BUILD_ID, GO_BUILD_ID, MODULE_SIGNATURE};
use crate::causes::{CAUSES, Cause, Class};
use crate::diff::content::{InnerDifference, Named};
use crate::diff::model::Value;
use crate::error::printable;
use crate::format::elf::{self, Made};
use crate::format::jks;
use crate::stamp::Instant;

/// What class data sharing archives begin with: static and dynamic ones, in both byte orders.
const CDS_MAGICS: [[u8; 4]; 4] = [
    0xf00b_aba2_u32.to_be_bytes(),
    0xf00b_aba8_u32.to_be_bytes(),
    0xf00b_aba2_u32.to_le_bytes(),
    0xf00b_aba8_u32.to_le_bytes(),
];

const SIGNATURE_DIFFERS: &str = "kernel module: only the signature differs";

/// The cause of a difference in a program, and what to say of it.
pub(super) fn program(a: &[u8], b: &[u8]) -> Option<(&'static Cause, Option<String>)> {
    let signed = [elf::signed_module(a), elf::signed_module(b)];
    let modules = [signed[0].map_or(a, |(module, _)| module), signed[1].map_or(b, |(module, _)| module)];
    let [x, y] = modules;
    let is_signed = signed.iter().any(Option::is_some);
    if is_signed && x == y {
        let text = match signed {
            [Some(_), Some(_)] => SIGNATURE_DIFFERS,
            _ => "kernel module: the same, but only one side has a signature",
        };
        return Some((&MODULE_SIGNATURE, Some(text.to_owned())));
    }
    if let Some((cause, names)) = made_up(x, y) {
        let is_signature = is_signed && signed[0].map(|s| s.1) != signed[1].map(|s| s.1);
        return Some((cause, Some(differing(&names, is_signature))));
    }
    let is_archive = |bytes: &[u8]| CDS_MAGICS.iter().any(|magic| bytes.starts_with(magic));
    (is_archive(a) && is_archive(b)).then(|| Some((of_table("java-cds")?, None))).flatten()
}

/// A cause that paths show as well.
fn of_table(id: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.id == id)
}

/// As [`program`], for what is too large to be held: the start of both files and their end, where all between is the same.
pub(super) fn large_program(heads: [&[u8]; 2], tails: [&[u8]; 2]) -> Option<(&'static Cause, String)> {
    let [x, y] = heads;
    let modules = tails.map(|tail| {
        let signature = elf::signature_length(tail).filter(|_| x.starts_with(elf::MAGIC));
        tail.get(..tail.len().saturating_sub(signature.unwrap_or(0))).unwrap_or_default()
    });
    if modules[0] != modules[1] {
        return None;
    }
    let is_signature = tails[0] != tails[1];
    if is_signature && x == y {
        return Some((&MODULE_SIGNATURE, SIGNATURE_DIFFERS.to_owned()));
    }
    let (cause, names) = made_up(x, y)?;
    Some((cause, differing(&names, is_signature)))
}

fn differing(names: &str, is_signature: bool) -> String {
    let signature = if is_signature { " and the signature" } else { "" };
    format!("ELF: only the notes {names}{signature} differ")
}

/// The cause, and the sections in which two ELF files differ, if the linker made up what is in all of them.
fn made_up(a: &[u8], b: &[u8]) -> Option<(&'static Cause, String)> {
    if !a.starts_with(elf::MAGIC) || !b.starts_with(elf::MAGIC) || a.len() != b.len() {
        return None;
    }
    let parts = elf::made_up(a);
    let ranges: Vec<Range<usize>> = parts.iter().map(|(range, _)| range.clone()).collect();
    if parts.is_empty() || !is_same_but(a, b, &ranges) || parts != elf::made_up(b) {
        return None;
    }
    let differing = parts.into_iter().filter(|(range, _)| a.get(range.clone()) != b.get(range.clone()));
    let mut kinds: Vec<Made> = differing.map(|(_, made)| made).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // What names the debug information follows from a build id, and is nothing by itself.
    let cause = if kinds.contains(&Made::GoId) { &GO_BUILD_ID } else { &ELF_BUILD_ID };
    let names: Vec<&str> = kinds.iter().map(|made| made.section()).collect();
    (kinds != [Made::DebugLink]).then(|| (cause, names.join(" and ")))
}

/// Are two contents of one length the same outside of these ranges, which are sorted by their start?
fn is_same_but(a: &[u8], b: &[u8], ranges: &[Range<usize>]) -> bool {
    let mut from = 0;
    let ends = ranges.iter().map(|range| (range.start, range.end)).chain([(a.len(), a.len())]);
    for (start, end) in ends {
        if from < start && a.get(from..start) != b.get(from..start) {
            return false;
        }
        from = from.max(end);
    }
    a.len() == b.len()
}

/// A key store in which the times of entries differ, and so the digest at the end, and nothing else.
pub(super) fn key_store(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    let ((x, digest), (y, _)) = (jks::entries(a)?, jks::entries(b)?);
    let ranges: Vec<Range<usize>> = x.iter().map(|entry| entry.time.clone()).chain([digest]).collect();
    if x != y || !is_same_but(a, b, &ranges) {
        return None;
    }
    let mut differing = x.iter().filter(|entry| a.get(entry.time.clone()) != b.get(entry.time.clone()));
    let first = differing.next()?;
    let time = |bytes: &[u8]| {
        let milliseconds = u64::from_be_bytes(bytes.get(first.time.clone())?.try_into().ok()?);
        Some(Value::Time(Instant::from_seconds(i64::try_from(milliseconds / 1000).ok()?)))
    };
    let values = [time(a), time(b)];
    let count = 1 + differing.count();
    let text = values.each_ref().map(|value| value.as_ref().map(ToString::to_string).unwrap_or_default());
    let note = format!(
        "only the times of {count} of {} entries differ, and so the digest at the end; the first, {}: {} and {}",
        x.len(),
        printable(first.name),
        text[0],
        text[1]
    );
    let cause = of_table("java-keystore");
    Some(InnerDifference {
        note: Some(note),
        cause: cause.map(Named::by_content),
        ..InnerDifference::new(path, Class::EmbeddedTime, "times of entries", values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_of_all_ranges_counts() {
        assert!(is_same_but(b"aXbYc", b"aUbVc", &[1..2, 3..4]));
        assert!(is_same_but(b"aXbYc", b"aUbVc", &[1..4, 1..2]));
        for ranges in [vec![1..2, 4..5], vec![0..2, 4..5], vec![]] {
            assert!(!is_same_but(b"aXbYc", b"aUbVc", &ranges));
        }
        assert!(!is_same_but(b"aX", b"aXX", &[0..0, 1..2]));
    }

    #[test]
    fn a_signature_is_named() {
        let signed = |module: &[u8], signature: &[u8]| {
            let length = (signature.len() as u32).to_be_bytes();
            [module, signature, &[0, 0, 2, 0, 0, 0, 0, 0], &length, b"~Module signature appended~\n"].concat()
        };
        let of = |a: &[u8], b: &[u8]| program(a, b).map(|(cause, note)| (cause.id, note.unwrap_or_default()));
        let module = b"\x7fELF module";
        let (id, note) = of(&signed(module, b"one"), &signed(module, b"another")).unwrap();
        assert_eq!((id, note.as_str()), ("module-signature", "kernel module: only the signature differs"));
        assert_eq!(of(&signed(module, b"one"), module).unwrap().0, "module-signature");
        assert_eq!(of(&signed(module, b"one"), &signed(b"\x7fELF other!", b"one")), None);
    }

    #[test]
    fn other_times_of_a_key_store_change_nothing_else() {
        let store = |time: u64, certificate: &[u8]| {
            let head = [0xfeed_feed_u32, 1, 1, 2].map(u32::to_be_bytes).concat();
            let body = [&[0, 1, b'a'][..], &time.to_be_bytes(), &(certificate.len() as u32).to_be_bytes(), certificate];
            [&head, &body.concat()[..], &[time as u8; 20]].concat()
        };
        let of = |a: &[u8], b: &[u8]| key_store(b"cacerts", a, b).map(|inner| (inner.class, inner.note.unwrap()));
        let (class, note) = of(&store(1_700_000_000_000, b"der"), &store(1_700_090_061_000, b"der")).unwrap();
        assert_eq!(class, Class::EmbeddedTime);
        assert!(
            note.contains("1 of 1 entries") && note.ends_with("a: 2023-11-14T22:13:20Z and 2023-11-15T23:14:21Z"),
            "{note}"
        );
        assert_eq!(of(&store(1, b"der"), &store(2, b"evi")), None);
        // A digest that differs by itself is no matter of time.
        let mut other = store(1, b"der");
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(of(&store(1, b"der"), &other), None);
    }
}
