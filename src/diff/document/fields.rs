//! Manifests and configs: which of their fields mean what.
//!
//! A digest, size or diff_id that differs only because what it names differs is a consequence. It is not listed:
//! whatever it names is compared and listed itself.

use crate::causes::Class;
use crate::diff::document::history::history;
use crate::diff::document::times::{Document, restamps};
use crate::diff::document::value::{Change, Compared, compare, documents, elements};
use crate::diff::model::{Difference, Findings, Part, Place, Value};
use crate::diff::pair::align::{Pair, align, by_position};
use crate::diff::view::{Image, View};
use crate::digest::Digest;
use crate::document::commands::Commands;
use crate::document::descriptor::{UNCOMPRESSED, describes_layer_bytes};
use crate::document::json::{Json, Kind, Value as JsonValue, element_path};
use crate::error::Result;
use crate::media_type::{LayerType, classify};

/// Members of a descriptor that follow from what it names.
const CONSEQUENCES: [&str; 3] = ["digest", "size", "data"];

/// Members of a config that only builders and daemons write and read.
const BUILDERS: [&str; 5] = ["container", "container_config", "docker_version", "id", "parent"];

/// A document, and where what is found in it goes.
pub(crate) struct Subject<'f> {
    pub(crate) findings: &'f mut Findings,
    pub(crate) place: usize,
    pub(crate) document: Document,
    /// What is a time in the commands of both configs.
    pub(crate) commands: [Option<Commands>; 2],
}

impl Subject<'_> {
    /// A change: one of time if it stands where times do, else of this class.
    pub(crate) fn push(&mut self, change: &Change<'_>, class: impl Fn(&Change<'_>) -> Class) {
        let (class, restamps) = match restamps(self.document, change) {
            Some(restamps) => (Class::Time, restamps),
            None if self.is_time_in_command(change) => (Class::EmbeddedTime, true),
            None => (class(change), false),
        };
        let values = change.values.map(|value| value.map(|value| Value::bytes(value.raw())));
        self.findings.push(Difference::new(class, self.place, change.path.clone(), values).restamps(restamps));
    }

    /// Do two commands differ in nothing but times that rewriting sets?
    fn is_time_in_command(&self, change: &Change<'_>) -> bool {
        let is_command = change.path.ends_with("].created_by") || change.path.starts_with("container_config.Cmd[");
        let ([Some(left), Some(right)], [Some(a), Some(b)]) = (&self.commands, change.values) else { return false };
        let texts = (a.as_str(), b.as_str());
        is_command && matches!(texts, (Some(a), Some(b)) if left.masked(&a) == right.masked(&b))
    }

    /// All changes of a manifest or index.
    pub(crate) fn manifest(mut self, compared: &Compared<'_>) {
        for change in &compared.changes {
            self.push(change, manifest_class);
        }
        if compared.is_respelled {
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

/// Does a member follow from what these descriptors at `path` name, which is something else on each side?
pub(crate) fn is_consequence(path: &str, descriptors: [JsonValue<'_>; 2], member: &str) -> bool {
    let [a, b] = descriptors.map(digest_of);
    let key = member.strip_prefix(path).map(|key| key.trim_start_matches('.'));
    let have = |key: &str| descriptors.iter().all(|descriptor| descriptor.get(key).is_some());
    a.is_some() && b.is_some() && a != b && key.is_some_and(|key| CONSEQUENCES.contains(&key) && have(key))
}

fn both_arrays(values: [Option<JsonValue<'_>>; 2]) -> Option<[JsonValue<'_>; 2]> {
    match values {
        [Some(a), Some(b)] if a.kind() == Kind::Array && b.kind() == Kind::Array => Some([a, b]),
        _ => None,
    }
}

/// Two arrays at the end of a way of keys. Where one is something else, what is there is compared as any value is.
pub(crate) fn lists<'j>(roots: [JsonValue<'j>; 2], way: &[&str]) -> Option<[JsonValue<'j>; 2]> {
    both_arrays(roots.map(|root| way.iter().try_fold(root, |value, key| value.get(key))))
}

/// Compares the configs of two images.
pub(crate) fn configs(findings: &mut Findings, label: &str, views: [&View<'_>; 2], images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.config.bytes.as_slice());
    if a == b {
        return Ok(());
    }
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let roots = [json_a.root(), json_b.root()];
    let digests = images.map(|image| Some(image.config_digest));
    let place = findings.place(Place { image: label.to_owned(), part: Part::Config, digests, about: String::new() });
    let commands = [views[0].commands(images[0])?, views[1].commands(images[1])?];
    let mut subject = Subject { findings, place, document: Document::Config, commands };
    let mut compared = Compared::default();
    let told = |path: &str, values: [Option<JsonValue<'_>>; 2]| {
        matches!(path, "history" | "rootfs.diff_ids") && both_arrays(values).is_some()
    };
    documents(&json_a, &json_b, &told, &mut compared);
    let env_order = env_is_reordered(roots);
    if env_order {
        let difference = Difference::new(Class::Order, place, "config.Env", [None, None]);
        subject.findings.push(difference.note("the same variables in another order"));
    }
    for change in &compared.changes {
        if !env_order || !change.path.starts_with("config.Env[") {
            subject.push(change, config_class);
        }
    }
    if let Some(lists) = lists(roots, &["history"]) {
        history(&mut subject, lists, &mut compared);
    }
    if let Some([x, y]) = lists(roots, &["rootfs", "diff_ids"]) {
        let keys = |list: JsonValue<'_>| list.elements().map(|id| id.raw().to_vec()).collect::<Vec<_>>();
        // Another diff_id is told by the layer.
        let told = |_: &str, values: [Option<JsonValue<'_>>; 2]| {
            let [x, y] = values.map(|value| value.and_then(JsonValue::as_str));
            x != y
        };
        elements(x, y, &align(&keys(x), &keys(y), &mut by_position), "rootfs.diff_ids", &told, &mut compared);
    }
    if compared.is_respelled {
        subject.spelling();
    }
    Ok(())
}

fn config_class(change: &Change<'_>) -> Class {
    let path = change.path.as_str();
    let first = path.split(['.', '[']).next().unwrap_or_default();
    if change.is_of_nothing() || BUILDERS.contains(&first) || path == "config.Image" {
        Class::Format
    } else if first == "moby" || path.starts_with("[\"moby.") {
        Class::LogOrCache
    } else {
        Class::Content
    }
}

/// Do both have the same variables, in another order that changes none? Of two with one name only one is in force.
fn env_is_reordered(roots: [JsonValue<'_>; 2]) -> bool {
    let [Some(mut a), Some(mut b)] = roots.map(|root| {
        let list = root.get("config")?.get("Env")?;
        Some(list.elements().collect::<Vec<_>>())
    }) else {
        return false;
    };
    let is_same = |a: &[JsonValue<'_>], b: &[JsonValue<'_>]| {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.raw() == y.raw())
    };
    if is_same(&a, &b) {
        return false;
    }
    let name = |variable: &JsonValue<'_>| {
        let text = variable.as_str().unwrap_or_default();
        text.split('=').next().unwrap_or_default().to_owned()
    };
    // Stable: those of one name stay as they are.
    a.sort_by_cached_key(name);
    b.sort_by_cached_key(name);
    is_same(&a, &b)
}

/// Compares the manifests of two images whose layers are paired as `pairs` says.
pub(crate) fn manifests(
    findings: &mut Findings,
    label: &str,
    views: [&View<'_>; 2],
    images: [&Image; 2],
    pairs: &[Pair],
) -> Result<()> {
    let ([Some(digest_a), Some(digest_b)], false) =
        (images.map(|image| image.manifest), images[0].manifest == images[1].manifest)
    else {
        return Ok(());
    };
    let (a, b) = (views[0].document(Some(&digest_a)), views[1].document(Some(&digest_b)));
    if a == b {
        return Ok(());
    }
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let roots = [json_a.root(), json_b.root()];
    let digests = [Some(digest_a), Some(digest_b)];
    let place = findings.place(Place { image: label.to_owned(), part: Part::Manifest, digests, about: String::new() });
    let mut compared = Compared::default();
    let part = |key: &str| match roots.map(|root| root.get_some(key)) {
        [Some(x), Some(y)] => Some([x, y]),
        _ => None,
    };
    // What a manifest is about is compared only where it is in both sources, as a pair.
    let config = part("config");
    let about = part("subject").filter(|both| findings.are_partners(both.map(digest_of)));
    let told = |path: &str, values: [Option<JsonValue<'_>>; 2]| {
        path == "layers" && both_arrays(values).is_some()
            || config.is_some_and(|both| is_consequence("config", both, path))
            || about.is_some_and(|both| is_consequence("subject", both, path))
    };
    documents(&json_a, &json_b, &told, &mut compared);
    if let Some([x, y]) = lists(roots, &["layers"]) {
        // One without a counterpart is told by the layers.
        let both: Vec<Pair> = pairs.iter().filter(|pair| pair.0.is_some() && pair.1.is_some()).copied().collect();
        // Here one by one; what stands between them is compared with all of them passed over.
        elements(x, y, &both, "layers", &|_, _| true, &mut compared);
        let (left, right): (Vec<_>, Vec<_>) = (x.elements().collect(), y.elements().collect());
        for (i, j) in &both {
            let (Some(x), Some(y)) = (i.and_then(|i| left.get(i)), j.and_then(|j| right.get(j))) else { continue };
            layer(*x, *y, &element_path("layers", i.or(*j).unwrap_or(0)), &mut compared);
        }
    }
    Subject { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    Ok(())
}

/// The descriptors of two layers that are each other's.
fn layer<'j>(a: JsonValue<'j>, b: JsonValue<'j>, path: &str, compared: &mut Compared<'j>) {
    let of_bytes = |member: &str| {
        let key = member.strip_prefix(path).and_then(|rest| rest.strip_prefix(".annotations"));
        let key = key.map(|key| key.trim_matches(|c| matches!(c, '[' | ']' | '"' | '.')));
        key.is_some_and(|key| describes_layer_bytes(key) || key == UNCOMPRESSED)
    };
    let media_type = format!("{path}.mediaType");
    let family = |value: JsonValue<'j>| {
        let text = value.get("mediaType").and_then(JsonValue::as_str);
        text.and_then(|text| LayerType::parse(&text)).map(|kind| (kind.family, kind.foreign))
    };
    // The other half of the media type follows from the compression, which is compared itself.
    let same_family = family(a).is_some() && family(a) == family(b);
    let told = |member: &str, _: [Option<JsonValue<'_>>; 2]| {
        is_consequence(path, [a, b], member) || of_bytes(member) || same_family && member == media_type
    };
    compare(a, b, path, &told, compared);
}

/// The class of what differs in a manifest or index and is no time.
pub(crate) fn manifest_class(change: &Change<'_>) -> Class {
    if change.is_of_nothing() || change.path.ends_with("mediaType") && is_same_role(change) {
        Class::Format
    } else {
        Class::Content
    }
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
