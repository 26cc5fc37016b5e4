//! What a file or directory that is not an image is, by its first bytes or by the names in it. Each error says what to
//! do.
//!
//! An archive is walked to its end before anything is said of the entries in it: what is wrong with one matters only where
//! there is an image.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, printable, shell_word};
use crate::media_type::sniff_unread;

/// How many of the first bytes say what it is. The magic of an lzma file is all in front, that of a SIF is after its
/// command line.
pub(super) const HEAD: usize = 64;

/// Directories at the top of a root filesystem (Filesystem Hierarchy Standard 3.0, and those of the kernel).
const ROOT: [&str; 20] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv",
    "sys", "tmp", "usr", "var", "libx32",
];
/// So many of them make it one.
const ROOT_COUNT: u32 = 3;

/// Documents by which an image is known, at the top of what it is in.
const DOCUMENTS: [&str; 4] = ["index.json", "manifest.json", "repositories", "oci-layout"];

/// What `version` holds in a directory of skopeo's `dir:` (containers/image, directory/directory_dest.go).
const DIR_VERSION: &[u8] = b"Directory Transport Version";

/// What is at the top of a root filesystem that a container had: Docker, podman.
const OF_CONTAINER: [&str; 2] = [".dockerenv", "run/.containerenv"];

/// What the names in an archive or a directory say of it. Each takes no memory, but for the name of one directory and of
/// one file.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// A bit for each of [`ROOT`] that is there.
    root: u32,
    is_of_container: bool,
    has_whiteout: bool,
    has_document: bool,
    /// Blobs of a layout, or layers as `docker save` names them.
    has_blobs: bool,
    /// The first directory that has a document of an image, or an `oci-layout`.
    deeper: Option<String>,
    files: u64,
    /// The first file.
    file: String,
}

impl Names {
    /// One more name, without a slash at either end.
    pub(super) fn add(&mut self, name: &str, is_file: bool) {
        let (top, rest) = name.split_once('/').map_or((name, None), |(top, rest)| (top, Some(rest)));
        if let Some(bit) = ROOT.iter().position(|known| *known == top) {
            self.root |= 1 << bit;
        }
        self.is_of_container |= OF_CONTAINER.contains(&name);
        let (folder, last) = name.rsplit_once('/').unwrap_or(("", name));
        self.has_whiteout |= last.starts_with(".wh.");
        self.has_blobs |= top == "blobs" && rest.is_some() || last == "layer.tar" && !folder.is_empty();
        if !is_file {
            return;
        }
        self.has_document |= rest.is_none() && DOCUMENTS.contains(&last);
        let is_deeper = last == "oci-layout" || !folder.contains('/') && DOCUMENTS.contains(&last);
        if !folder.is_empty() && is_deeper && self.deeper.is_none() {
            self.deeper = Some(folder.to_owned());
        }
        if self.files == 0 {
            name.clone_into(&mut self.file);
        }
        self.files += 1;
    }

    /// Is there a document of an image at the top?
    pub(super) fn has_document(&self) -> bool {
        self.has_document
    }

    /// Is it a root filesystem, without any doubt?
    pub(super) fn is_root(&self) -> bool {
        !self.has_document && (self.is_of_container || self.root.count_ones() >= ROOT_COUNT)
    }

    /// What an archive is that has no document of an image.
    pub(super) fn no_image(&self) -> Error {
        let text = if self.is_root() {
            "this looks like a root filesystem (docker export?), not an image: use docker save NAME, or docker import it \
             first; restamp tar stamps it as it is"
                .to_owned()
        } else if let Some(folder) = &self.deeper {
            let folder = printable(folder.as_bytes());
            format!("the image is in {folder}/, not at the top: tar it with tar -C {} -cf … .", shell_word(&folder))
        } else if self.root > 0 || self.has_whiteout {
            "this looks like one layer of an image or a part of a root filesystem, not an image: use docker save NAME; \
             restamp tar stamps it as it is"
                .to_owned()
        } else if self.has_blobs {
            "it has layers or blobs of an image, but neither index.json nor manifest.json: it was not saved whole"
                .to_owned()
        } else if self.files == 1 && is_archive(&self.file) {
            let file = printable(self.file.as_bytes());
            let word = shell_word(&file);
            format!("not a container image, but an archive with {file} in it: tar -xOf … {word} | restamp …")
        } else {
            NO_DOCUMENTS.to_owned()
        };
        Error::no_image(text)
    }
}

/// What has neither `index.json` nor, as an archive, what `docker save` writes.
pub(super) fn no_documents(is_archive: bool) -> Error {
    Error::no_image(if is_archive { NO_DOCUMENTS } else { "not a container image: no index.json in it" })
}

const NO_DOCUMENTS: &str = "not a container image: neither index.json nor manifest.json in it";

/// A tar of what skopeo's `dir:` has written.
pub(super) fn dir_archive() -> Error {
    Error::no_image(
        "this is a tar of what skopeo's dir: transport writes: unpack it, then skopeo copy dir:FOLDER oci:FOLDER.oci",
    )
}

/// gzip in gzip, and the like.
pub(super) fn twice_compressed() -> Error {
    Error::no_image("compressed twice: decompress it once first, gzip -dc or zstd -dc FILE | restamp …")
}

fn is_archive(name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| name.ends_with(end))
}

/// What a directory is that has no `index.json`; `name` is how it was given.
pub(super) fn directory(folder: &Path, name: &str) -> Error {
    let mut names = Names::default();
    let mut deeper = None;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let is_folder = entry.path().is_dir();
        names.add(&String::from_utf8_lossy(file_name.as_bytes()), !is_folder);
        let has = |file: &str| entry.path().join(file).is_file();
        if is_folder && (has("index.json") || has("oci-layout")) {
            // The first by name, whatever the order of the directory is.
            let found = String::from_utf8_lossy(file_name.as_bytes()).into_owned();
            deeper = Some(deeper.map_or(found.clone(), |deeper: String| deeper.min(found)));
        }
    }
    let has = |file: &str| folder.join(file).exists();
    // The root directory is nothing but its slash.
    let shown = Some(name.trim_end_matches('/')).filter(|shown| !shown.is_empty()).unwrap_or(name);
    let word = shell_word(shown);
    let text = if is_dir_transport(folder) {
        let [dir, layout] =
            [format!("dir:{shown}"), format!("oci:{}.oci", shown.trim_end_matches(".dir"))].map(shell_word);
        format!("this is what skopeo's dir: transport writes: skopeo copy {dir} {layout}")
    } else if has("manifest.json") || has("repositories") {
        format!("this is an unpacked archive of docker save: tar -C {word} -cf - . | restamp …")
    } else if names.is_root() {
        format!(
            "this looks like a root filesystem, not an image: tar -C {word} -cf - . | docker import - NAME makes one of \
             it; tar -C {word} -cf - . | restamp tar stamps it as it is"
        )
    } else if let Some(deeper) = deeper {
        format!("not a container image, but one is in it: oci:{shown}/{}", printable(deeper.as_bytes()))
    } else if has("image/overlay2") || has("overlay-images") || has("io.containerd.content.v1.content") {
        "this is the storage of a container engine: use docker save NAME, podman save NAME or ctr images export - NAME"
            .to_owned()
    } else {
        return no_documents(false);
    };
    Error::no_image(text)
}

fn is_dir_transport(folder: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(folder.join("version"))
        .and_then(|file| file.take(DIR_VERSION.len() as u64).read_to_end(&mut head));
    read.is_ok() && is_dir_version(&head) && folder.join("manifest.json").is_file()
}

/// Is this the `version` of what skopeo's `dir:` has written?
pub(super) fn is_dir_version(version: &[u8]) -> bool {
    version.starts_with(DIR_VERSION)
}

/// The layout that a file is a part of, as its `index.json` or a blob is.
pub(super) fn layout_around(file: &Path) -> Option<Error> {
    let name = file.file_name()?.to_str()?;
    let folder = file.parent()?;
    let layout = if matches!(name, "index.json" | "oci-layout") {
        folder
    } else {
        let blobs = folder.parent()?;
        (blobs.file_name()?.to_str()? == "blobs").then_some(blobs)?.parent()?
    };
    let layout = if layout.as_os_str().is_empty() { Path::new(".") } else { layout };
    let is_layout = layout.join("oci-layout").is_file() || layout.join("index.json").is_file();
    is_layout.then(|| {
        let text = format!("this is one file of an OCI image layout: write oci:{}", layout.display());
        Error::no_image(text)
    })
}

const EMPTY: &str = "it is empty, so there is no image in it: did the command that writes it fail?";

/// A tar with nothing but its end.
pub(super) fn empty() -> Error {
    Error::no_image(
        "this is an archive without a single entry, so there is no image in it: did the command that writes it fail?",
    )
}

/// What a file or stream is whose first bytes are not those of an archive that is read here.
pub(super) fn by_head(head: &[u8]) -> Option<Error> {
    let compressed = |by: &str, command: &str| {
        format!(
            "compressed with {by}, which is not read (gzip and zstd are): decompress it first, {command} FILE | restamp …"
        )
    };
    let no_image = |what: &str| format!("this is {what}, not a container image");
    if let Some(by) = sniff_unread(head) {
        return Some(Error::no_image(compressed(by, &format!("{by} -dc"))));
    }
    let text = match head {
        [] => EMPTY.to_owned(),
        [0x5d, 0, 0, _, _, 0xff, 0xff, 0xff, 0xff, ..] => compressed("lzma", "xz -dc"),
        [0x04, 0x22, 0x4d, 0x18, ..] => compressed("lz4", "lz4 -dc"),
        [b'L', b'Z', b'I', b'P', 1, ..] => compressed("lzip", "lzip -dc"),
        [0x1f, 0x9d, ..] => compressed("compress", "gzip -dc"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => utf16(),
        head if is_utf16(head) => utf16(),
        [0xef, 0xbb, 0xbf, rest @ ..] if !is_json(rest) => {
            "this begins with a byte order mark: a shell has written it as text; use docker save -o FILE NAME"
                .to_owned()
        }
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
            "this is a zip archive, not a container image: unpack it and name what is in it (unzip -p FILE | restamp …)"
                .to_owned()
        }
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => {
            "this is a 7z archive, not a container image: unpack it and name what is in it (7z x -so FILE | restamp …)"
                .to_owned()
        }
        [b'h', b's', b'q', b's', ..] => no_image("a squashfs filesystem"),
        [0x7f, b'E', b'L', b'F', ..] => no_image("a program (ELF)"),
        [b'Q', b'F', b'I', 0xfb, ..] => no_image("the image of a virtual disk (qcow2)"),
        [0xed, 0xab, 0xee, 0xdb, ..] => no_image("an RPM package"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', ..] => no_image("an ar archive (a .deb package?)"),
        [b'0', b'7', b'0', b'7', b'0', rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit) => {
            no_image("a cpio archive")
        }
        head if head.windows(9).any(|window| window == b"SIF_MAGIC") => no_image("a SIF of Apptainer"),
        head if head.starts_with(b"version https://git-lfs") => {
            "this is a pointer of Git LFS, not the file itself: git lfs pull".to_owned()
        }
        head if is_html(head) => "this is a page of HTML, not a container image: did the download fail?".to_owned(),
        head if is_json(head) => {
            "this is a JSON document, not a container image: name the archive or the directory that it describes"
                .to_owned()
        }
        _ => return None,
    };
    Some(Error::no_image(text))
}

fn utf16() -> String {
    "this is text in UTF-16, which PowerShell makes of what > writes: use docker save -o FILE NAME, or \
     cmd /c \"docker save NAME > FILE\""
        .to_owned()
}

/// Is every second byte 0, and are the others letters? No name of a tar entry is like that.
fn is_utf16(head: &[u8]) -> bool {
    const PAIRS: usize = 4;
    let pairs = head.get(..2 * PAIRS).unwrap_or_default();
    let of = |text: usize| {
        !pairs.is_empty()
            && pairs
                .chunks(2)
                .all(|pair| pair.get(text).is_some_and(u8::is_ascii_graphic) && pair.get(1 - text) == Some(&0))
    };
    of(0) || of(1)
}

fn is_html(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let begins = |text: &[u8]| head.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
    begins(b"<!doctype") || begins(b"<html")
}

/// Does it begin as an object or an array of JSON does? The name of a tar entry may, but then a NUL follows.
fn is_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    matches!(
        text,
        [b'{', b'"' | b'}' | b'\n' | b'\r' | b' ' | b'\t', ..] | [b'[', b'{' | b'"' | b']' | b'\n' | b'\r' | b' ', ..]
    ) && !head.contains(&0)
}

/// A disk image of CD-ROMs says so far behind its start (ECMA-119, 7.1.1).
pub(super) const ISO_AT: u64 = 0x8001;
/// What is there.
pub(super) const ISO: &[u8; 5] = b"CD001";

/// The error for one.
pub(super) fn iso() -> Error {
    Error::no_image("this is an ISO image of a disk, not a container image")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> String {
        let mut all = Names::default();
        names.iter().for_each(|name| all.add(name.trim_end_matches('/'), !name.ends_with('/')));
        all.no_image().to_string()
    }

    #[test]
    fn archives_are_named_by_what_is_in_them() {
        let export = "this looks like a root filesystem (docker export?), not an image: use docker save NAME, or docker \
                      import it first; restamp tar stamps it as it is";
        assert_eq!(said(&["bin/", ".dockerenv", "bin/sh"]), export);
        assert_eq!(said(&["bin", "etc/", "usr/bin/env", "var/lib/app/manifest.json"]), export);
        let layer = "this looks like one layer of an image or a part of a root filesystem, not an image: use docker save \
                     NAME; restamp tar stamps it as it is";
        assert_eq!(said(&["etc/", "etc/a"]), layer);
        assert_eq!(said(&["app/.wh.old"]), layer);
        let deeper = "the image is in src.oci/, not at the top: tar it with tar -C src.oci -cf … .";
        assert_eq!(said(&["src.oci/", "src.oci/blobs/", "src.oci/index.json", "src.oci/oci-layout"]), deeper);
        assert!(said(&["home/me/b.oci/oci-layout"]).starts_with("the image is in home/me/b.oci/, not at the top"));
        assert!(said(&["blobs/sha256/00"]).contains("neither index.json nor manifest.json: it was not saved whole"));
        assert_eq!(
            said(&["out/", "out/image.tar"]),
            "not a container image, but an archive with out/image.tar in it: tar -xOf … out/image.tar | restamp …"
        );
        assert_eq!(said(&["a", "b"]), "not a container image: neither index.json nor manifest.json in it");
    }

    #[test]
    fn files_are_named_by_their_first_bytes() {
        for (head, expected) in [
            (
                &b"\xfd7zXZ\0"[..],
                "compressed with xz, which is not read (gzip and zstd are): decompress it first, xz -dc FILE | restamp …",
            ),
            (
                b"PK\x03\x04\0\0",
                "this is a zip archive, not a container image: unpack it and name what is in it (unzip -p FILE | restamp …)",
            ),
            (b"hsqs\0", "this is a squashfs filesystem, not a container image"),
            (b"\x7fELF\x02", "this is a program (ELF), not a container image"),
            (
                b"[{\"Id\":\"sha256:",
                "this is a JSON document, not a container image: name the archive or the directory that it describes",
            ),
            (b"\n<!DOCTYPE html>", "this is a page of HTML, not a container image: did the download fail?"),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "this is a pointer of Git LFS, not the file itself: git lfs pull",
            ),
        ] {
            assert_eq!(by_head(head).unwrap().to_string(), expected);
        }
        for head in [&b"\xff\xfem\0a\0"[..], b"m\0a\0n\0i\0f\0", b"\0m\0a\0n\0i\0f"] {
            assert!(by_head(head).unwrap().to_string().contains("cmd /c \"docker save NAME > FILE\""), "{head:?}");
        }
        for head in [&b"manifest.json\0\0\0"[..], b"{\0\0\0", b"{x}\0\0", &[0; 64], b"\x1f\x8b\x08"] {
            assert!(by_head(head).is_none(), "{head:?}");
        }
    }
}
