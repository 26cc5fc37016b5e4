//! Files that are no archives and have a timestamp in a known place.

use crate::causes::{self, Class};
use crate::diff::content::InnerDifference;
use crate::diff::model::Value;
use crate::stamp::Instant;

/// The difference of two files, if it is one of time alone.
pub(crate) fn timestamps(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    let name = path.rsplit(|byte| matches!(byte, b'/' | 0)).next().unwrap_or_default();
    if name.ends_with(b".pyc") || name.ends_with(b".pyo") {
        return pyc(path, a, b);
    }
    if causes::find(path).is_some_and(|cause| matches!(cause.id, "shadow-day" | "account-backup")) {
        return shadow(path, a, b);
    }
    None
}

/// Python bytecode since 3.7 (PEP 552): magic, flags, and with flags 0 the mtime and size of the source.
fn pyc(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    let is_timed = |bytes: &[u8]| bytes.get(4..8) == Some(&[0; 4]) && bytes.get(2..4) == Some(b"\r\n");
    if !is_timed(a) || !is_timed(b) || a.get(..8) != b.get(..8) || a.get(12..) != b.get(12..) || a.len() < 16 {
        return None;
    }
    let mtime = |bytes: &[u8]| {
        let field = bytes.get(8..12)?.try_into().ok()?;
        Some(Value::Time(Instant::from_seconds(i64::from(u32::from_le_bytes(field)))))
    };
    Some(InnerDifference::new(path, Class::EmbeddedTime, "mtime in the .pyc", [mtime(a), mtime(b)]))
}

/// shadow(5): the third field is the day of the last change.
fn shadow(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    let lines = |bytes: &[u8]| -> Vec<Vec<Vec<u8>>> {
        bytes.split(|c| *c == b'\n').map(|line| line.split(|c| *c == b':').map(<[u8]>::to_vec).collect()).collect()
    };
    let (left, right) = (lines(a), lines(b));
    if left.len() != right.len() {
        return None;
    }
    let mut days = [None, None];
    for (x, y) in left.iter().zip(&right) {
        let others = |fields: &[Vec<u8>]| {
            fields.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, field)| field.clone()).collect::<Vec<_>>()
        };
        let day = |fields: &[Vec<u8>]| fields.get(2).cloned().unwrap_or_default();
        if others(x) != others(y) {
            return None;
        }
        if day(x) != day(y) {
            // No day, and day 0, mean something else: that passwords do not age, or have to be changed now.
            let is_day = |day: &[u8]| day.iter().all(u8::is_ascii_digit) && day.iter().any(|digit| *digit != b'0');
            if ![day(x), day(y)].iter().all(|day| is_day(day)) {
                return None;
            }
            days = [Some(Value::bytes(&day(x))), Some(Value::bytes(&day(y)))];
        }
    }
    Some(InnerDifference::new(path, Class::EmbeddedTime, "day of the last password change", days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytecode(mtime: u32, body: &[u8]) -> Vec<u8> {
        [&[0xcb, 0x0d, b'\r', b'\n', 0, 0, 0, 0][..], &mtime.to_le_bytes(), &[9, 0, 0, 0], body].concat()
    }

    #[test]
    fn bytecode_that_differs_in_its_source_mtime_alone_is_recognised() {
        let found = timestamps(b"x/__pycache__/m.pyc", &bytecode(1, b"code"), &bytecode(2, b"code")).unwrap();
        assert_eq!(found.class, Class::EmbeddedTime);
        assert!(timestamps(b"m.pyc", &bytecode(1, b"code"), &bytecode(2, b"evil")).is_none());
        assert!(timestamps(b"m.pyc", b"", b"x").is_none());
    }

    #[test]
    fn a_password_is_more_than_a_day() {
        let base = b"root:*:19000:0:99999:7:::\nbin:!:19000::::::\n";
        let later = b"root:*:19001:0:99999:7:::\nbin:!:19000::::::\n";
        let other = b"root::19001:0:99999:7:::\nbin:!:19000::::::\n";
        assert!(timestamps(b"etc/shadow", base, later).is_some());
        assert!(timestamps(b"etc/shadow", base, other).is_none());
        assert!(timestamps(b"etc/passwd", base, later).is_none());
        assert!(timestamps(b"srv/app/shadow", base, later).is_none());
        let now = b"root:*:0:0:99999:7:::\nbin:!:19000::::::\n";
        assert!(timestamps(b"etc/shadow", base, now).is_none());
    }
}
