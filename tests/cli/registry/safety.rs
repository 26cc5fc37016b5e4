//! Who is told what: tokens, credentials, redirects. Cases that other clients had to mend in 2026.

use std::path::PathBuf;

use super::{expected, image, put, rewrite};
use crate::support::registry::{Registry, Reply};
use crate::support::{Outcome, finish, restamp, scratch, write};

/// "user:secret"
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A file of credentials for a registry.
fn credentials(folder: &std::path::Path, registry: &Registry) -> PathBuf {
    let text = format!(r#"{{"auths":{{"{}":{{"auth":"dXNlcjpzZWNyZXQ="}}}}}}"#, registry.address);
    write(folder, "auth.json", text.as_bytes())
}

fn inspect(name: &str, authfile: &std::path::Path) -> Outcome {
    finish(restamp().args(["inspect", "--authfile", authfile.to_str().unwrap(), name]), None)
}

/// Has a registry want a token of a server, which is the registry itself or another one.
fn wants_token(registry: &Registry, realm: String, token: &'static str) {
    registry.fault(move |request, _| {
        let is_right = request.header("authorization") == format!("Bearer {token}");
        (request.path.starts_with("/v2/") && !is_right).then(|| {
            let challenge = format!(r#"Bearer realm="{realm}",service="registry",scope="repository:app:pull""#);
            Reply::error(401, "UNAUTHORIZED", "authentication required").header("WWW-Authenticate", challenge)
        })
    });
}

fn gives_token(server: &Registry, token: &'static str) {
    server.fault(move |request, _| {
        (request.path == "/token")
            .then(|| Reply::new(200).body("application/json", format!(r#"{{"token":"{token}"}}"#)))
    });
}

#[test]
fn a_token_is_asked_for_once_with_the_credentials_of_the_registry() {
    let (registry, server) = (Registry::start(), Registry::start());
    put(&registry, "app", "1", &image());
    wants_token(&registry, server.url("/token"), "T1");
    gives_token(&server, "T1");
    let folder = scratch();
    inspect(&registry.name("app:1"), &credentials(folder.path(), &registry)).expect(0);
    let log = server.take_log();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].header("authorization"), BASIC);
    assert!(
        log[0].query.contains("service=registry") && log[0].query.contains("scope=repository%3Aapp%3Apull"),
        "{}",
        log[0].query
    );
    // The registry itself is never told the password.
    assert!(registry.take_log().iter().all(|request| request.header("authorization") != BASIC));
}

#[test]
fn a_token_that_expires_is_asked_for_again_in_the_middle() {
    let (registry, server) = (Registry::start(), Registry::start());
    let image = image();
    put(&registry, "app", "1", &image);
    let realm = server.url("/token");
    registry.fault(move |request, _| {
        let is_blob = request.path.contains("/blobs/");
        let right = if is_blob { "Bearer 2" } else { "Bearer 1" };
        (request.header("authorization") != right && request.path.starts_with("/v2/app"))
            .then(|| Reply::new(401).header("WWW-Authenticate", format!(r#"Bearer realm="{realm}",service="r""#)))
    });
    server.fault(|request, before| {
        (request.path == "/token")
            .then(|| Reply::new(200).body("application/json", format!(r#"{{"access_token":"{}"}}"#, before + 1)))
    });
    let folder = scratch();
    let to = folder.path().join("to");
    rewrite(&["-q", &registry.name("app:1"), to.to_str().unwrap()]).expect(0);
}

#[test]
fn basic_credentials_go_to_the_registry_that_asks_for_them() {
    let registry = Registry::start();
    put(&registry, "app", "1", &image());
    registry.fault(|request, _| {
        (request.header("authorization") != BASIC)
            .then(|| Reply::error(401, "UNAUTHORIZED", "who are you").header("WWW-Authenticate", r#"Basic realm="r""#))
    });
    let folder = scratch();
    inspect(&registry.name("app:1"), &credentials(folder.path(), &registry)).expect(0);
    let none = write(folder.path(), "none.json", b"{}");
    inspect(&registry.name("app:1"), &none).expect_error(&["401", "who are you", "docker login"]);
}

#[test]
fn an_identity_token_is_exchanged() {
    let (registry, server) = (Registry::start(), Registry::start());
    put(&registry, "app", "1", &image());
    wants_token(&registry, server.url("/token"), "T2");
    gives_token(&server, "T2");
    let folder = scratch();
    let text = format!(r#"{{"auths":{{"{}":{{"identitytoken":"ID"}}}}}}"#, registry.address);
    inspect(&registry.name("app:1"), &write(folder.path(), "a.json", text.as_bytes())).expect(0);
    let log = server.take_log();
    assert_eq!(log[0].method, "POST");
    let body = String::from_utf8(log[0].body.clone()).unwrap();
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=ID"), "{body}");
}

#[test]
fn nobody_else_learns_of_credentials_along_a_redirect_or_an_upload() {
    let (registry, stranger) = (Registry::start(), Registry::start());
    let image = image();
    put(&registry, "app", "1", &image);
    for layer in &image.layers {
        stranger.put_blob("app", &layer.blob);
    }
    let (to_blobs, to_upload) = (stranger.url(""), stranger.url("/v2/stamped/blobs/uploads/1"));
    registry.fault(|request, _| {
        (request.header("authorization") != BASIC)
            .then(|| Reply::new(401).header("WWW-Authenticate", r#"Basic realm="r""#))
    });
    registry.fault(move |request, _| {
        if request.is("GET", "/app/blobs/") && request.path.contains("sha256:") {
            return Some(Reply::new(307).header("Location", format!("{to_blobs}{}", request.path)));
        }
        request.is("POST", "/stamped/blobs/uploads/").then(|| Reply::new(202).header("Location", to_upload.clone()))
    });
    stranger.put_blob("app", &image.config);
    let folder = scratch();
    let authfile = credentials(folder.path(), &registry);
    let arguments = ["rewrite", "-q", "--epoch", "1700000000", "--authfile", authfile.to_str().unwrap()];
    let names = [registry.name("app:1"), registry.name("stamped:1")];
    finish(restamp().args(arguments).args(&names), None).expect(0);
    let log = stranger.take_log();
    assert!(log.iter().any(|one| one.method == "PUT") && log.iter().any(|one| one.method == "GET"));
    assert!(log.iter().all(|request| request.header("authorization").is_empty()));
    assert_eq!(registry.tag("stamped", "1").unwrap(), expected(&image));
}

#[test]
fn a_registry_can_lead_to_no_metadata_service_and_to_no_other_scheme() {
    let folder = scratch();
    let none = write(folder.path(), "none.json", b"{}");
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://x/",
        "http://[fe80::1]/",
        "http://u:p@x/",
    ] {
        let registry = Registry::start();
        registry.fault(move |_, _| Some(Reply::new(307).header("Location", location)));
        inspect(&registry.name("app:1"), &none).expect(2);
        assert_eq!(registry.take_log().len(), 1, "{location}");
        let registry = Registry::start();
        wants_token(&registry, location.to_owned(), "T");
        inspect(&registry.name("app:1"), &none).expect(2);
    }
    let registry = Registry::start();
    registry.fault(|request, _| Some(Reply::new(307).header("Location", request.path.clone())));
    inspect(&registry.name("app:1"), &none).expect_error(&["redirects"]);
}

#[test]
fn the_body_of_a_token_or_an_error_has_a_limit() {
    let folder = scratch();
    let none = write(folder.path(), "none.json", b"{}");
    let (registry, server) = (Registry::start(), Registry::start());
    wants_token(&registry, server.url("/token"), "T");
    server.fault(|_, _| Some(Reply::new(200).body("application/json", vec![b' '; 2 << 20])));
    inspect(&registry.name("app:1"), &none).expect_error(&["over the limit"]);
    let registry = Registry::start();
    registry.fault(|_, _| Some(Reply::new(400).body("text/plain", vec![b'x'; 4 << 20])));
    let out = inspect(&registry.name("app:1"), &none).expect_error(&["400"]);
    assert!(out.stderr.len() < 2000);
}

#[test]
fn a_token_is_shown_in_no_message() {
    let folder = scratch();
    let (registry, server) = (Registry::start(), Registry::start());
    let authfile = credentials(folder.path(), &registry);
    wants_token(&registry, server.url("/token"), "right");
    server.fault(|request, _| {
        (request.path == "/token")
            .then(|| Reply::new(200).body("application/json", r#"{"token":"wrong-secret-token"}"#))
    });
    let out = inspect(&registry.name("app:1"), &authfile).expect(2);
    assert!(!out.stderr.contains("wrong-secret-token") && !out.stderr.contains("dXNlcjpzZWNyZXQ"), "{}", out.stderr);
    assert!(out.stderr.contains("auth.json"), "{}", out.stderr);
}

#[test]
fn wrong_bytes_of_the_source_never_arrive_whole() {
    // A registry that hashes nothing would keep them.
    let registry = Registry::start();
    registry.state().mounts = false;
    registry.state().hashes = false;
    let image = image();
    put(&registry, "app", "1", &image);
    let digest = image.layers[0].digest();
    let wrong = crate::support::noise(image.layers[0].blob.len(), 3);
    registry.state().blobs.insert(("app".to_owned(), digest.clone()), wrong);
    rewrite(&["--retries", "0", "--base-layers", "1", &registry.name("app:1"), &registry.name("stamped:1")])
        .expect_error(&["digest does not match", &digest]);
    assert_eq!(registry.tag("stamped", "1"), None);
    assert!(!registry.state().blobs.contains_key(&("stamped".to_owned(), digest)));
}

#[test]
fn an_expired_token_is_replaced() {
    let (registry, server) = (Registry::start(), Registry::start());
    put(&registry, "app", "1", &image());
    let realm = server.url("/token");
    registry.fault(move |request, _| {
        let is_right = request.header("authorization").starts_with("Bearer T");
        (!is_right)
            .then(|| Reply::new(401).header("WWW-Authenticate", format!(r#"Bearer realm="{realm}",service="r""#)))
    });
    // It is not used any more when less than five seconds are left of it: at once.
    server.fault(|request, before| {
        (request.path == "/token")
            .then(|| Reply::new(200).body("application/json", format!(r#"{{"token":"T{before}","expires_in":1}}"#)))
    });
    let folder = scratch();
    inspect(&registry.name("app:1"), &write(folder.path(), "none.json", b"{}")).expect(0);
}

#[test]
fn who_is_not_the_registry_can_have_nothing_done_there() {
    let (registry, stranger) = (Registry::start(), Registry::start());
    put(&registry, "app", "1", &image());
    let elsewhere = stranger.url("/v2/stamped/blobs/uploads/1");
    registry.fault(move |request, _| {
        (request.header("authorization") != BASIC)
            .then(|| Reply::new(401).header("WWW-Authenticate", r#"Basic realm="r""#))
    });
    registry.fault(move |request, _| {
        request.is("POST", "/stamped/").then(|| Reply::new(202).header("Location", elsewhere.clone()))
    });
    let back = registry.url("/v2/app/manifests/1");
    stranger.fault(move |_, _| Some(Reply::new(307).header("Location", back.clone())));
    let folder = scratch();
    let authfile = credentials(folder.path(), &registry);
    let arguments = ["rewrite", "-q", "--epoch", "1700000000", "--authfile", authfile.to_str().unwrap()];
    let names = [registry.name("app:1"), registry.name("stamped:1")];
    finish(restamp().args(arguments).args(&names), None).expect_error(&["leads back to the registry"]);
    let log = registry.take_log();
    assert!(log.iter().all(|one| !matches!(one.method.as_str(), "DELETE" | "PUT")), "{log:?}");
}

#[test]
fn a_mount_that_no_token_allows_becomes_an_upload() {
    let (registry, server) = (Registry::start(), Registry::start());
    let image = image();
    put(&registry, "app", "1", &image);
    let realm = server.url("/token");
    registry.fault(move |request, _| {
        let right = if request.query.contains("mount=") { "Bearer both" } else { "Bearer one" };
        (request.header("authorization") != right)
            .then(|| Reply::new(401).header("WWW-Authenticate", format!(r#"Bearer realm="{realm}",service="r""#)))
    });
    server.fault(|request, _| {
        let is_both = request.query.matches("scope=").count() == 2;
        (request.path == "/token").then(|| match is_both {
            true => Reply::error(403, "DENIED", "not both"),
            false => Reply::new(200).body("application/json", r#"{"token":"one"}"#),
        })
    });
    rewrite(&["-q", "--base-layers", "1", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    assert!(registry.state().blobs.contains_key(&("stamped".to_owned(), image.layers[0].digest())));
}
