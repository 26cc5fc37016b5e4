//! A file that differs as a whole: what of it is known by its content.

use crate::causes::by_content::{BLOCK_ORDER, LINE_ORDER, MEMBER_ORDER, TEXT_DATES};
use crate::causes::{self, Cause, Class};
use crate::diff::content::order::{self, Same};
use crate::diff::content::{InnerDifference, Named, binary, plain, preview, runnable, text_dates};
use crate::diff::model::{Role, Value};
use crate::format::private_key;

/// A private key is looked for in so many bytes at the start of a file.
const KEY_IN: usize = 4096;

/// What two contents differ in, if that is known; `runs` where a mode or what leads to them says so already.
pub(super) fn explain(path: &[u8], a: &[u8], b: &[u8], runs: bool) -> Option<InnerDifference> {
    if let Some(inner) = plain::timestamps(path, a, b).or_else(|| binary::key_store(path, a, b)) {
        return Some(inner);
    }
    if let Some((cause, note)) = binary::program(a, b) {
        return Some(InnerDifference { note, cause: Some(Named::by_content(cause)), ..whole(path, a, b) });
    }
    if let Some(inner) = private_key(path, a, b) {
        return Some(inner);
    }
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let left = dates(path, a, b, runs);
    if left.as_ref().is_some_and(|inner| inner.cause.is_some()) {
        return left;
    }
    order_of(path, a, b, runs).or(left)
}

/// A private key at the start of a file that differs. What differs is not shown: a report is read by more people.
fn private_key(path: &[u8], a: &[u8], b: &[u8]) -> Option<InnerDifference> {
    let keys = [a, b].map(|content| private_key::first_key(content, KEY_IN));
    let note = match keys {
        [Some(x), Some(y)] if x != y => "the private key in it differs",
        [Some(_), None] => "only A has a private key in it",
        [None, Some(_)] => "only B has a private key in it",
        _ => return None,
    };
    let by_path = causes::find(path).is_some_and(Cause::is_of_private_keys);
    let cause = (!by_path).then_some(Named::by_content(&causes::PRIVATE_KEY));
    Some(InnerDifference { note: Some(note.to_owned()), cause, preview: None, ..whole(path, a, b) })
}

/// May it run, or is it no text?
fn may_run(path: &[u8], a: &[u8], b: &[u8]) -> bool {
    a.contains(&0) || b.contains(&0) || runnable::runs(path, a) || runnable::runs(path, b)
}

/// Two texts that differ in dates. Without a cause it is something else that differs as well, and the note says so.
pub(super) fn dates(path: &[u8], a: &[u8], b: &[u8], runs: bool) -> Option<InnerDifference> {
    let dates = text_dates::compare(path, a, b)?;
    let note = Some(dates.note());
    if dates.other.is_some() {
        return Some(InnerDifference { note, ..whole(path, a, b) });
    }
    let cause = Some(Named::below_path(&TEXT_DATES));
    if runs || may_run(path, a, b) {
        return Some(InnerDifference { note, cause, ..whole(path, a, b) });
    }
    let values = dates.first.each_ref().map(|date| Some(Value::bytes(date.as_bytes())));
    let field = if dates.key.is_empty() { "date".to_owned() } else { format!("date of {}", dates.key) };
    let inner = InnerDifference::new(path, Class::EmbeddedTime, field, values).role(Role::Data);
    Some(InnerDifference { note, cause, preview: preview::of(a, b), ..inner })
}

/// The same in another order.
fn order_of(path: &[u8], a: &[u8], b: &[u8], runs: bool) -> Option<InnerDifference> {
    let same = order::compare(path, a, b)?;
    let (class, field, note, cause) = match same {
        Same::List(note) => (Class::Order, "order", note, Some(Named::by_content(&LINE_ORDER))),
        Same::Blocks(note) => (Class::Order, "order", note, Some(Named::by_content(&BLOCK_ORDER))),
        Same::Members => {
            let note = "the same JSON, the members of its objects in another order".to_owned();
            (Class::Order, "order of members", note, Some(Named::below_path(&MEMBER_ORDER)))
        }
        Same::Spelling => {
            let note = "the same JSON, written with other spaces or line ends".to_owned();
            (Class::Format, "spelling", note, None)
        }
        // Where the order may have a meaning, sorting is no advice.
        Same::Lines(note) => return Some(InnerDifference { note: Some(note), ..whole(path, a, b) }),
    };
    if runs || may_run(path, a, b) {
        return Some(InnerDifference { note: Some(note), cause, ..whole(path, a, b) });
    }
    let inner = InnerDifference::new(path, class, field, [None, None]).role(Role::Data);
    Some(InnerDifference { note: Some(note), cause, preview: preview::of(a, b), ..inner })
}

/// A file that differs, as a whole.
pub(super) fn whole(path: &[u8], a: &[u8], b: &[u8]) -> InnerDifference {
    let values = [a, b].map(|bytes| Some(Value::text(format!("{} bytes", bytes.len()))));
    InnerDifference {
        preview: preview::of(a, b),
        ..InnerDifference::new(path, Class::Content, "content", values).role(Role::Content)
    }
}
