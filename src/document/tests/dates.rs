//! How dates are read, and what becomes of them.

use super::{CLAMP, SET, stamp};
use crate::document::config::{BaseHistory, Config};
use crate::document::dates::{read_created, read_date};
use crate::document::times::Reading;
use crate::stamp::Instant;

/// First and last second, and nanoseconds of the first.
fn seconds(text: &str) -> Option<(i64, i64, u32)> {
    match read_date(text) {
        Reading::Time { first, last } => Some((first.seconds, last.seconds, first.nanos)),
        _ => None,
    }
}

#[test]
fn the_usual_forms_of_a_date_are_read() {
    let day = 1_675_123_200; // 2023-01-31T00:00:00Z
    let noon = day + 12 * 3600 + 30 * 60;
    for (text, first, last) in [
        ("2023-01-31", day, day + 86_399),
        ("20230131", day, day + 86_399),
        (" 2023-01-31\n", day, day + 86_399),
        ("2023-01-31Z", day, day + 86_399),
        ("2023-01-31 +01:00", day - 3600, day + 82_799),
        ("2023-01-31T12:30:00Z", noon, noon),
        ("2023-01-31t12:30:00z", noon, noon),
        ("2023-01-31T12:30:00", noon, noon),
        ("2023-01-31 12:30:00", noon, noon),
        ("2023-01-31 12:30:00 UTC", noon, noon),
        ("2023-01-31 12:30:00 Z", noon, noon),
        ("2023-01-31 12:30:00 +0200", noon - 7200, noon - 7200),
        ("2023-01-31T12:30:00-02:30", noon + 9000, noon + 9000),
        ("2023-01-31 12:30:00 +0000 UTC", noon, noon),
        ("2023-01-31 13:30:00 +0100 CET", noon, noon),
        ("20230131123000", noon, noon),
        ("20230131T123000Z", noon, noon),
        ("1675123200", day, day),
        ("-123456789", -123_456_789, -123_456_789),
        ("17000000000", 17_000_000_000, 17_000_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800, -62_135_596_800),
    ] {
        assert_eq!(seconds(text), Some((first, last, 0)), "{text}");
    }
    assert_eq!(seconds("2023-01-31 12:30:00.25"), Some((noon, noon, 250_000_000)));
    assert_eq!(seconds("2023-01-31 12:30:00.0000000001 UTC"), Some((noon, noon, 1)));
}

#[test]
fn what_is_no_time_is_told_from_what_says_nothing() {
    for text in ["", " ", "yes", "unknown", "n/a", "${BUILD_DATE}"] {
        assert_eq!(read_date(text), Reading::Nothing, "{text}");
    }
    for text in [
        "2023",
        "2023-13-01",
        "2023-02-29",
        "2023-01-31T25:00:00Z",
        "2023-01-31T12:30:60Z",
        "2023-01-31T12:30Z",
        "2023-01-31 12:30:00.",
        "2023-01-31 12:30:00 CET",
        "2023-01-31 12:30:00 +0100 m",
        "Wed, 01 Jan 2020 00:00:00 +0000",
        "2020/01/01",
        "2023-01-31  12:30:00",
        "0000-01-01",
        "12345678",
        "123456789012",
        "+1700000000",
        "Tue Jan 31 12:30:00 UTC 2023",
        "v1",
        "٢٠٢٣",
    ] {
        assert_eq!(read_date(text), Reading::Malformed, "{text}");
    }
}

#[test]
fn created_is_rfc_3339_with_every_digit_of_its_fraction() {
    let at = |seconds, nanos| Some(Instant { seconds, nanos });
    assert_eq!(read_created("2023-11-14T22:13:20Z"), at(1_700_000_000, 0));
    assert_eq!(read_created("2023-11-14T22:13:20.000000000Z"), at(1_700_000_000, 0));
    assert_eq!(read_created("2023-11-14T22:13:20.0000000001Z"), at(1_700_000_000, 1));
    assert_eq!(read_created("2023-11-15T00:13:20.5+02:00"), at(1_700_000_000, 500_000_000));
    for text in ["2023-11-14", "2023-11-14 22:13:20Z", "1700000000", "2023-11-14T22:13:20\u{2212}01:00", ""] {
        assert_eq!(read_created(text), None, "{text}");
    }
}

/// A label's value before, after setting, and after clamping.
const LABELS: [(&str, &str, &str); 15] = [
    ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ("2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"),
    ("2023-11-14T22:13:20.1Z", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ("2023-11-14", "2023-11-14T22:13:20Z", "2023-11-14"),
    ("2023-11-15", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ("20200101", "2023-11-14T22:13:20Z", "20200101"),
    ("1700000001", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ("1700000000", "2023-11-14T22:13:20Z", "1700000000"),
    ("", "", ""),
    ("unknown", "unknown", "unknown"),
    ("build 7", "2023-11-14T22:13:20Z", "build 7"),
    ("2020-01-01 00:00:00 +0000 UTC", "2023-11-14T22:13:20Z", "2020-01-01 00:00:00 +0000 UTC"),
    ("2024-01-01 00:00:00 +0000 UTC", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ("2020/01/01", "2023-11-14T22:13:20Z", "2020/01/01"),
    ("2020-01-01T00:00:00Z", "2023-11-14T22:13:20Z", "2020-01-01T00:00:00Z"),
];

#[test]
fn labels_are_set_or_clamped() {
    for key in ["org.opencontainers.image.created", "org.label-schema.build-date", "build-date"] {
        for (old, set, clamped) in LABELS {
            for (rule, new) in [(SET, set), (CLAMP, clamped)] {
                let document = |value: &str| format!(r#"{{"config":{{"Labels":{{"{key}": "{value}"}}}}}}"#);
                let text = document(old);
                let patched =
                    Config::parse(text.as_bytes()).unwrap().patch(stamp(rule), BaseHistory::default(), &[]).unwrap();
                assert_eq!(String::from_utf8_lossy(&patched.bytes), document(new), "{rule:?}");
                assert_eq!((patched.changed, patched.times), (old != new, usize::from(old != new)));
                assert_eq!(patched.warnings.len(), usize::from(["build 7", "2020/01/01"].contains(&old)), "{old}");
            }
        }
    }
}

#[test]
fn what_a_stamp_leaves_is_what_it_accepts() {
    for (old, _, _) in LABELS {
        for rule in [SET, CLAMP] {
            let text = format!(r#"{{"config":{{"Labels":{{"build-date":"{old}"}}}}}}"#);
            let patched =
                Config::parse(text.as_bytes()).unwrap().patch(stamp(rule), BaseHistory::default(), &[]).unwrap();
            let again = Config::parse(&patched.bytes).unwrap();
            assert!(again.times(BaseHistory::default()).iter().all(|site| site.accepted_by(stamp(rule))), "{old}");
            assert!(!again.patch(stamp(rule), BaseHistory::default(), &[]).unwrap().changed, "{old}");
        }
    }
}

#[test]
fn the_time_of_rewriting_is_in_seconds() {
    for (old, set, clamped) in [
        ("1700000000", "1700000000", "1700000000"),
        ("5", "1700000000", "5"),
        ("-5", "1700000000", "-5"),
        ("1700000001", "1700000000", "1700000000"),
        ("99999999999999999999999999", "1700000000", "1700000000"),
        ("-99999999999999999999999999", "1700000000", "-99999999999999999999999999"),
        ("2023-11-14T22:13:20Z", "1700000000", "2023-11-14T22:13:20Z"),
        ("", "1700000000", ""),
    ] {
        for (rule, new) in [(SET, set), (CLAMP, clamped)] {
            let text = format!(r#"{{"config":{{"Labels":{{"buildkit/rewritten-timestamp":"{old}"}}}}}}"#);
            let config = Config::parse(text.as_bytes()).unwrap();
            let patched = config.patch(stamp(rule), BaseHistory::default(), &[]).unwrap();
            let patched = String::from_utf8(patched.bytes).unwrap();
            assert!(patched.contains(&format!(":\"{new}\"")), "{old} {rule:?}: {patched}");
        }
    }
}
