//! The config of an artifact: of a Wasm module, a Helm chart or anything else that is no image. What its members mean is
//! not known here, so that only times are changed in it whose keys a user names.

use std::borrow::Cow;

use super::json::{Json, Kind, Value, element_path, member_path};
use super::times::{Site, TimeKeys, TimeKind, TimeSite, text_of};
use super::unlisted::{Late, UnlistedTime};
use super::{Patch, Patched};
use crate::error::Result;
use crate::stamp::Stamps;

/// The config of an artifact: a JSON document of any type but an image's.
#[derive(Debug)]
pub struct ArtifactConfig<'a> {
    json: Json<'a>,
    keys: TimeKeys,
}

impl<'a> ArtifactConfig<'a> {
    /// Reads one; `None` if it is no JSON object.
    pub fn parse(bytes: &'a [u8], keys: &TimeKeys) -> Option<Self> {
        let json = Json::parse_map(bytes).ok()?;
        (json.root().kind() == Kind::Object).then(|| Self { json, keys: keys.clone() })
    }

    /// Every member that is neither an object nor an array, at any depth, with the place of what holds it. An element of an
    /// array has no key that could say what it is, and is passed over.
    fn members<'s>(&'s self, mut visit: impl FnMut(&str, Value<'s>, &[Step<'s>])) {
        // What is pending on the way down, and how many steps lead to its holder.
        let mut pending = vec![(self.json.root(), 0, None)];
        let mut path = Vec::new();
        while let Some((value, depth, step)) = pending.pop() {
            path.truncate(depth);
            path.extend(step);
            let depth = path.len();
            for member in value.members() {
                match member.value.kind() {
                    Kind::Object | Kind::Array => pending.push((member.value, depth, Some(Step::Key(member.key)))),
                    _ => visit(&member.key, member.value, &path),
                }
            }
            let is_holder = |element: &Value<'_>| matches!(element.kind(), Kind::Object | Kind::Array);
            let elements = value.elements().enumerate().filter(|(_, element)| is_holder(element));
            pending.extend(elements.map(|(number, element)| (element, depth, Some(Step::Index(number)))));
        }
    }

    /// The times under keys that a user has named: those that are known are known of labels and annotations alone.
    pub fn times(&self) -> Vec<TimeSite> {
        self.sites().iter().map(Site::public).collect()
    }

    fn sites(&self) -> Vec<Site<'_>> {
        let mut sites = Vec::new();
        self.members(|key, value, path| {
            if !value.is_null() && self.keys.names(key, &text_of(value)) {
                let path = member_path(&text_of_path(path), cut(key));
                sites.push(Site { path, kind: TimeKind::Named, value, spot: None });
            }
        });
        sites
    }

    /// What reads as a time later than the epoch, and stays.
    pub fn unlisted(&self, stamps: Stamps) -> Vec<UnlistedTime> {
        let none = TimeKeys::default();
        let mut late = Late::of_any_key(&none, stamps);
        self.members(|key, value, path| {
            if !self.keys.names(key, &text_of(value)) {
                late.member(key, value, || text_of_path(path));
            }
        });
        late.found()
    }

    /// The config with new times.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place.
    pub fn patch(&self, stamps: impl Into<Stamps>) -> Result<Patched> {
        let stamps = stamps.into();
        let mut patch = Patch::new(&self.json);
        patch.stamp(&self.sites(), stamps)?;
        patch.unlisted = self.unlisted(stamps);
        patch.finish()
    }
}

/// A step on the way to a value.
#[derive(Debug)]
enum Step<'s> {
    Key(Cow<'s, str>),
    Index(usize),
}

/// A path for people: keys may be of any length, and one of them is part of many paths.
fn text_of_path(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |text, step| match step {
        Step::Key(key) => member_path(&text, cut(key)),
        Step::Index(number) => element_path(&text, *number),
    })
}

/// The beginning of a key.
fn cut(key: &str) -> &str {
    const SHOWN: usize = 200;
    key.char_indices().nth(SHOWN).map_or(key, |(at, _)| key.get(..at).unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{Epoch, Stamp};

    const WASM: &str = r#"{ "created":"2025-10-09T08:53:20.1Z","author":"x", "component":{"exports":["a"],"built":1760000000},
 "list":[{"date":"2025-10-09"},7],"none":null,"layerDigests":["sha256:0"] }"#;

    fn unlisted(config: &ArtifactConfig<'_>, stamp: Stamp) -> Vec<String> {
        let mut paths: Vec<String> = config.unlisted(stamp.into()).into_iter().map(|time| time.path).collect();
        paths.sort();
        paths
    }

    #[test]
    fn only_what_is_named_changes_in_the_config_of_an_artifact() {
        let stamp = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap());
        let none = TimeKeys::default();
        let config = ArtifactConfig::parse(WASM.as_bytes(), &none).unwrap();
        assert_eq!(unlisted(&config, stamp), ["component.built", "created", "list[0].date"]);
        assert!(!config.patch(stamp).unwrap().changed && config.times().is_empty());
        let keys = TimeKeys::new(["created", "built", "none", "date"]).unwrap();
        let patched = ArtifactConfig::parse(WASM.as_bytes(), &keys).unwrap().patch(stamp).unwrap();
        let expected = WASM
            .replace("2025-10-09T08:53:20.1Z", "2023-11-14T22:13:20Z")
            .replace("1760000000", "1700000000")
            .replace("2025-10-09", "2023-11-14");
        assert_eq!(String::from_utf8(patched.bytes.clone()).unwrap(), expected);
        assert_eq!((patched.times, patched.unlisted.len()), (3, 0));
        let again = ArtifactConfig::parse(&patched.bytes, &keys).unwrap();
        assert!(!again.patch(stamp).unwrap().changed && again.times().iter().all(|site| site.accepted_by(stamp)));
        assert!(ArtifactConfig::parse(b"[]", &none).is_none() && ArtifactConfig::parse(b"x", &none).is_none());
    }

    /// One long key above very many members: each of their paths has it, and only few of these are made.
    #[test]
    fn a_long_key_above_many_members_takes_no_more_than_the_document() {
        let members: Vec<String> =
            (0..20_000).map(|n| format!(r#""t{n}":{{"created":"2030-01-02T03:04:05Z"}}"#)).collect();
        let json = format!(r#"{{"{}":{{{}}}}}"#, "k".repeat(400_000), members.join(","));
        let stamp: Stamps = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap()).into();
        let config = ArtifactConfig::parse(json.as_bytes(), &TimeKeys::default()).unwrap();
        let found = config.unlisted(stamp);
        assert!(found.iter().all(|time| time.path.len() < 300), "{}", found[0].path.len());
        assert_eq!((found.len(), found.last().unwrap().beyond), (1000, 19_000));
        let keys = TimeKeys::new(["created"]).unwrap();
        assert_eq!(ArtifactConfig::parse(json.as_bytes(), &keys).unwrap().patch(stamp).unwrap().times, 20_000);
    }

    #[test]
    fn arrays_in_arrays_are_looked_at() {
        let stamp: Stamps = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap()).into();
        let config =
            ArtifactConfig::parse(br#"{"t":[[{"created":"2031-01-02T03:04:05Z"}]]}"#, &TimeKeys::default()).unwrap();
        assert_eq!(config.unlisted(stamp)[0].path, "t[0][0].created");
    }
}
