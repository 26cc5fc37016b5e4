//! What images are called: names in an index, as Docker shows them, and as containerd wants them.

/// Do these two name the same image? Docker shortens what is on its own registry.
pub fn is_name(name: &str, reference: &str) -> bool {
    familiar(name) == familiar(reference)
}

/// A name as Docker shows it: without its own registry and `library/`.
pub fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// The tag in a full name: `registry:5000/app:v1` has `v1`, `v1` alone and a digest have none.
pub fn tag_of(name: &str) -> Option<&str> {
    let (repository, tag) = name.rsplit_once(':')?;
    (!repository.is_empty() && !repository.contains('@') && !tag.contains('/')).then_some(tag)
}

/// A name with its registry, as containerd wants it.
pub fn full_name(tag: &str) -> String {
    let first = tag.split('/').next().unwrap_or_default();
    let registry = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (registry, tag.contains('/')) {
        (true, _) => tag.to_owned(),
        (false, true) => format!("docker.io/{tag}"),
        (false, false) => format!("docker.io/library/{tag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_and_filled_up_as_docker_does() {
        for (full, short, tag) in [
            ("docker.io/library/app:1", "app:1", Some("1")),
            ("docker.io/me/app:1", "me/app:1", Some("1")),
            ("localhost/app:1", "localhost/app:1", Some("1")),
            ("registry:5000/app:v1", "registry:5000/app:v1", Some("v1")),
        ] {
            assert_eq!((familiar(full), full_name(short).as_str(), tag_of(short)), (short, full, tag));
            assert!(is_name(full, short));
        }
        for none in ["v1", "registry:5000/app", "app@sha256:00"] {
            assert_eq!(tag_of(none), None, "{none}");
        }
    }
}
