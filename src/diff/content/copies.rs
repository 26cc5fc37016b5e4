//! Files that repeat the mtime of another file: bytecode, caches of fontconfig, bootsnap and PHP's opcache. Do they differ in
//! that alone?

use crate::causes::by_content::{BOOTSNAP_MTIME, BOOTSNAP_PADDING, FONTCONFIG_MTIME, OPCACHE_MTIME, PYC_MTIME};
use crate::causes::{Cause, Class};
use crate::diff::content::{InnerDifference, Named};
use crate::diff::model::{Role, Value};
use crate::format::{bootsnap, fontconfig, opcache, pyc};
use crate::repair::copies::CopyKind;
use crate::stamp::Instant;

/// The copy in a file: where it is, and what it says.
#[derive(Debug)]
struct Found {
    cause: &'static Cause,
    field: &'static str,
    /// Where, and of which length; sorted.
    places: Vec<(usize, usize)>,
    time: Instant,
}

/// The difference of two files, if it is one of the copied mtime alone.
pub(super) fn only(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    // What is in an archive follows a zero.
    let own = path.rsplit(|byte| *byte == 0).next()?;
    let (x, y) = (found(own, a)?, found(own, b)?);
    if x.places != y.places {
        return None;
    }
    if without(a, &x.places) != without(b, &y.places) {
        return padding(path, own, [a, b], x.places);
    }
    let values = [x.time, y.time].map(|time| Some(Value::Time(time)));
    let inner = InnerDifference::new(path, Class::EmbeddedTime, x.field, values);
    Some(InnerDifference { cause: Some(Named::by_content(x.cause)), ..inner.role(Role::Copy) })
}

/// The difference of two entries of bootsnap's, if beside the mtime it is one of what no version writes alone.
fn padding(path: &[u8], own: &[u8], [a, b]: [&[u8]; 2], mut places: Vec<(usize, usize)>) -> Option<InnerDifference> {
    bootsnap::source_stamp(own, a)?;
    let at = bootsnap::padding_at(a).filter(|at| bootsnap::padding_at(b) == Some(*at))?;
    places.push((at, bootsnap::HEADER.checked_sub(at)?));
    if without(a, &places) != without(b, &places) {
        return None;
    }
    let inner = InnerDifference::new(path, Class::Format, "padding of the key", [None, None]);
    Some(InnerDifference { cause: Some(Named::by_content(&BOOTSNAP_PADDING)), ..inner.role(Role::Copy) })
}

/// The cause of a difference in copies of this kind.
pub(crate) fn cause_of(kind: CopyKind) -> &'static Cause {
    match kind {
        CopyKind::Pyc => &PYC_MTIME,
        CopyKind::Fontconfig => &FONTCONFIG_MTIME,
        CopyKind::Bootsnap => &BOOTSNAP_MTIME,
        CopyKind::Opcache => &OPCACHE_MTIME,
    }
}

fn found(path: &[u8], content: &[u8]) -> Option<Found> {
    if pyc::is_name(path) {
        let stamp = pyc::source_stamp(content)?;
        let places = vec![(stamp.mtime_at, 4)];
        let time = Instant::from_seconds(i64::from(stamp.mtime));
        return Some(Found { cause: &PYC_MTIME, field: "mtime in the .pyc", places, time });
    }
    if let Some(stamp) = fontconfig::directory_stamp(path, content) {
        let places = vec![(stamp.seconds_at, 4), (stamp.nanos_at, 8)];
        let time = Instant { seconds: i64::from(stamp.seconds), nanos: u32::try_from(stamp.nanos).unwrap_or_default() };
        return Some(Found { cause: &FONTCONFIG_MTIME, field: "mtime in the cache", places, time });
    }
    if CopyKind::of_path(path) == Some(CopyKind::Opcache) {
        let places = vec![(opcache::MTIME_AT, 8)];
        let time = Instant::from_seconds(opcache::stamp(content)?);
        return Some(Found { cause: &OPCACHE_MTIME, field: "mtime in the header", places, time });
    }
    let stamp = bootsnap::source_stamp(path, content)?;
    let places = vec![(bootsnap::MTIME_AT, 8)];
    let time = Instant::from_seconds(i64::try_from(stamp.mtime).ok()?);
    Some(Found { cause: &BOOTSNAP_MTIME, field: "mtime in the key", places, time })
}

/// The pieces between these places.
fn without<'c>(content: &'c [u8], places: &[(usize, usize)]) -> Vec<&'c [u8]> {
    let starts = std::iter::once(0).chain(places.iter().map(|(at, length)| at.saturating_add(*length)));
    let ends = places.iter().map(|(at, _)| *at).chain([content.len()]);
    starts.zip(ends).map(|(start, end)| content.get(start..end).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(path: &str, a: &[u8], b: &[u8]) -> Option<&'static str> {
        only(path.as_bytes(), a, b).map(|inner| inner.cause.unwrap().cause.id)
    }

    #[test]
    fn bytecode_of_any_generation_that_differs_in_its_source_mtime_alone_is_recognised() {
        let new = |mtime: u32, size: u32, body: &[u8]| {
            [&b"\xcb\x0d\r\n\0\0\0\0"[..], &mtime.to_le_bytes(), &size.to_le_bytes(), body].concat()
        };
        let old = |mtime: u32, body: &[u8]| [&b"\x03\xf3\r\n"[..], &mtime.to_le_bytes(), body].concat();
        let path = "x/__pycache__/m.cpython-312.pyc";
        assert_eq!(id(path, &new(1, 9, b"code"), &new(2, 9, b"code")), Some("pyc-mtime"));
        assert_eq!(id("a.egg\0m.pyo", &old(1, b"code"), &old(2, b"code")), Some("pyc-mtime"));
        for (path, a, b) in [
            (path, new(1, 9, b"code"), new(2, 9, b"evil")),
            (path, new(1, 9, b"code"), new(2, 8, b"code")),
            (path, new(1, 9, b"code"), old(2, b"code")),
            ("x/m.bin", new(1, 9, b"code"), new(2, 9, b"code")),
            (path, Vec::new(), b"x".to_vec()),
        ] {
            assert_eq!(id(path, &a, &b), None, "{path} {a:?} {b:?}");
        }
    }

    #[test]
    fn caches_of_fontconfig_bootsnap_and_opcache_are_recognised() {
        let font = |seconds: u8, nanos: u8, body: u8| {
            let mut cache = vec![0; 80];
            cache[..4].copy_from_slice(&0xfc02_fc04_u32.to_le_bytes());
            (cache[16], cache[48], cache[56], cache[70]) = (64, seconds, nanos, body);
            cache
        };
        let path = "var/cache/fontconfig/0-le64.cache-8";
        assert_eq!(id(path, &font(1, 1, 0), &font(2, 2, 0)), Some("fontconfig-mtime"));
        assert_eq!(id(path, &font(1, 1, 0), &font(2, 2, 1)), None);
        let key = |version: u8, mtime: u8, body: u8| {
            let mut key = vec![0; 66];
            (key[0], key[24], key[65]) = (version, mtime, body);
            key
        };
        let path = "app/tmp/cache/bootsnap/compile-cache-iseq/71/a39226c6f3731d";
        assert_eq!(id(path, &key(4, 1, 0), &key(4, 2, 0)), Some("bootsnap-mtime"));
        assert_eq!(id(path, &key(4, 1, 0), &key(4, 2, 1)), None);
        assert_eq!(id(path, &key(99, 1, 0), &key(99, 2, 0)), None);
        let system = "d1d0ff8f38b7d6a2ff1de1e71fb0e9f6";
        let script = |mtime: u64, body: &[u8]| {
            let words = [9, 9, 9, mtime].map(u64::to_le_bytes).concat();
            [b"OPCACHE\0", system.as_bytes(), &words, body].concat()
        };
        let path = format!("var/cache/{system}/app/index.php.bin");
        assert_eq!(id(&path, &script(1, b"code"), &script(2, b"code")), Some("opcache-mtime"));
        assert_eq!(id(&path, &script(1, b"code"), &script(2, b"evil")), None);
    }
}
