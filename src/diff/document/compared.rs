//! A pair of documents under comparison: where its differences go, and which of them only follow from others.
//!
//! A digest, size or diff_id that differs only because what it names differs is a consequence. It is not listed:
//! whatever it names is compared and listed itself.

use crate::causes::Class;
use crate::diff::document::builders::{Judged, label};
use crate::diff::document::path::Step;
use crate::diff::document::times::{Document, restamps, unlisted_time};
use crate::diff::document::value::{Change, Compared};
use crate::diff::findings::Findings;
use crate::diff::mend::{Mend, Mends};
use crate::diff::model::{Difference, Value};
use crate::digest::Digest;
use crate::document::commands::Commands;
use crate::document::json::{Kind, Value as JsonValue};
use crate::media_type::{LayerType, classify};

/// Members of a descriptor that follow from what it names.
const CONSEQUENCES: [&str; 3] = ["digest", "size", "data"];

/// A document, and where what is found in it goes.
pub(crate) struct ComparedDocument<'f> {
    pub(crate) findings: &'f mut Findings,
    pub(crate) place: usize,
    pub(crate) document: Document,
    /// What is a time in the commands of both configs.
    pub(crate) commands: [Option<Commands>; 2],
}

impl ComparedDocument<'_> {
    /// A change: of the class time if its place is one of times, else what this says of it.
    pub(crate) fn push<J: Into<Judged>>(&mut self, change: &Change<'_>, judge: impl Fn(&Change<'_>) -> J) {
        let mut mends = Mends::NONE;
        let (judged, restamps) = match restamps(self.document, change, &self.findings.time_keys) {
            Some(restamps) => (Judged::from(Class::Time), restamps),
            None if self.is_time_in_command(change) => (Judged::from(Class::EmbeddedTime), true),
            None => match unlisted_time(self.document, change) {
                Some(unlisted) => {
                    if unlisted.is_mended {
                        mends = Mends::by(Mend::TimeKey);
                        self.findings.unlisted_keys.insert(unlisted.key.clone());
                    }
                    (Judged::with(Class::Time, unlisted.note()), false)
                }
                None => (judge(change).into(), false),
            },
        };
        let values = change.values.map(|value| value.map(|value| Value::bytes(value.raw())));
        let mut difference = Difference::new(judged.class, self.place, change.path.to_string(), values);
        difference.note = judged.note.map(Into::into);
        self.findings.push(difference.restamps(restamps).mends(mends));
    }

    /// Do two commands differ in nothing but times that rewriting sets?
    fn is_time_in_command(&self, change: &Change<'_>) -> bool {
        use Step::{Index, Key};
        let is_command = matches!(
            change.path.steps().as_slice(),
            [Key("history"), Index(_), Key("created_by")] | [Key("container_config"), Key("Cmd"), Index(_), ..]
        );
        let ([Some(left), Some(right)], [Some(a), Some(b)]) = (&self.commands, change.values) else { return false };
        let texts = (a.as_str(), b.as_str());
        is_command && matches!(texts, (Some(a), Some(b)) if left.masked(&a) == right.masked(&b))
    }

    /// All changes of a manifest or index.
    pub(crate) fn manifest(mut self, compared: &Compared<'_>) {
        for change in &compared.changes {
            self.push(change, manifest_class);
        }
        if compared.differs_in_spelling {
            self.spelling();
        }
    }

    /// That the documents are written in another way, besides what was found.
    pub(crate) fn spelling(&mut self) {
        let difference = Difference::new(Class::Format, self.place, "spelling", [None, None]);
        let note = "the JSON is written in another way: white space, escapes, the case or the order of keys";
        self.findings.push(difference.note(note));
    }
}

/// The digest in a descriptor.
pub(crate) fn digest_of(descriptor: JsonValue<'_>) -> Option<Digest> {
    descriptor.get("digest")?.as_str()?.parse().ok()
}

/// Does what is at this path within two descriptors follow from what they name, which is something else on each side?
pub(crate) fn is_consequence(descriptors: [JsonValue<'_>; 2], within: &[Step<'_>]) -> bool {
    let [Step::Key(key)] = within else { return false };
    let [a, b] = descriptors.map(digest_of);
    let is_in_both = || descriptors.iter().all(|descriptor| descriptor.get(key).is_some());
    CONSEQUENCES.contains(key) && a.is_some() && b.is_some() && a != b && is_in_both()
}

/// Both sides, where both are arrays.
pub(crate) fn both_arrays(values: [Option<JsonValue<'_>>; 2]) -> Option<[JsonValue<'_>; 2]> {
    match values {
        [Some(a), Some(b)] if a.kind() == Kind::Array && b.kind() == Kind::Array => Some([a, b]),
        _ => None,
    }
}

/// Two arrays at the end of a way of keys. Where one is something else, what is there is compared as any value is.
pub(crate) fn lists<'j>(roots: [JsonValue<'j>; 2], way: &[&str]) -> Option<[JsonValue<'j>; 2]> {
    both_arrays(roots.map(|root| way.iter().try_fold(root, |value, key| value.get(key))))
}

/// The class of what differs in a manifest or index and is no time.
pub(crate) fn manifest_class(change: &Change<'_>) -> Judged {
    let is_media_type = matches!(change.path.steps().as_slice(), [.., Step::Key("mediaType")]);
    if change.is_of_nothing() || is_media_type && is_same_role(change) {
        return Class::Format.into();
    }
    label(change).unwrap_or(Class::Content.into())
}

/// Are these Docker's and OCI's names of the same thing, or is one of them left out?
fn is_same_role(change: &Change<'_>) -> bool {
    let texts = change.values.map(|value| value.and_then(JsonValue::as_str));
    match texts {
        [Some(a), Some(b)] => match [&a, &b].map(|text| LayerType::parse(text).map(|kind| kind.foreign)) {
            [None, None] => classify(&a) == classify(&b),
            foreign => foreign[0] == foreign[1],
        },
        _ => true,
    }
}
