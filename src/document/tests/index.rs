//! Indexes: descriptors, tags and references that follow what they name.

use super::{CLAMP, SET, assert_bytes, digest, fill, hex, moves, stamp, texts};
use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::{DescriptorEdit, is_fallback_tag_of, moved_tag, split_fallback_tag};
use crate::document::index::{ChildEdit, Index, IndexEdit};
use crate::document::references::Moved;
use crate::document::write::NewDescriptor;
use crate::document::{DescriptorCount, DigestMap};
use crate::limits::Limits;

const INDEX: &str = concat!(
    "{\n  \"schemaVersion\": 2,\n  \"manifests\": [\n",
    "    {\"mediaType\":\"m\",\"digest\":\"<1>\",\"size\":100,\"platform\":{\"os\":\"linux\",\"os.features\":[ ]},\n",
    "      \"annotations\": {\"org.opencontainers.image.created\": \"2024-01-01T00:00:00Z\", \"org.opencontainers.image.ref.name\":\"1.0\"} },\n",
    "    {\"mediaType\":\"m\",\"digest\":\"<2>\",\"size\":200,\"annotations\":{\n",
    "      \"vnd.docker.reference.digest\":\"<1>\",\"vnd.docker.reference.type\":\"attestation-manifest\"}},\n",
    "    {\"mediaType\":\"m\",\"digest\":\"<3>\",\"size\":300,\"annotations\":{\"org.opencontainers.image.ref.name\":\"sha256-{1}.{1}.meta\",\n",
    "      \"io.containerd.image.name\":\"example.org/a:sha256-{1}\", \"note\":\"of <2>, not of <9>\"}}\n",
    "  ],\n  \"subject\":{\"digest\":\"<4>\",\"size\":4},\"annotations\":{\"build-date\":\"\"}\n}",
);

fn index(template: &str) -> String {
    fill(&template.replace("{1}", &hex('1')))
}

#[test]
fn an_index_follows_its_manifests() {
    let text = index(INDEX);
    let edit = IndexEdit {
        manifests: vec![
            ChildEdit::Moved(DescriptorEdit::blob(digest('a'), 101)),
            ChildEdit::Moved(DescriptorEdit::blob(digest('b'), 199)),
        ],
        subject: Some(DescriptorEdit::blob(digest('d'), 5)),
        moved: Moved { blobs: Some(&moves(&[('1', 'a'), ('2', 'b'), ('3', '3')])), ..Moved::default() },
    };
    let patched = Index::parse(text.as_bytes()).unwrap().patch(stamp(SET), &edit).unwrap();
    let expected = INDEX
        .replace("\"digest\":\"<1>\",\"size\":100", "\"digest\":\"<a>\",\"size\":101")
        .replace("\"digest\":\"<2>\",\"size\":200", "\"digest\":\"<b>\",\"size\":199")
        .replace("\"digest\":\"<4>\",\"size\":4", "\"digest\":\"<d>\",\"size\":5")
        .replace("2024-01-01T00:00:00Z", "2023-11-14T22:13:20Z")
        .replace("reference.digest\":\"<1>\"", "reference.digest\":\"<a>\"")
        .replace("a:sha256-{1}", &format!("a:sha256-{}", hex('a')))
        .replace("\"sha256-{1}.{1}.meta", &format!("\"sha256-{}.{}.meta", hex('a'), hex('1')));
    assert_bytes(&patched, &index(&expected));
    assert_eq!(patched.times, 1);
    // What is left is found when all documents are done.
    assert!(texts(&patched).is_empty());
    let again = Index::parse(&patched.bytes).unwrap().patch(stamp(SET), &edit).unwrap();
    assert!(!again.changed);
}

#[test]
fn manifests_are_left_out_with_their_commas() {
    let text = index(INDEX);
    let parsed = Index::parse(text.as_bytes()).unwrap();
    for removed in 0..8 {
        let flags: Vec<bool> = (0..3).map(|bit| removed >> bit & 1 == 1).collect();
        let children = flags.iter().map(|flag| if *flag { ChildEdit::Removed } else { ChildEdit::Kept });
        let edit = IndexEdit { manifests: children.collect(), ..IndexEdit::default() };
        let patched = parsed.patch(stamp(CLAMP), &edit).unwrap();
        let again = Index::parse(&patched.bytes).unwrap();
        let left: Vec<_> = again.manifests().iter().map(|child| child.digest).collect();
        let expected: Vec<_> =
            ['1', '2', '3'].iter().zip(&flags).filter(|(_, flag)| !**flag).map(|(c, _)| digest(*c)).collect();
        assert_eq!(left, expected);
        assert_eq!(patched.times, usize::from(!flags[0]), "a manifest that is left out is not stamped");
    }
}

#[test]
fn manifests_are_added_at_the_end() {
    let more = |count: usize| vec![NewDescriptor::new("m", digest('7'), 70); count];
    let new = fill(r#"{"mediaType":"m","digest":"<7>","size":70}"#);
    for (list, expected) in
        [("[ ]", "[#,# ]"), ("[ {\"digest\":\"<1>\",\"size\":1} ]", "[ {\"digest\":\"<1>\",\"size\":1},#,# ]")]
    {
        let text = fill(&format!("{{\"manifests\":{list},\"annotations\":{{}}}}"));
        let added = Index::parse(text.as_bytes()).unwrap().with(&more(2)).unwrap();
        let expected = text.replace(&fill(list), &fill(expected).replace('#', &new));
        assert_eq!(String::from_utf8(added).unwrap(), expected);
        assert_eq!(Index::parse(text.as_bytes()).unwrap().with(&more(0)).unwrap(), text.as_bytes());
    }
}

#[test]
fn an_index_may_be_empty() {
    for text in [r#"{"manifests":null}"#, "{}", r#"{"manifests":[]}"#] {
        let index = Index::parse(text.as_bytes()).unwrap();
        assert!(index.manifests().is_empty());
        assert!(!index.patch(stamp(SET), &IndexEdit::default()).unwrap().changed);
    }
    for text in [r#"{"manifests":{}}"#, r#"{"manifests":[null]}"#, r#"{"manifests":[],"config":{}}"#, "[]", "null"] {
        assert!(Index::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_an_index_says_is_read() {
    let text = index(INDEX);
    let parsed = Index::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.manifests()[0].ref_name(), Some("1.0"));
    assert_eq!(parsed.manifests()[0].platform.as_ref().unwrap().to_string(), "linux/unknown");
    assert_eq!(parsed.subject().unwrap().digest, digest('4'));
    assert_eq!(parsed.annotations(), [("build-date".to_owned(), String::new())]);
    assert_eq!((parsed.media_type(), parsed.artifact_type()), (None, None));
    let paths: Vec<_> = parsed.times().into_iter().map(|site| site.path).collect();
    assert_eq!(
        paths,
        ["annotations[\"build-date\"]", "manifests[0].annotations[\"org.opencontainers.image.created\"]"]
    );
}

#[test]
fn fallback_tags_are_renamed_and_others_are_not() {
    let moves = moves(&[('1', 'a')]);
    let (old, new) = (hex('1'), hex('a'));
    for suffix in ["", ".sig", ".att", ".sbom", ".1111.meta", "-x"] {
        let tag = format!("sha256-{old}{suffix}");
        assert_eq!(moved_tag(&tag, &moves), Some(format!("sha256-{new}{suffix}")));
        assert!(is_fallback_tag_of(&tag, &digest('1')));
    }
    let longer = format!("sha256-{old}1");
    let other = format!("sha256-{}", hex('2'));
    let upper = format!("sha256-{}", hex('a').to_uppercase());
    for tag in ["latest", "", "sha256-", "sha256-11", "sha256:1", &longer, &other, &upper] {
        assert_eq!(moved_tag(tag, &moves), None, "{tag}");
    }
    assert_eq!(split_fallback_tag("latest"), None);
}

#[test]
fn of_a_sha512_digest_the_tag_holds_the_beginning() {
    let [old, new, other] = ["old", "new", "other"].map(|text| Digest::of(Algorithm::Sha512, text.as_bytes()));
    let moves: DigestMap = [(old, new), (other, other), (digest('1'), digest('2'))].into();
    let (old, new) = (old.hex(), new.hex());
    assert_eq!(moved_tag(&format!("sha512-{}.sig", &old[..64]), &moves), Some(format!("sha512-{}.sig", &new[..64])));
    assert_eq!(moved_tag(&format!("sha512-{old}"), &moves), Some(format!("sha512-{new}")));
    assert_eq!(moved_tag(&format!("sha512-{}", &other.hex()[..64]), &moves), None);
    assert_eq!(moved_tag(&format!("sha512-{}", hex('f')), &moves), None);
    assert_eq!(moved_tag(&format!("sha256-{old}"), &moves), None);
}

#[test]
fn descriptors_and_annotations_are_counted_over_all_documents() {
    let mut limits = Limits::DEFAULT;
    (limits.descriptors, limits.annotations) = (7, 100);
    let (text, mut count) = (index(INDEX), DescriptorCount::new(&limits));
    for _ in 0..2 {
        assert!(Index::parse_within(text.as_bytes(), &mut count).is_ok());
    }
    let failure = |count: &mut DescriptorCount| Index::parse_within(text.as_bytes(), count).unwrap_err().to_string();
    let text_of_all = "number of descriptors is over the limit: 9, at most 7 allowed";
    assert_eq!(failure(&mut count), text_of_all);
    assert_eq!(count.check().unwrap_err().to_string(), text_of_all);
    limits.annotations = 5;
    let text_of_all = "number of annotations of descriptors is over the limit: 7, at most 5 allowed";
    assert_eq!(failure(&mut DescriptorCount::new(&limits)), text_of_all);
}
