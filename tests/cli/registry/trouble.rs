//! Failures that pass, and those that don't.

use std::time::{Duration, Instant};

use super::{expected, image, put, rewrite};
use crate::support::registry::{Registry, Reply};
use crate::support::{run, sha256};

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let busy: [Reply; 3] = [
        Reply::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", "1"),
        Reply::new(503).header("Retry-After", "Wed, 21 Oct 2015 07:28:01 GMT").header("Date", date),
        Reply::new(500),
    ];
    for reply in busy {
        let registry = Registry::start();
        put(&registry, "app", "1", &image());
        let asks = reply.headers.iter().any(|(name, _)| name == "Retry-After");
        registry
            .fault(move |request, before| (request.is("GET", "/manifests/1") && before == 0).then(|| reply.clone()));
        let start = Instant::now();
        run(["inspect", &registry.name("app:1")]).expect(0);
        assert!(!asks || start.elapsed() >= Duration::from_secs(1));
        assert_eq!(registry.count("GET", "/manifests/1"), 2);
    }
}

#[test]
fn who_is_asked_to_wait_too_long_gives_up_and_says_why() {
    let registry = Registry::start();
    registry.fault(|_, _| Some(Reply::new(429).header("Retry-After", "3600")));
    run(["inspect", &registry.name("app:1")]).expect_error(&["3600", "Retry-After"]);
    let registry = Registry::start();
    registry.fault(|_, _| Some(Reply::error(503, "UNAVAILABLE", "down for maintenance")));
    let out = run(["inspect", "--retries", "1", &registry.name("app:1")]);
    out.expect_error(&["503", "down for maintenance", "tried 2 times"]);
    assert_eq!(registry.take_log().len(), 2);
}

#[test]
fn what_is_refused_is_not_asked_again() {
    for status in [400, 403, 404, 405, 413] {
        let registry = Registry::start();
        registry.fault(move |_, _| Some(Reply::error(status, "NO", "no")));
        run(["inspect", &registry.name("app:1")]).expect(2);
        assert_eq!(registry.take_log().len(), 1, "{status}");
    }
}

#[test]
fn an_upload_that_breaks_off_is_begun_again() {
    let registry = Registry::start();
    let image = image();
    put(&registry, "app", "1", &image);
    registry.fault(|request, _| {
        // The first two bytes of each upload's number; each has another one.
        static SEEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let is_upload = request.is("PUT", "/blobs/uploads/");
        let number = if is_upload { SEEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed) } else { usize::MAX };
        match number {
            0 => Some(Reply::new(500)),
            1 => Some(Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "the session is gone")),
            _ => None,
        }
    });
    rewrite(&["-q", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    assert_eq!(registry.tag("stamped", "1").unwrap(), expected(&image));
}

#[test]
fn locations_may_be_relative_or_elsewhere_but_not_missing() {
    let image = image();
    let stranger = Registry::start();
    let kinds: [&str; 3] = ["relative", "elsewhere", "missing"];
    for kind in kinds {
        let registry = Registry::start();
        put(&registry, "app", "1", &image);
        let elsewhere = stranger.url("/v2/stamped/blobs/uploads/9");
        registry.fault(move |request, _| {
            let is_start = request.is("POST", "/stamped/blobs/uploads/");
            is_start.then(|| match kind {
                "relative" => Reply::new(202).header("Location", "/v2/stamped/blobs/uploads/7?x=y"),
                "elsewhere" => Reply::new(202).header("Location", elsewhere.clone()),
                _ => Reply::new(202),
            })
        });
        let out = rewrite(&["-q", &registry.name("app:1"), &registry.name("stamped:1")]);
        match kind {
            "missing" => {
                out.expect_error(&["Location"]);
            }
            _ => {
                out.expect(0);
                assert_eq!(registry.tag("stamped", "1").unwrap(), expected(&image), "{kind}");
            }
        }
    }
}

#[test]
fn a_manifest_that_is_another_afterwards_is_an_error() {
    let registry = Registry::start();
    put(&registry, "app", "1", &image());
    registry.fault(|request, _| {
        let is_put = request.is("PUT", "/stamped/manifests/");
        is_put.then(|| Reply::new(201).header("Docker-Content-Digest", sha256(b"something else")))
    });
    rewrite(&[&registry.name("app:1"), &registry.name("stamped:1")]).expect_error(&["digest does not match"]);
    assert_eq!(registry.tag("stamped", "1"), None);
}

#[test]
fn a_name_that_does_not_exist_is_an_error_at_once() {
    // How long a name server takes to say so is its own matter; without a network it may say "later".
    run(["inspect", "--retries", "0", "docker://registry.invalid/app:1"]).expect_error(&["registry.invalid"]);
    let start = Instant::now();
    // Nobody listens on port 1.
    run(["inspect", "docker://127.0.0.1:1/app:1"]).expect_error(&["127.0.0.1:1"]);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_document_that_breaks_off_is_asked_for_again() {
    let registry = Registry::start();
    let image = image();
    put(&registry, "app", "1", &image);
    registry.fault(|request, before| {
        let is_first = request.is("GET", "/app/manifests/1") && before == 0;
        is_first
            .then(|| Reply::new(200).body("application/vnd.oci.image.manifest.v1+json", "{\"schemaVersion\":2").cut(5))
    });
    rewrite(&["-q", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    assert_eq!(registry.tag("stamped", "1").unwrap(), expected(&image));
}

#[test]
fn a_layer_that_fails_waits_for_no_other() {
    use crate::support::layer::{Family, Layer, Packing};
    use crate::support::layout::Image;
    use crate::support::tarball::{Entry, tar};
    use crate::support::{Build, noise};
    let build = Build::FIRST;
    let layer = |name: &str, size| {
        Layer::new(tar(&[Entry::file(name, noise(size, 1), build.seconds)]), Packing::Gzip, Family::Oci, &build)
    };
    let image = Image::new(vec![layer("small", 1000), layer("large", 1 << 20)], Family::Oci, &build, &[]);
    let registry = Registry::start();
    put(&registry, "app", "1", &image);
    let (small, large) = (image.layers[0].clone(), image.layers[1].clone());
    registry.fault(move |request, _| {
        if request.is("GET", &small.digest()) {
            return Some(Reply::new(200).body("application/octet-stream", noise(small.blob.len(), 5)));
        }
        // Its first half, and then nothing for long.
        request
            .is("GET", &large.digest())
            .then(|| Reply::new(200).body("application/octet-stream", large.blob.clone()).stall(large.blob.len() / 2))
    });
    let start = Instant::now();
    let folder = crate::support::scratch();
    let to = folder.path().join("to");
    let out = rewrite(&["-j", "2", &registry.name("app:1"), to.to_str().unwrap()]);
    out.expect_error(&[&image.layers[0].digest()]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}
