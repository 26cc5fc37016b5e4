//! A whole archive through the library: refused, or rewritten into one that is rewritten into itself.
//!
//! Digests keep random bytes from getting far, so that an input is taken as it is, or as the layer and the documents
//! of an image whose digests are made to hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::{Carrier, Location};
use restamp::{Digest, Epoch, Result, Rewrite, Rule, RunContext, Stamp};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Some((&options, data)) = data.split_first() else { return };
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let [input, once, twice] = ["in", "once", "twice"].map(|name| folder.path().join(name));
    let archive = if options & 2 == 0 { data.to_vec() } else { wrapped(data) };
    std::fs::write(&input, &archive).expect("memory");
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let kind = if options & 4 == 0 { Carrier::OciArchive } else { Carrier::DockerArchive };
    if run(&input, &once, rule, kind).is_err() {
        assert!(!once.exists(), "an error left an output");
        return;
    }
    run(&once, &twice, rule, kind).expect("refuses its own output");
    let [once, twice] = [once, twice].map(|path| std::fs::read(path).expect("memory"));
    assert!(once == twice, "not idempotent");
    assert!(std::fs::read(&input).expect("memory") == archive, "the input has changed");
});

fn run(from: &Path, to: &Path, rule: Rule, kind: Carrier) -> Result<()> {
    let context = RunContext::new(1, to.parent().expect("a folder"))?;
    let rewrite = Rewrite::new(Stamp { epoch: Epoch::from_seconds(1_700_000_000)?, rule }).with_context(&context);
    rewrite.run(&Location::path(from), &Location { kind: Some(kind), ..Location::path(to) }).map(|_| ())
}

/// An OCI archive: up to two NULs in the input part what is added to the manifest and the config from the layer.
fn wrapped(data: &[u8]) -> Vec<u8> {
    let mut parts = data.splitn(3, |&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    let (in_manifest, in_config) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let at = data.len() - data.splitn(3, |&byte| byte == 0).nth(2).map_or(0, <[u8]>::len);
    let layer = &data[at..];
    let diff_id = Digest::sha256(layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}{in_config}}}"#
    );
    let descriptor = |kind: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{}}}"#, bytes.len())
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]{in_manifest}}}"#,
        descriptor("config.v1+json", config.as_bytes()),
        descriptor("layer.v1.tar", layer)
    );
    let index =
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor("manifest.v1+json", manifest.as_bytes()));
    let mut out = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[136..147].copy_from_slice(b"00000000001");
        block[148..156].fill(b' ');
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(block);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("index.json", index.as_bytes());
    for blob in [layer, config.as_bytes(), manifest.as_bytes()] {
        add(&Digest::sha256(blob).path(), blob);
    }
    out.extend([0; 1024]);
    out
}
