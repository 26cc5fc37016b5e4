//! The one rule for keys: which of them are fields, and when two spellings are one key.
//!
//! The programs that read these documents are written in Go, whose decoder takes a field's key in any case, by Unicode
//! simple folding, and of two that fold to one key the later. So a key that folds to a field *is* that field here, and
//! two of them in one object are refused as a repeated key is. The keys of maps (labels, annotations, ports) are text
//! of the user, and are compared exactly; so are those below a key that is no field.

use std::cmp::Ordering;

/// What the objects below a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// They have fields. So has the root of a document.
    Fields,
    /// A map: its keys are no fields, but the objects in it have some.
    Map,
    /// Nothing that is known here.
    Unknown,
}

impl Content {
    /// What objects are that a member of such an object leads to.
    pub(super) fn below(self, field: Option<Field>) -> Self {
        match self {
            Self::Fields => field.map_or(Self::Unknown, |field| field.content()),
            Self::Map => Self::Fields,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// A field of one of the documents, as its number in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Field(u8);

impl Field {
    /// The field that a key is, in whatever case.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let number = FIELDS.binary_search_by(|(name, _)| compare(name, key)).ok()?;
        u8::try_from(number).ok().map(Self)
    }

    /// Its usual name. `Config` and `Layers` of `manifest.json` are called as those of a manifest are.
    pub(super) fn name(self) -> &'static str {
        FIELDS.get(usize::from(self.0)).map_or("", |(name, _)| name)
    }

    fn content(self) -> Content {
        FIELDS.get(usize::from(self.0)).map_or(Content::Unknown, |(_, content)| *content)
    }
}

fn compare(name: &str, key: &str) -> Ordering {
    name.chars().map(fold).cmp(key.chars().map(fold))
}

/// Unicode simple folding, as far as it leads to the letters of the fields: `ſ` is an s, `K` (kelvin) is a k.
fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// The fields of all documents that restamp or the readers of its output read, in the order of their folded names: OCI
/// image-spec (descriptor, manifest, index, config, layout), Docker (config, v1 file, `manifest.json`, schema 1),
/// in-toto's statements and DSSE's envelopes.
const FIELDS: [(&str, Content); 86] = {
    use Content::{Fields, Map, Unknown};
    [
        ("_type", Fields),
        ("annotations", Map),
        ("architecture", Fields),
        ("ArgsEscaped", Fields),
        ("artifactType", Fields),
        ("AttachStderr", Fields),
        ("AttachStdin", Fields),
        ("AttachStdout", Fields),
        ("author", Fields),
        ("blobs", Fields),
        ("blobSum", Fields),
        ("Cmd", Fields),
        ("comment", Fields),
        ("config", Fields),
        ("container", Fields),
        ("container_config", Fields),
        ("CpuShares", Fields),
        ("created", Fields),
        ("created_by", Fields),
        ("data", Fields),
        ("diff_ids", Fields),
        // A text in descriptors, a map from algorithms in statements.
        ("digest", Map),
        ("docker_version", Fields),
        ("Domainname", Fields),
        ("empty_layer", Fields),
        ("Entrypoint", Fields),
        ("Env", Fields),
        ("ExposedPorts", Map),
        ("features", Fields),
        ("fsLayers", Fields),
        ("Healthcheck", Fields),
        ("history", Fields),
        ("Hostname", Fields),
        ("id", Fields),
        ("Image", Fields),
        ("imageLayoutVersion", Fields),
        ("Interval", Fields),
        ("keyid", Fields),
        ("Labels", Map),
        ("layers", Fields),
        ("LayerSources", Map),
        ("MacAddress", Fields),
        ("manifests", Fields),
        ("mediaType", Fields),
        ("Memory", Fields),
        ("MemorySwap", Fields),
        ("name", Fields),
        ("NetworkDisabled", Fields),
        ("OnBuild", Fields),
        ("OpenStdin", Fields),
        ("os", Fields),
        ("os.features", Fields),
        ("os.version", Fields),
        ("parent", Fields),
        ("payload", Fields),
        ("payloadType", Fields),
        ("platform", Fields),
        ("predicate", Unknown),
        ("predicateType", Fields),
        ("RepoTags", Fields),
        ("Retries", Fields),
        ("rootfs", Fields),
        ("schemaVersion", Fields),
        ("Shell", Fields),
        ("sig", Fields),
        ("signatures", Fields),
        ("size", Fields),
        ("StartInterval", Fields),
        ("StartPeriod", Fields),
        ("StdinOnce", Fields),
        ("StopSignal", Fields),
        ("StopTimeout", Fields),
        ("subject", Fields),
        ("tag", Fields),
        ("Test", Fields),
        ("throwaway", Fields),
        ("Timeout", Fields),
        ("Tty", Fields),
        ("type", Fields),
        ("uri", Fields),
        ("urls", Fields),
        ("User", Fields),
        ("v1Compatibility", Fields),
        ("variant", Fields),
        ("Volumes", Map),
        ("WorkingDir", Fields),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_folded_names() {
        assert!(FIELDS.is_sorted_by(|(a, _), (b, _)| compare(a, b) == Ordering::Less));
        for (name, _) in FIELDS {
            assert_eq!(Field::of_key(name).map(Field::name), Some(name));
            assert_eq!(Field::of_key(&name.to_uppercase()).map(Field::name), Some(name));
        }
    }

    #[test]
    fn a_key_is_a_field_in_every_spelling_that_go_takes() {
        for (key, name) in [
            ("History", Some("history")),
            ("hi\u{17f}tory", Some("history")),
            ("PARENT", Some("parent")),
            ("\u{212a}eyId", Some("keyid")),
            ("LAYERS", Some("layers")),
            ("con\u{fb01}g", None),
            ("d\u{131}gest", None),
            ("created-by", None),
            ("", None),
        ] {
            assert_eq!(Field::of_key(key).map(Field::name), name, "{key}");
        }
    }
}
