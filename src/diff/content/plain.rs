//! Files that are no archives and have a timestamp in a known place.

use crate::causes::{self, Class};
use crate::diff::content::{InnerDifference, copies};
use crate::diff::model::Value;

/// The difference of two files, if it is one of time alone.
pub(crate) fn timestamps(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    if let Some(inner) = copies::only(path, a, b) {
        return Some(inner);
    }
    if causes::find(path).is_some_and(|cause| matches!(cause.id, "shadow-day" | "account-backup")) {
        return shadow(path, a, b);
    }
    None
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
