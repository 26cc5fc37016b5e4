//! The documents of `docker save`, and those that are written from nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{SET, assert_bytes, digest, fill, hex, moves, stamp, texts};
use crate::document::descriptor::DescriptorEdit;
use crate::document::docker::{Archive, ArchiveEdit, ArchiveEntryEdit, Repositories};
use crate::document::v1::V1;
use crate::document::{DigestMap, Patched, write};
use crate::error::Result;

const ARCHIVE: &str = concat!(
    "[ {\"Config\":\"blobs/sha256/{1}\",\"RepoTags\":[\"a:1\",\"b:2\"],\"Layers\":[ \"blobs\\/sha256/{2}\", \"blobs/sha256/{3}\"],\n",
    "  \"Parent\":\"<4>\",\"X\":null,\"LayerSources\":{\"<2>\":{\"mediaType\":\"m\",\"size\":20,\"digest\":\"<2>\"}, \"<3>\":{\"mediaType\":\"n\",\"size\":30,\"digest\":\"<3>\"}} },\n",
    "  {\"Config\":\"{5}.json\",\"RepoTags\":null,\"Layers\":null} ]\n",
);

fn archive(template: &str) -> String {
    "012345abc".chars().fold(fill(template), |text, digit| text.replace(&format!("{{{digit}}}"), &hex(digit)))
}

fn edit<'b>(new: [(char, char); 2]) -> ArchiveEntryEdit<'b> {
    let sources = new.map(|(old, new)| {
        let change = DescriptorEdit { media_type: Some("gz".into()), ..DescriptorEdit::blob(digest(new), 99) };
        (digest(old), (digest(new), change))
    });
    ArchiveEntryEdit {
        config: Some(format!("blobs/sha256/{}", hex('a'))),
        layers: new.iter().map(|(_, new)| format!("blobs/sha256/{}", hex(*new))).collect(),
        sources: sources.into(),
        ..ArchiveEntryEdit::default()
    }
}

fn patch(text: &[u8], entries: Vec<Option<ArchiveEntryEdit<'_>>>, images: &DigestMap) -> Result<Patched> {
    let gone = BTreeSet::from([digest('9')]);
    Archive::parse(text).unwrap().patch(stamp(SET), &ArchiveEdit { entries, images, gone: &gone })
}

#[test]
fn an_archive_follows_its_images() {
    let text = archive(ARCHIVE);
    let parsed = Archive::parse(text.as_bytes()).unwrap();
    let entry = &parsed.entries()[0];
    assert_eq!((entry.config.as_str(), entry.layers.len()), (archive("blobs/sha256/{1}").as_str(), 2));
    assert_eq!(
        (entry.repo_tags.as_slice(), entry.parent),
        (["a:1".to_owned(), "b:2".to_owned()].as_slice(), Some(digest('4')))
    );
    assert_eq!((entry.sources[1].0, entry.sources[1].1.size), (digest('3'), 30));
    assert!(parsed.entries()[1].repo_tags.is_empty() && parsed.entries()[1].layers.is_empty());

    let edits = vec![Some(edit([('2', 'b'), ('3', '3')])), Some(ArchiveEntryEdit::default())];
    let patched = patch(text.as_bytes(), edits, &moves(&[('4', 'c')])).unwrap();
    let expected = ARCHIVE
        .replace("{1}", "{a}")
        .replace("blobs\\/sha256/{2}", "blobs/sha256/{b}")
        .replace("\"Parent\":\"<4>\"", "\"Parent\":\"<c>\"")
        .replace(
            "\"<2>\":{\"mediaType\":\"m\",\"size\":20,\"digest\":\"<2>\"}",
            "\"<b>\":{\"mediaType\":\"gz\",\"size\":99,\"digest\":\"<b>\"}",
        );
    assert_bytes(&patched, &archive(&expected));
    let same = vec![Some(edit([('b', 'b'), ('3', '3')])), Some(ArchiveEntryEdit::default())];
    assert!(!patch(&patched.bytes, same, &moves(&[('c', 'c')])).unwrap().changed);
}

#[test]
fn an_archive_loses_what_is_left_out() {
    let text = archive(ARCHIVE).replace(&hex('4'), &hex('9'));
    let one = ArchiveEntryEdit { tags: Some(vec!["b:2".to_owned()]), ..ArchiveEntryEdit::default() };
    let patched = patch(text.as_bytes(), vec![Some(one), None], &moves(&[])).unwrap();
    let (first, _) = text.split_once(",\n  {\"Config").unwrap();
    let parent = format!(",\n  \"Parent\":\"{}\"", digest('9'));
    assert_bytes(&patched, &format!("{} ]\n", first.replace(&parent, "").replace("\"a:1\",", "")));
    assert_eq!(texts(&patched), [format!("[0].Parent: names {}, which was left out; removed", digest('9'))]);
}

#[test]
fn times_in_layer_sources_are_stamped() {
    let created = |text: &str| format!("\"annotations\":{{\"org.opencontainers.image.created\":\"{text}\"}},");
    let with = |text: &str| archive(ARCHIVE).replace("\"mediaType\"", &format!("{}\"mediaType\"", created(text)));
    let text = with("2024-01-01T00:00:00Z");
    let parsed = Archive::parse(text.as_bytes()).unwrap();
    assert_eq!((parsed.times(&|_| true).len(), parsed.times(&|number| number > 0).len()), (2, 0));
    let edits = vec![Some(ArchiveEntryEdit::default()), None];
    let patched = patch(text.as_bytes(), edits, &moves(&[])).unwrap();
    let sources = |bytes: &[u8]| -> Vec<_> {
        let archive = Archive::parse(bytes).unwrap();
        archive.entries()[0].sources.iter().map(|(_, link)| link.annotations[0].1.clone()).collect()
    };
    assert_eq!(sources(&patched.bytes), ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"]);
    // Of two layers that are one now, the descriptor that goes is not stamped first.
    let merged = patch(text.as_bytes(), vec![Some(edit([('2', 'b'), ('3', 'b')])), None], &moves(&[])).unwrap();
    assert_eq!(sources(&merged.bytes), ["2023-11-14T22:13:20Z"]);
}

#[test]
fn layers_that_became_one_have_one_source() {
    let text = archive(ARCHIVE);
    let edits = vec![Some(edit([('2', 'b'), ('3', 'b')])), None];
    let patched = patch(text.as_bytes(), edits, &moves(&[])).unwrap();
    let again = Archive::parse(&patched.bytes).unwrap();
    assert_eq!(again.entries().len(), 1);
    assert_eq!(again.entries()[0].layers, [archive("blobs/sha256/{b}"), archive("blobs/sha256/{b}")]);
    let sources: Vec<_> = again.entries()[0].sources.iter().map(|(id, source)| (*id, source.digest)).collect();
    assert_eq!(sources, [(digest('b'), digest('b'))]);
    assert_eq!(texts(&patched), [format!("[0].LayerSources: two layers are the same now: {}", digest('b'))]);
}

#[test]
fn what_is_wrong_with_an_archive_is_named() {
    for (text, message) in [
        ("{}", "manifest.json: expected a JSON array, found an object"),
        ("[null]", "[0]: offset 1: manifest.json: expected an object, found null"),
        ("[{}]", "[0]: Config is missing"),
        (
            r#"[{"Config":"x","Layers":[1]}]"#,
            "[0].Layers[0]: offset 25: Layers: expected a path in the archive, found 1",
        ),
        (
            r#"[{"Config":"x","LayerSources":{"y":{}}}]"#,
            "[0].LayerSources.y: digest: expected sha256: or sha512: and that many lower-case hexadecimal digits, found y",
        ),
    ] {
        assert_eq!(Archive::parse(text.as_bytes()).unwrap_err().to_string(), message);
    }
    assert_eq!(Archive::parse(br#"[{"Config":"x","Parent":""}]"#).unwrap().entries()[0].parent, None);
    assert!(patch(b"[]", vec![None], &moves(&[])).is_err());
}

#[test]
fn repositories_get_their_new_ids() {
    let text = r#"{"a/b" : {"1":"old" , "latest":"o\u006cd"},"c":{"2":"other"},"d":null}"#;
    let parsed = Repositories::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.tags()[1], ("a/b".into(), "latest".into(), "old".into()));
    let id = |repository: &str, tag: &str, id: &str| ((repository.to_owned(), tag.to_owned()), id.to_owned());
    let all = [id("a/b", "1", "new"), id("a/b", "latest", "new"), id("c", "2", "other")];
    let patched = parsed.patch(&all.into()).unwrap();
    assert_bytes(&patched, r#"{"a/b" : {"1":"new" , "latest":"new"},"c":{"2":"other"},"d":null}"#);
    // A tag that names no image any more goes, and a repository of which nothing is left.
    let patched = parsed.patch(&[id("a/b", "latest", "new")].into()).unwrap();
    assert_bytes(&patched, r#"{"a/b" : {"latest":"new"},"d":null}"#);
    for bad in ["[]", r#"{"a":"b"}"#, r#"{"a":{"b":5}}"#] {
        assert!(Repositories::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn v1_files_are_read() {
    let text = concat!(
        "{\"id\":\"1\",\"parent\":\"2\", \"created\":\"2024-01-01T00:00:00Z\",\"config\":{\"Labels\":{\"build-date\":\"2024-01-01\"}},\n",
        "\"container_config\":{\"Labels\":null},\"Size\":0,\"history\":[{\"created\":\"x\"}]}",
    );
    let parsed = V1::parse(text.as_bytes()).unwrap();
    assert_eq!((parsed.id().as_deref(), parsed.parent().as_deref(), parsed.times().len()), (Some("1"), Some("2"), 2));
    assert!(V1::parse(b"[]").is_err());
}

#[test]
fn new_documents_look_like_those_of_their_first_writers() {
    let layer = write::NewDescriptor::new("application/vnd.oci.image.layer.v1.tar", digest('1'), 10752);
    let config = write::NewDescriptor::new("application/vnd.oci.image.config.v1+json", digest('2'), 581);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(
        text(write::manifest(None, &config, std::slice::from_ref(&layer)).unwrap()),
        fill(concat!(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"<2>","size":581},"#,
            r#""layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"<1>","size":10752}]}"#
        ))
    );
    // As Docker 25 writes it for an untagged image.
    let source = write::LayerSource { media_type: layer.media_type.to_string(), size: 10752, digest: digest('1') };
    let entry = write::NewArchiveEntry {
        config: "blobs/sha256/c".into(),
        repo_tags: None,
        layers: vec!["blobs/sha256/l".into()],
        parent: None,
        layer_sources: BTreeMap::from([(digest('1').to_string(), source)]),
    };
    let archive = text(write::archive(std::slice::from_ref(&entry)).unwrap());
    assert_eq!(
        archive,
        fill(concat!(
            r#"[{"Config":"blobs/sha256/c","RepoTags":null,"Layers":["blobs/sha256/l"],"LayerSources":{"<1>":"#,
            r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":10752,"digest":"<1>"}}}]"#
        ))
    );
    assert_eq!(Archive::parse(archive.as_bytes()).unwrap().entries()[0].sources.len(), 1);
    let named = write::NewArchiveEntry {
        repo_tags: Some(vec!["a:1".into()]),
        parent: Some(digest('3')),
        layer_sources: BTreeMap::new(),
        ..entry
    };
    assert_eq!(
        text(write::archive(&[named]).unwrap()),
        fill(r#"[{"Config":"blobs/sha256/c","RepoTags":["a:1"],"Layers":["blobs/sha256/l"],"Parent":"<3>"}]"#)
    );
    let child = write::NewDescriptor {
        annotations: BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
        platform: Some(write::NewPlatform {
            architecture: "arm64".into(),
            os: "linux".into(),
            os_version: None,
            os_features: vec![],
            variant: Some("v8".into()),
        }),
        ..write::NewDescriptor::new("application/vnd.oci.image.manifest.v1+json", digest('4'), 1)
    };
    assert_eq!(
        text(write::index(&[child]).unwrap()),
        fill(concat!(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"#,
            r#""application/vnd.oci.image.manifest.v1+json","digest":"<4>","size":1,"annotations":{"a":"1","b":"2"},"#,
            r#""platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}"#
        ))
    );
    let tags = BTreeMap::from([("a".to_owned(), BTreeMap::from([("1".to_owned(), "id".to_owned())]))]);
    assert_eq!(text(write::repositories(&tags).unwrap()), r#"{"a":{"1":"id"}}"#);
}
