//! Bytes that were passed on or called good without having been read.

use serde_json::{Value, json};

use super::made::{BUILD, EPOCH, hello, with_manifest};
use crate::support::graph::{Attestation, platforms, put_referrer};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_MANIFEST, blob_path};
use crate::support::tarball::{Entry, tar};
use crate::support::{pipe, run, scratch, text, write};

/// The layout with the last byte of one blob changed.
fn damaged(layout: &Layout, digest: &str) -> Vec<u8> {
    let mut layout = layout.clone();
    let bytes = layout.files.get_mut(&blob_path(digest)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    layout.tar(&BUILD)
}

/// Digests of all blobs of which the test says so.
fn blobs(layout: &Layout, is_wanted: &dyn Fn(&[u8]) -> bool) -> Vec<String> {
    let blobs = layout.files.iter().filter(|(name, bytes)| name.starts_with("blobs/") && is_wanted(bytes));
    blobs.map(|(name, _)| name.strip_prefix("blobs/").unwrap().replacen('/', ":", 1)).collect()
}

#[test]
fn inspect_reads_statements_artifacts_and_opaque_layers() {
    let attested = platforms(&BUILD, Packing::Gzip, Some(Attestation::New));
    let statements = blobs(&attested, &|bytes| bytes.starts_with(b"{\"_type\"") || bytes.starts_with(b"{\"pred"));
    assert_eq!(statements.len(), 2);
    let mut referred = Layout::of(&hello(), &BUILD);
    let subject = referred.manifests[0].clone();
    let referrer = put_referrer(&mut referred, &subject, "application/spdx+json", b"an artifact", &BUILD);
    referred.manifests.push(referrer);
    let artifact = blobs(&referred, &|bytes| bytes == b"an artifact").remove(0);
    let opaque = with_manifest(&|manifest| manifest["layers"][0]["mediaType"] = json!("application/x-unknown"));
    let mut listed = Layout::of(&hello(), &BUILD);
    let loose = listed.put("application/x-blob", b"a blob that the index lists");
    let loose_digest = loose["digest"].as_str().unwrap().to_owned();
    listed.manifests.push(loose);
    for (layout, digest) in [
        (&attested, &statements[0]),
        (&attested, &statements[1]),
        (&referred, &artifact),
        (&opaque, &hello().layers[0].digest()),
        (&listed, &loose_digest),
    ] {
        pipe(["inspect", "-q"], &layout.tar(&BUILD)).expect(0);
        pipe(["inspect", "-q"], &damaged(layout, digest)).expect_error(&["digest", digest]);
        // What is not there is no fault of what is: but an opaque layer has to be there.
        let mut gone = layout.clone();
        gone.files.remove(&blob_path(digest));
        pipe(["inspect", "-q"], &gone.tar(&BUILD)).expect(0);
    }
}

#[test]
fn a_base_layer_whose_diff_id_is_its_digest_is_verified() {
    let image = hello();
    let base = &image.layers[0];
    let false_config = String::from_utf8(image.config.clone()).unwrap().replace(&base.diff_id(), &base.digest());
    let mut layout = Layout::default();
    layout.put_image(&image, &BUILD);
    let config = layout.put(OCI_CONFIG, false_config.as_bytes());
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
    manifest["config"] = config;
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    let bytes = layout.tar(&BUILD);
    let arguments = ["rewrite", EPOCH[0], EPOCH[1], "--base-layers", "1"];
    pipe(arguments, &bytes).expect_error(&["diff_id", &base.digest(), &base.diff_id()]);
    // By the base's own image as well.
    let dir = crate::support::scratch();
    let path = crate::support::write(dir.path(), "base.tar", &bytes);
    let arguments = ["rewrite", EPOCH[0], EPOCH[1], "--base", crate::support::text(&path)];
    pipe(arguments, &bytes).expect_error(&["diff_id", &base.digest()]);
    // One that is not compressed has the same of both.
    let plain = Layout::of(&crate::support::hello(&BUILD, Packing::Plain), &BUILD);
    pipe(["rewrite", EPOCH[0], EPOCH[1], "--base-layers", "1"], &plain.tar(&BUILD)).expect(0);
}

#[test]
fn a_damaged_statement_is_no_unsigned_one() {
    let attested = platforms(&BUILD, Packing::Gzip, Some(Attestation::New));
    let statement =
        blobs(&attested, &|bytes| bytes.starts_with(b"{\"_type\"") || bytes.starts_with(b"{\"pred")).remove(0);
    let arguments = ["rewrite", EPOCH[0], EPOCH[1], "--signatures", "drop"];
    pipe(arguments, &damaged(&attested, &statement)).expect_error(&["digest", &statement]);
}

#[test]
fn diff_reads_every_blob_that_is_said_to_have_a_diff_id() {
    let dir = scratch();
    let build = BUILD;
    let sides = ["one", "two"].map(|word| {
        let layers = |packing| {
            let stream = tar(&[Entry::file("file", word.repeat(2000), build.seconds)]);
            vec![Layer::new(stream, packing, Family::Oci, &build)]
        };
        let mut layout = Layout::default();
        // The same image twice, in two compressions.
        for packing in [Packing::Gzip, Packing::Zstd] {
            let descriptor = layout.put_image(&Image::new(layers(packing), Family::Oci, &build, &[]), &build);
            layout.manifests.push(descriptor);
        }
        let second = layers(Packing::Zstd).remove(0).digest();
        (layout, second)
    });
    let [(mut damaged, second), (other, _)] = sides;
    damaged.files.get_mut(&blob_path(&second)).unwrap()[20] ^= 1;
    let a = write(dir.path(), "a.tar", &damaged.tar(&build));
    let b = write(dir.path(), "b.tar", &other.tar(&build));
    run(["diff", text(&a), text(&b)]).expect_error(&[&second]);
}
