//! A document is refused, or comes out as JSON that differs in strings that are times and in nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::{BaseHistory, Config};
use restamp::internals::{Index, IndexEdit};
use restamp::internals::Json;
use restamp::internals::{Manifest, ManifestEdit};
use restamp::{Epoch, Result, Rule, Stamp};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((&options, bytes)) = data.split_first() else { return };
    if Json::parse(bytes).is_ok() {
        judge(bytes, "accepts what is no JSON");
    }
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let stamp = Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule };
    let Ok(out) = patch(options, bytes, stamp) else { return };
    if let (Some(before), Some(after)) = (judge(bytes, "no JSON"), judge(&out, "no JSON came out")) {
        same_but_times(&before, &after);
    }
    assert!(patch(options, &out, stamp).expect("refuses its own output") == out, "not idempotent");
});

/// What another parser reads; `None` where it has limits that JSON doesn't have. Strings that are not UTF-8 pass through
/// untouched as in Go, where they are read as U+FFFD.
fn judge(bytes: &[u8], complaint: &str) -> Option<Value> {
    const LIMITS: [&str; 4] = ["surrogate", "hex escape", "number out of range", "recursion limit"];
    match serde_json::from_str(&String::from_utf8_lossy(bytes)) {
        Ok(value) => Some(value),
        Err(error) if LIMITS.iter().any(|limit| error.to_string().contains(limit)) => None,
        Err(error) => panic!("{complaint}: {error}"),
    }
}

fn patch(options: u8, bytes: &[u8], stamp: Stamp) -> Result<Vec<u8>> {
    Ok(match options >> 1 & 3 {
        0 => {
            let config = Config::parse(bytes)?;
            config.patch(stamp, BaseHistory::default(), config.diff_ids())?.bytes
        }
        1 => Manifest::parse(bytes)?.patch(stamp, &ManifestEdit::default())?.bytes,
        _ => Index::parse(bytes)?.patch(stamp, &IndexEdit::default())?.bytes,
    })
}

fn same_but_times(before: &Value, after: &Value) {
    match (before, after) {
        (Value::Object(one), Value::Object(two)) => {
            assert!(one.keys().eq(two.keys()), "{before} became {after}");
            one.values().zip(two.values()).for_each(|(one, two)| same_but_times(one, two));
        }
        (Value::Array(one), Value::Array(two)) => {
            assert_eq!(one.len(), two.len());
            one.iter().zip(two).for_each(|(one, two)| same_but_times(one, two));
        }
        (Value::String(_), Value::String(two)) if two == "2023-11-14T22:13:20Z" || two == "1700000000" => {}
        _ => assert_eq!(before, after),
    }
}
