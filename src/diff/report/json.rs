//! The JSON form. Fields are added, never renamed or removed, while `schema` is 1.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "a": "first.tar", "b": "second.tar",
//!   "restamped_with": "the options of rewrite that both were rewritten with; only with --restamp",
//!   "verdict": "identical | accepted | same-after-restamping | explainable | different",
//!   "counts": {"content": 1, "time": 14000},
//!   "remedy": {"command": "restamp rewrite --repair gzip", "options": ["--repair", "gzip"], "left": 0, "causes": {}},
//!   "explanations": ["…"],
//!   "differences": [{
//!     "class": "content", "restamps": false,
//!     "image": "app:1 linux/amd64",
//!     "part": "index | manifest | config | layer | rootfs | attached",
//!     "layer": [0, 0],
//!     "path": "usr/bin/app", "path_hex": "only where the path is not printable as it is",
//!     "field": "content", "a": "12 bytes, …", "b": "13 bytes, …",
//!     "mended_by": ["rewrite --repair gzip", "rewrite --omit logs"],
//!     "cause": {"id": "…", "what": "…", "advice": "…", "mends": "rewrite --repair gzip"},
//!     "note": "…", "preview": "@@ …", "files": ["files/000000.a", "files/000000.b"]
//!   }],
//!   "accepted": [{"reason": "…", "difference": {}}],
//!   "unused_rules": ["…"],
//!   "notes": ["…"]
//! }
//! ```
//!
//! `remedy` is what rewriting both with the fewest options would leave: how many differences, and of which causes (or classes,
//! where none is known). It is missing if nothing differs that counts, or both were rewritten already. Each of `mended_by`
//! makes that one difference go away; where it is missing every rewriting does if `restamps` says so, and else nothing. `mends` says what may be done about the cause.
//!
//! Of a file that only one side has, `files` is `null` on the other. `a` and `b` of a difference are `null` where there is nothing on that side; a time is an RFC 3339 date. What is
//! inside an archive has the archive's path, `!`, and the path in it. `path` is made printable; `path_hex` has the
//! bytes where that changed them. Neither paths nor values are cut. The verdict `accepted` is that of images which
//! have only accepted differences.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use serde::{Serialize, Serializer};

use crate::diff::model::{Difference, Part, Report, Role, Value, Verdict};
use crate::json_writer;

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// The names of both files that were saved under a number.
pub type SavedNames<'n> = dyn Fn(u32) -> [String; 2] + 'n;

#[derive(Serialize)]
struct Document<'r, D, A> {
    schema: u32,
    a: &'r str,
    b: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    restamped_with: Option<&'r str>,
    verdict: Verdict,
    counts: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<RemedyItem<'r>>,
    explanations: &'r [String],
    differences: D,
    accepted: A,
    unused_rules: &'r [String],
    notes: &'r [String],
}

#[derive(Serialize)]
struct RemedyItem<'r> {
    command: String,
    options: &'r [String],
    left: usize,
    causes: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch_until: Option<i64>,
}

#[derive(Serialize)]
struct AcceptedItem<'r> {
    reason: &'r str,
    difference: Item<'r>,
}

#[derive(Serialize)]
struct Item<'r> {
    class: &'static str,
    restamps: bool,
    image: &'r str,
    part: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<[Option<usize>; 2]>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    field: &'r str,
    a: Option<Cow<'r, str>>,
    b: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mended_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<[Option<String>; 2]>,
}

#[derive(Serialize)]
struct CauseItem {
    id: &'static str,
    what: &'static str,
    advice: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mends: Option<&'static str>,
}

/// A list whose elements are made one by one, as they are written.
struct List<F>(F);

impl<T: Serialize, I: Iterator<Item = T>, F: Fn() -> I> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Writes the report as JSON, with a newline at its end.
///
/// # Errors
///
/// If it can't be written.
pub fn json(out: &mut dyn io::Write, report: &Report, names: &SavedNames<'_>) -> io::Result<()> {
    let mut counts = BTreeMap::new();
    for difference in &report.differences {
        *counts.entry(difference.class.name()).or_insert(0) += 1;
    }
    let item = |difference| item(report, difference, names);
    let document = Document {
        schema: SCHEMA,
        a: &report.names[0],
        b: &report.names[1],
        restamped_with: report.restamped_with.as_deref(),
        verdict: report.verdict(),
        counts,
        remedy: report.remedy.as_ref().map(|remedy| RemedyItem {
            command: remedy.command(),
            options: &remedy.options,
            left: remedy.left,
            causes: remedy.causes.iter().copied().collect(),
            epoch_until: remedy.epoch_until,
        }),
        explanations: &report.explanations,
        differences: List(|| report.differences.iter().map(item)),
        accepted: List(|| {
            let accepted = report.accepted.iter();
            accepted.map(|a| AcceptedItem { reason: &a.reason, difference: item(&a.difference) })
        }),
        unused_rules: &report.unused_rules,
        notes: &report.notes,
    };
    json_writer::write(&document, out)
}

fn item<'r>(report: &'r Report, difference: &'r Difference, names: &SavedNames<'_>) -> Item<'r> {
    let place = report.place(difference);
    let path = difference.printable_path();
    let hex = || difference.path.iter().map(|byte| format!("{byte:02x}")).collect();
    let path_hex = (path.as_bytes() != &*difference.path).then(hex);
    let text = |side: usize| difference.values.get(side)?.as_ref().map(Value::as_text);
    Item {
        class: difference.class.name(),
        restamps: difference.restamps,
        image: &place.image,
        part: match place.part {
            Part::Index => "index",
            Part::Manifest => "manifest",
            Part::Config => "config",
            Part::Layer(_) => "layer",
            Part::Rootfs => "rootfs",
            Part::Attached => "attached",
        },
        layer: if let Part::Layer(numbers) = place.part { Some(numbers) } else { None },
        path,
        path_hex,
        field: &difference.field,
        a: text(0),
        b: text(1),
        mended_by: if difference.restamps { Vec::new() } else { difference.mended_by() },
        cause: difference.cause.map(|cause| CauseItem {
            id: cause.id,
            what: cause.what,
            advice: cause.advice,
            mends: cause.mends,
        }),
        note: difference.note.as_deref(),
        preview: difference.preview.as_deref(),
        files: difference.saved_as.map(|number| saved(difference, names(number))),
    }
}

/// The names of the files that were saved; `None` for the side that has none.
fn saved(difference: &Difference, names: [String; 2]) -> [Option<String>; 2] {
    let is_lone = difference.role == Role::Entry && difference.archives.is_empty();
    let has = |side: usize| difference.values.get(side).is_some_and(Option::is_some);
    let [a, b] = names;
    [(0, a), (1, b)].map(|(side, name)| (!is_lone || has(side)).then_some(name))
}
