//! Renames an image: in `index.json`, and in the `manifest.json` of an archive of `docker save`.

use std::collections::BTreeMap;

use super::descriptor::{IMAGE_NAME, REF_NAME};
use super::edit::Edits;
use super::json::{Json, Kind, Value};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::NewName;

/// `index.json` in which this document has these names and no others. Its first descriptor becomes one for each name, what
/// else lists it is left out.
///
/// # Errors
///
/// It is no index.
pub fn index(bytes: &[u8], digest: &Digest, names: &[NewName]) -> Result<Vec<u8>> {
    let json = Json::parse(bytes)?;
    let Some(manifests) = json.root_object("image index")?.get_some("manifests") else { return Ok(bytes.to_vec()) };
    let is_it = |element: Value<'_>| {
        let text = element.get("digest").and_then(|digest| digest.as_str().map(|text| text.into_owned()));
        text.and_then(|text| text.parse().ok()).as_ref() == Some(digest)
    };
    let mut edits = Edits::new(&json);
    let mut is_done = false;
    let mut keep = Vec::new();
    for element in manifests.elements() {
        let found = is_it(element);
        keep.push(!found || !is_done);
        if found && !is_done {
            is_done = true;
            let ref_names = ref_names(names);
            let all = names.iter().zip(&ref_names).map(|(name, ref_name)| descriptor(element.raw(), name, ref_name));
            edits.replace(element.span(), all.collect::<Result<Vec<_>>>()?.join(&b','));
        }
    }
    edits.retain_elements(manifests, &keep);
    edits.apply()
}

/// What each is called in an index, where a reference name may occur only once: the tag, or else the whole name.
fn ref_names<'n>(names: &'n [NewName]) -> Vec<&'n str> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *uses.entry(name.ref_name()).or_default() += 1;
    }
    let is_unique = |name: &NewName| uses.get(name.ref_name()) == Some(&1);
    let chosen =
        |name: &'n NewName| if is_unique(name) { name.ref_name() } else { name.image().unwrap_or(name.ref_name()) };
    names.iter().map(chosen).collect()
}

/// A descriptor with this name.
fn descriptor(bytes: &[u8], name: &NewName, ref_name: &str) -> Result<Vec<u8>> {
    let full = name.full();
    let json = Json::parse(bytes)?;
    let mut edits = Edits::new(&json);
    if let Some(annotations) = json.root_object("descriptor")?.get_some("annotations") {
        edits.retain_members(annotations, |member| member.key != IMAGE_NAME || full.is_some());
    }
    let bytes = edits.apply()?;
    let json = Json::parse(&bytes)?;
    let mut edits = Edits::new(&json);
    let root = json.root_object("descriptor")?;
    let wanted = [(IMAGE_NAME, full.as_deref()), (REF_NAME, Some(ref_name))];
    let wanted: Vec<(&str, &str)> = wanted.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
    match root.get("annotations") {
        Some(annotations) if annotations.kind() == Kind::Object => {
            let mut missing = Vec::new();
            for (key, text) in wanted {
                match annotations.members().find(|member| member.key == key) {
                    Some(member) => drop(edits.string(member.value, text)),
                    None => missing.push(member(key, &quoted(text))),
                }
            }
            edits.append_members(annotations, &missing);
        }
        found => {
            let members: Vec<String> = wanted.iter().map(|(key, text)| member(key, &quoted(text))).collect();
            let object = format!("{{{}}}", members.join(","));
            match found {
                Some(null) => drop(edits.replace(null.span(), object)),
                None => edits.append_members(root, &[member("annotations", &object)]),
            }
        }
    }
    edits.apply()
}

/// `manifest.json` whose first image has these names, and no other image has any.
///
/// # Errors
///
/// It is no `manifest.json`.
pub fn archive(bytes: &[u8], names: &[NewName]) -> Result<Vec<u8>> {
    let json = Json::parse(bytes)?;
    let mut edits = Edits::new(&json);
    let tags: Vec<&str> = names.iter().filter_map(NewName::image).collect();
    for (number, entry) in json.root().elements().enumerate() {
        let wanted = if number == 0 { tags.as_slice() } else { &[] };
        let field = entry.get("RepoTags");
        let known: Vec<String> = field
            .into_iter()
            .flat_map(Value::elements)
            .filter_map(|tag| tag.as_str().map(|tag| tag.into_owned()))
            .collect();
        if known == wanted {
            continue;
        }
        let list: Vec<String> = wanted.iter().map(|tag| quoted(tag)).collect();
        let list = if list.is_empty() { "null".to_owned() } else { format!("[{}]", list.join(",")) };
        match field {
            Some(field) => drop(edits.replace(field.span(), list)),
            None => edits.append_members(entry, &[member("RepoTags", &list)]),
        }
    }
    edits.apply()
}

/// What Docker before 1.10 looks for under a name of the first image: the hexadecimal digits of its top layer, or of its
/// config.
///
/// # Errors
///
/// It is no `manifest.json`, or lists no image.
pub fn top_of_archive(bytes: &[u8]) -> Result<String> {
    let json = Json::parse(bytes)?;
    let entry = json.root().elements().next();
    let layers = entry.and_then(|entry| entry.get("Layers")).into_iter().flat_map(Value::elements);
    let config = entry.and_then(|entry| entry.get("Config"));
    let path = layers.last().or(config).and_then(|path| path.as_str().map(|path| path.into_owned()));
    let digest = path.as_deref().and_then(Digest::from_path);
    digest.map(|digest| digest.hex()).ok_or_else(|| Error::missing("image").in_blob("manifest.json"))
}

fn member(key: &str, value: &str) -> String {
    format!("{}:{value}", quoted(key))
}

/// A string as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn named(index: &str, names: &[&str]) -> String {
        let names: Vec<NewName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let digest = DIGEST.parse().unwrap();
        let once = super::index(index.as_bytes(), &digest, &names).unwrap();
        assert_eq!(super::index(&once, &digest, &names).unwrap(), once, "not idempotent: {index}");
        String::from_utf8(once).unwrap()
    }

    #[test]
    fn a_descriptor_gets_one_copy_for_each_name_and_keeps_its_other_bytes() {
        let other = r#"{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}"#;
        let one = |annotations: &str| format!(r#"{{"digest":"{DIGEST}" ,"x":1{annotations}}}"#);
        let all = |elements: &[&str]| format!(r#"{{ "manifests": [{}],"y" : 2}}"#, elements.join(","));
        let name = r#""io.containerd.image.name":"docker.io/library/app:1","org.opencontainers.image.ref.name":"1""#;
        let plain = format!(r#","annotations":{{{name}}}"#);
        for before in ["", r#","annotations":null"#, r#","annotations":{}"#] {
            let before = all(&[&one(before), other]);
            assert_eq!(named(&before, &["app:1"]), all(&[&one(&plain), other]), "{before}");
        }
        let before = one(r#","annotations":{"k":"v","org.opencontainers.image.ref.name":"old"}"#);
        let after = one(
            r#","annotations":{"k":"v","org.opencontainers.image.ref.name":"1","io.containerd.image.name":"docker.io/library/app:1"}"#,
        );
        assert_eq!(named(&all(&[&before, other, &before]), &["app:1"]), all(&[&after, other]));
        let second = name.replace("app:1", "b:2").replace(r#""1""#, r#""2""#);
        let second = format!(r#","annotations":{{{second}}}"#);
        assert_eq!(named(&all(&[other, &one("")]), &["app:1", "b:2"]), all(&[other, &one(&plain), &one(&second)]));
        // A reference name occurs once.
        let both = named(&all(&[&one("")]), &["app:1", "b:1"]);
        assert!(both.contains(r#"ref.name":"app:1""#) && both.contains(r#"ref.name":"b:1""#), "{both}");
    }

    #[test]
    fn the_first_image_of_an_archive_gets_the_names() {
        let names = ["app:1".parse().unwrap(), "app:2".parse().unwrap()];
        let old = r#"[{"Config":"c","RepoTags":["a:1"],"Layers":[]},{"RepoTags":["a:1"]},{"Config":"d"}]"#;
        let new = r#"[{"Config":"c","RepoTags":["app:1","app:2"],"Layers":[]},{"RepoTags":null},{"Config":"d"}]"#;
        assert_eq!(archive(old.as_bytes(), &names).unwrap(), new.as_bytes());
        assert_eq!(archive(new.as_bytes(), &names).unwrap(), new.as_bytes());
        assert_eq!(
            archive(br#"[{"Config":"c"}]"#, &names).unwrap(),
            br#"[{"Config":"c","RepoTags":["app:1","app:2"]}]"#
        );
    }
}
