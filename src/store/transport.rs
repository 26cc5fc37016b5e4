//! Names of images that other programs understand: other transports, names of images. Each error has the command that
//! converts it to what restamp reads, or from what it writes.

use std::path::Path;

use crate::error::{Error, shell_word};
use crate::name::tag_of;

/// Which side of a command a name is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is read.
    Source,
    /// It is written.
    Destination,
}

/// Spellings of `oci:` that other programs have: buildx, Docker, regctl.
const OCI: [&str; 3] = ["oci-layout:", "ocidir:", "oci-dir:"];

/// Why a name is of no location, where it begins like one of another transport.
pub(super) fn refused(text: &str, side: Side) -> Option<Error> {
    let rest_of = |prefixes: &[&str]| prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    if cfg!(feature = "registry") && text.starts_with("docker://") {
        return None;
    }
    let advice = if let Some(name) = rest_of(&["docker://"]) {
        registry(name, side)
    } else if let Some(name) = rest_of(&["docker:"]) {
        // Without slashes it is an image of that name, as `docker:dind`, rather than a transport.
        match side {
            Side::Source if !name.contains('/') => daemon(&["Docker", "docker"], text, side),
            _ => registry(name.trim_start_matches('/'), side),
        }
    } else if let Some(name) = rest_of(&["docker-daemon:"]) {
        daemon(&["Docker", "docker"], name.trim_start_matches('/'), side)
    } else if let Some(name) = rest_of(&["containers-storage:"]) {
        // `[driver@graph-root+run-root]` may come before the name.
        let name = name.strip_prefix('[').and_then(|name| name.split_once(']')).map_or(name, |(_, name)| name);
        daemon(&["podman's storage", "podman"], name, side)
    } else if let Some(name) = rest_of(&["containerd://", "containerd:"]) {
        match side {
            Side::Source => {
                let name = shell_word(name);
                format!("restamp doesn't talk to containerd: ctr images export - {name} | restamp …")
            }
            Side::Destination => {
                "restamp doesn't talk to containerd: restamp rewrite SOURCE | ctr images import -".to_owned()
            }
        }
    } else if let Some(path) = rest_of(&["dir:"]) {
        let layout = shell_word(format!("oci:{}.oci", path.trim_end_matches('/').trim_end_matches(".dir")));
        let dir = shell_word(text);
        match side {
            Side::Source => format!("dir: isn't supported. First: skopeo copy {dir} {layout}"),
            Side::Destination => {
                format!("dir: isn't supported. Write {layout}, then: skopeo copy {layout} {dir}")
            }
        }
    } else if let Some(prefix) = ["ostree:", "sif:", "tarball:"].iter().find(|prefix| text.starts_with(**prefix)) {
        let text = shell_word(text);
        match side {
            Side::Source => format!("{prefix} isn't supported. First: skopeo copy {text} oci:image.oci"),
            Side::Destination => {
                format!("{prefix} isn't supported. Write oci:image.oci, then: skopeo copy oci:image.oci {text}")
            }
        }
    } else if let Some(path) = rest_of(&OCI) {
        format!("write oci:{}", without_slashes(path))
    } else if let Some(path) = rest_of(&["file:"]) {
        format!("write {}", without_slashes(path))
    } else if text.starts_with("https://") || text.starts_with("http://") {
        match side {
            Side::Source => format!("restamp doesn't download. First: curl -fL {} | restamp …", shell_word(text)),
            Side::Destination => "restamp doesn't upload: write a file, and upload that".to_owned(),
        }
    } else {
        let (kind, path) = ["oci-archive", "docker-archive", "oci"].into_iter().find_map(|kind| {
            let path = text.strip_prefix(kind)?.strip_prefix("://")?;
            (!path.starts_with('/')).then_some((kind, path))
        })?;
        format!("{kind}: has no slashes of its own: write {kind}:{path} (or {kind}:/{path})")
    };
    Some(Error::refused(format!("{text}: {advice}")))
}

/// What is left of `//path`: relative paths have two slashes too many, absolute ones have two more than their own.
fn without_slashes(path: &str) -> &str {
    path.strip_prefix("//").unwrap_or(path)
}

/// A name of a registry that is not written as one; or a program that was built without registries.
fn registry(name: &str, side: Side) -> String {
    if cfg!(feature = "registry") {
        return format!("write docker://{name}");
    }
    let (file, tag) = file_of(name);
    let reference = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let image = shell_word(format!("docker://{name}"));
    let archive = shell_word(format!("oci-archive:{file}.tar"));
    let named_archive = shell_word(format!("oci-archive:{file}.tar{reference}"));
    match side {
        Side::Source => {
            format!("this restamp was built without registries. First: skopeo copy --all {image} {named_archive}")
        }
        Side::Destination => format!(
            "this restamp was built without registries. Write {archive}, then: skopeo copy --all \
             --preserve-digests {archive} {image}"
        ),
    }
}

fn daemon([whose, program]: &[&str; 2], name: &str, side: Side) -> String {
    match side {
        Side::Source => {
            let name = shell_word(name);
            format!("restamp doesn't talk to {whose}: {program} save {name} | restamp rewrite | {program} load")
        }
        Side::Destination => format!("restamp doesn't talk to {whose}: restamp rewrite SOURCE | {program} load"),
    }
}

/// The last part of an image's name, for the name of a file, and its tag: `latest` unless it has one or a digest.
fn file_of(name: &str) -> (&str, Option<&str>) {
    let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
    let tag = tag_of(name);
    let repository = tag.and_then(|tag| name.strip_suffix(tag)?.strip_suffix(':')).unwrap_or(name);
    let file = repository.rsplit('/').next().filter(|file| !file.is_empty()).unwrap_or("image");
    (file, tag.or(if digest.is_none() { Some("latest") } else { None }))
}

/// What may be meant by the name of a file that does not exist.
pub(super) fn meant_by(name: &str) -> Option<String> {
    for (at, _) in name.match_indices(':') {
        let (path, reference) = (&name[..at], &name[at + 1..]);
        if path.is_empty() || reference.is_empty() {
            continue;
        }
        if Path::new(path).is_dir() {
            return Some(format!("{path} exists: did you mean oci:{name}?"));
        }
        if Path::new(path).is_file() {
            return Some(format!("{path} exists: did you mean oci-archive:{name} or docker-archive:{name}?"));
        }
    }
    is_image_name(name).then(|| {
        let registry =
            if cfg!(feature = "registry") { format!("; from a registry: docker://{name}") } else { String::new() };
        format!("there is no such file; to take an image from Docker: docker save {name} | restamp …{registry}")
    })
}

/// Endings of names that are those of a file, not of an image.
const FILES: [&str; 13] =
    [".tar", ".tgz", ".gz", ".zst", ".tzst", ".zstd", ".oci", ".xz", ".bz2", ".zip", ".json", ".img", ".dir"];

/// Could this be the name of an image rather than of a file? `nginx`, `nginx:latest`, `ghcr.io/a/b@sha256:…`
fn is_image_name(name: &str) -> bool {
    let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
    let tag = tag_of(name);
    let repository = tag.and_then(|tag| name.strip_suffix(tag)?.strip_suffix(':')).unwrap_or(name);
    let (first, path) = repository.split_once('/').map_or((None, repository), |(first, path)| (Some(first), path));
    let is_part = |part: &str| {
        let of_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        part.chars().all(of_part) && part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    // The first part may be a registry with a port.
    let is_registry = |first: &str| {
        let (host, port) = first.split_once(':').unwrap_or((first, "0"));
        is_part(&host.to_ascii_lowercase()) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_tag =
        |tag: &str| !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let is_certain = tag.is_some() || digest.is_some();
    first.is_none_or(is_registry)
        && path.split('/').all(is_part)
        && tag.is_none_or(is_tag)
        && (is_certain || !FILES.iter().any(|end| repository.ends_with(end)))
        // `folder/file` where the folder is there is a file that is missing.
        && (is_certain || first.is_none_or(|first| !Path::new(first).is_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_transports_are_answered_with_the_whole_command() {
        for (text, source, destination) in [
            ("docker:registry:5000/a/app", "write docker://registry:5000/a/app", "write docker://registry:5000/a/app"),
            (
                "docker:dind",
                "restamp doesn't talk to Docker: docker save docker:dind | restamp rewrite | docker load",
                "write docker://dind",
            ),
            (
                "docker-daemon:app:1",
                "restamp doesn't talk to Docker: docker save app:1 | restamp rewrite | docker load",
                "restamp doesn't talk to Docker: restamp rewrite SOURCE | docker load",
            ),
            (
                "containers-storage:[overlay@/x+/y]app:1",
                "restamp doesn't talk to podman's storage: podman save app:1 | restamp rewrite | podman load",
                "restamp doesn't talk to podman's storage: restamp rewrite SOURCE | podman load",
            ),
            (
                "dir:b.dir",
                "dir: isn't supported. First: skopeo copy dir:b.dir oci:b.oci",
                "dir: isn't supported. Write oci:b.oci, then: skopeo copy oci:b.oci dir:b.dir",
            ),
            (
                "tarball:root.tar",
                "tarball: isn't supported. First: skopeo copy tarball:root.tar oci:image.oci",
                "tarball: isn't supported. Write oci:image.oci, then: skopeo copy oci:image.oci tarball:root.tar",
            ),
            (
                "dir:my b.dir",
                "dir: isn't supported. First: skopeo copy 'dir:my b.dir' 'oci:my b.oci'",
                "dir: isn't supported. Write 'oci:my b.oci', then: skopeo copy 'oci:my b.oci' 'dir:my b.dir'",
            ),
            ("oci-layout:b.oci", "write oci:b.oci", "write oci:b.oci"),
            ("oci-layout://b.oci:1", "write oci:b.oci:1", "write oci:b.oci:1"),
            ("ocidir:///tmp/b", "write oci:/tmp/b", "write oci:/tmp/b"),
            (
                "oci://b.oci",
                "oci: has no slashes of its own: write oci:b.oci (or oci:/b.oci)",
                "oci: has no slashes of its own: write oci:b.oci (or oci:/b.oci)",
            ),
            ("file:///x/app.tar", "write /x/app.tar", "write /x/app.tar"),
        ] {
            for (side, advice) in [(Side::Source, source), (Side::Destination, destination)] {
                assert_eq!(refused(text, side).unwrap().to_string(), format!("{text}: {advice}"));
            }
        }
        for path in ["oci:b", "oci:///b", "app.tar", "docker://nginx", "./docker://x", "dir/x", "oci-archive:x.tar:1"] {
            assert!(refused(path, Side::Source).is_none(), "{path}");
        }
    }

    #[test]
    fn names_of_images_are_not_names_of_files() {
        for name in ["nginx", "nginx:latest", "ghcr.io/a/b@sha256:00", "registry:5000/app", "a/b:1.tar", "app.web"] {
            assert!(is_image_name(name), "{name}");
        }
        for name in ["app.tar", "./nginx", "/nginx", "Image", "src/nothing", "a b", "", "oci.tar.gz", "nginx:"] {
            assert!(!is_image_name(name), "{name}");
        }
    }

    #[test]
    fn a_path_with_a_tag_behind_it_is_recognized() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        assert_eq!(meant_by(&format!("{at}:1")).unwrap(), format!("{at} exists: did you mean oci:{at}:1?"));
        std::fs::write(folder.path().join("a.tar"), "").unwrap();
        let expected =
            format!("{at}/a.tar exists: did you mean oci-archive:{at}/a.tar:x:1 or docker-archive:{at}/a.tar:x:1?");
        assert_eq!(meant_by(&format!("{at}/a.tar:x:1")).unwrap(), expected);
        assert_eq!(meant_by(&format!("{at}/none.tar")), None);
    }
}
