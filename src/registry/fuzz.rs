//! What answers of registries are parsed by, all of it at once: for the fuzz target.

use super::answer::words;
use super::auth::{Challenge, challenges};
use super::name::RegistryName;
use super::referrers::next_link;
use super::retry::{retry_after, wait};
use super::tags::tags;
use super::url::Url;

/// Parses text of a registry as each header and body there is, and checks what must hold of the result.
///
/// # Panics
///
/// If it does not hold.
pub fn parse_answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for challenge in challenges([&*text].into_iter()) {
        if let Challenge::Bearer { realm, service } = challenge
            && let Ok(url) = Url::parse(&realm)
        {
            let whole = url.with_parameter("service", service.as_deref().unwrap_or_default());
            // A parameter never leads to another host.
            assert!(whole.is_ok_and(|whole| whole.origin() == url.origin()));
        }
    }
    if let Ok(base) = Url::parse("https://registry.example/v2/a/") {
        for location in [next_link(&text), Some(text.to_string())].into_iter().flatten() {
            if let Ok(url) = base.resolve(&location) {
                assert!(Url::parse(url.as_str()).is_ok_and(|again| again.origin() == url.origin()));
                assert!(!url.origin().host.is_empty() && !url.as_str().contains(char::is_whitespace));
            }
        }
    }
    let shown = words("application/json", bytes);
    assert!(!shown.chars().any(crate::error::steers), "{shown:?}");
    if let Ok(all) = tags(bytes) {
        assert!(all.iter().all(|tag| !tag.contains(['/', '?', '#', '%'])));
    }
    let asked = retry_after(&text, Some("Wed, 21 Oct 2015 07:28:00 GMT"));
    let _ = wait(1, 0, asked);
    if let Ok(name) = text.parse::<RegistryName>() {
        assert_eq!(name.to_string().parse::<RegistryName>().ok().as_ref(), Some(&name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEEDS: [&str; 12] = [
        r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull""#,
        r#"Basic realm="x", Digest realm="y""#,
        r#"</v2/a/tags/list?n=1&last=x>; rel="next""#,
        "/v2/a/blobs/uploads/1?_state=x%3D",
        "https://s3.example/x?sig=1",
        "//other.example:99999/x",
        "120",
        "Wed, 21 Oct 2015 07:28:30 GMT",
        r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m","detail":{}}]}"#,
        r#"{"name":"a","tags":["1","v2"]}"#,
        "registry.example:5000/team/app:1",
        "[::1]:5000/a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_answer_is_parsed(seed in 0..SEEDS.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..6)) {
            let mut bytes = SEEDS[seed].as_bytes().to_vec();
            for (at, byte, kind) in edits {
                let at = at.index(bytes.len() + 1);
                match kind {
                    0 => bytes.insert(at, byte),
                    1 if at < bytes.len() => bytes[at] = byte,
                    _ => bytes.truncate(at),
                }
            }
            parse_answer(&bytes);
        }
    }
}
