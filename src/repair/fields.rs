//! What times become in fields of other kinds than those of a tar stream. One that a field can't hold becomes the nearest
//! that it can.

use crate::stamp::{Instant, Stamp};

/// What seconds since 1970 are replaced with; `None` where they stay.
pub(super) fn replaced(stamp: Stamp, value: i64) -> Option<i64> {
    stamp.replaces(Instant::from_seconds(value)).then(|| epoch(stamp))
}

/// Seconds since 1970; the value itself where it stays.
pub(super) fn seconds(stamp: Stamp, value: i64) -> i64 {
    replaced(stamp, value).unwrap_or(value)
}

/// Seconds since 1970 without a sign.
pub(super) fn unsigned(stamp: Stamp, value: u32) -> u32 {
    let new = seconds(stamp, value.into());
    u32::try_from(new).unwrap_or(u32::MAX)
}

/// Seconds since 1970 with a sign, in 32 bits.
pub(super) fn signed(stamp: Stamp, value: i32) -> i32 {
    let new = seconds(stamp, value.into());
    i32::try_from(new).unwrap_or(i32::MAX)
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(stamp: Stamp, value: i64) -> i64 {
    let nanos = u32::try_from(value.rem_euclid(1000)).unwrap_or(0).saturating_mul(1_000_000);
    let is_replaced = stamp.replaces(Instant { seconds: value.div_euclid(1000), nanos });
    if is_replaced { epoch(stamp).saturating_mul(1000) } else { value }
}

/// The epoch, which fits.
pub(super) fn epoch(stamp: Stamp) -> i64 {
    i64::try_from(stamp.epoch.seconds()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Epoch;

    #[test]
    fn what_a_field_cannot_hold_is_the_nearest_that_it_can() {
        let late = Stamp::set(Epoch::from_seconds(Epoch::MAX).unwrap());
        assert_eq!((unsigned(late, 7), signed(late, -7)), (u32::MAX, i32::MAX));
        assert_eq!(milliseconds(late, i64::MIN), 8_589_934_591_000);
        let clamp = Stamp::clamp(Epoch::from_seconds(1000).unwrap());
        assert_eq!([999, 1000, 1001].map(|value| unsigned(clamp, value)), [999, 1000, 1000]);
        assert_eq!([-1, 1000, 1001].map(|value| signed(clamp, value)), [-1, 1000, 1000]);
        assert_eq!([-1, 1_000_000, 1_000_001].map(|value| milliseconds(clamp, value)), [-1, 1_000_000, 1_000_000]);
    }
}
