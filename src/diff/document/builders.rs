//! What builders write about themselves: labels, annotations, and how they write a history.
//!
//! None of it is read when a container runs. It says who built an image, and so explains why two of them differ.

use crate::causes::Class;
use crate::diff::document::path::Step;
use crate::diff::document::steps::{Form, form};
use crate::diff::document::value::Change;
use crate::document::json::{Json, Value as JsonValue};
use crate::error::{Result, printable};

/// The class of a change that does not follow from it alone, and what there is to say of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) class: Class,
    pub(crate) note: Option<String>,
}

impl Judged {
    /// With a note.
    pub(crate) fn with(class: Class, note: impl Into<String>) -> Self {
        Self { class, note: Some(note.into()) }
    }
}

impl From<Class> for Judged {
    fn from(class: Class) -> Self {
        Self { class, note: None }
    }
}

/// The label that buildah and podman set to their version.
pub(crate) const BUILDAH_VERSION: &str = "io.buildah.version";
/// What the base of an image is called.
const BASE_KEYS: [&str; 2] = ["org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"];
/// Keys of builders begin like this.
const BUILDER_PREFIXES: [&str; 5] = ["com.docker.", "dev.nixpacks.", "io.buildah.", "moby.buildkit.", "nixpacks."];
/// Keys that begin like them and that Docker Desktop reads.
const READ_PREFIXES: [&str; 2] = ["com.docker.desktop.", "com.docker.extension."];

/// What a change of a label or annotation means, where a builder set it for itself.
pub(crate) fn label(change: &Change<'_>) -> Option<Judged> {
    let steps = change.path.steps();
    let key = match steps.as_slice() {
        [Step::Key("config"), Step::Key("Labels"), Step::Key(key)] | [.., Step::Key("annotations"), Step::Key(key)] => {
            *key
        }
        _ => return None,
    };
    if key == BUILDAH_VERSION {
        return Some(Judged::with(Class::Format, versions(change)));
    }
    if BASE_KEYS.contains(&key) {
        let note = "the name of the base image; its content is compared with the layers";
        return Some(Judged::with(Class::Name, note));
    }
    let is_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
    let is_builders = is_of(&BUILDER_PREFIXES) && !is_of(&READ_PREFIXES);
    is_builders.then(|| Judged::with(Class::Name, "set by the builder for itself; no container reads it"))
}

/// What built an image, as far as its config says: by the form of its last step, as labels come from a base as well.
pub(crate) fn builder(config: &[u8]) -> Result<Option<String>> {
    let json = Json::parse(config)?;
    let root = json.root();
    let text =
        |value: JsonValue<'_>| value.as_str().filter(|text| !text.is_empty()).map(|text| printable(text.as_bytes()));
    let last = root.get("history").and_then(|history| history.elements().last());
    let of_last = |key: &str| last.and_then(|step| step.get(key)).and_then(JsonValue::as_str).unwrap_or_default();
    let (command, comment) = (of_last("created_by"), of_last("comment"));
    if form(&command) == Form::BuildKit || comment.starts_with("buildkit.") {
        return Ok(Some("BuildKit".to_owned()));
    }
    let labels = root.get("config").and_then(|config| config.get("Labels"));
    let mut labels = labels.into_iter().flat_map(JsonValue::members);
    let version = labels.find(|label| label.key == BUILDAH_VERSION).and_then(|label| text(label.value));
    let version = version.map(|version| format!("buildah {version}"));
    // Docker's classic builder names its version, and writes a label of its base as it is.
    let docker = root.get("docker_version").and_then(text).map(|version| format!("docker {version} without BuildKit"));
    let is_classic = form(&command) == Form::Classic;
    Ok(docker.filter(|_| is_classic).or(version))
}

/// `built by buildah 1.28.2 in A, 1.33.1 in B`
fn versions(change: &Change<'_>) -> String {
    let [a, b] = change.values.map(|value| value.and_then(JsonValue::as_str));
    match (a, b) {
        (Some(a), Some(b)) => format!("built by buildah {a} in A, {b} in B"),
        (Some(a), None) => format!("built by buildah {a} in A"),
        (None, Some(b)) => format!("built by buildah {b} in B"),
        (None, None) => "the version of buildah".to_owned(),
    }
}
