//! A layout in a directory: its files, and whether all of them are the layout's own.
//!
//! A directory is replaced as a whole, so one that holds anything else must not be.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::blob::{Extent, open_beneath};
use crate::digest::Digest;
use crate::document::json::{Json, Kind};
use crate::error::{Error, Result, printable};
use crate::limits::Limits;
use crate::store::{BlobRef, BlobStore, Listing};

/// `blobs/<algorithm>/<hex>` is as deep as a layout goes (OCI image-spec, image-layout.md).
const DEPTH: u32 = 3;
/// At most this many offending names are listed.
const MAX_LISTED: usize = 3;

/// A directory that is open as a store.
#[derive(Debug)]
pub struct Directory {
    name: String,
    path: PathBuf,
}

impl Directory {
    /// The directory of that path, for messages called `name`.
    pub fn new(path: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), path: path.to_owned() }
    }
}

impl BlobStore for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    /// No link that leads out of the directory is followed.
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let bytes = match open_beneath(&self.path, name) {
            Ok((file, len)) => Extent::of_file(file, len).bytes(limit).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot open", error)),
        };
        bytes.map_err(|e| e.in_blob(printable(name.as_bytes())))
    }

    /// Paths come from documents of strangers, so none is opened.
    fn blob(&self, blob: BlobRef<'_>) -> Result<Option<Extent>> {
        match blob {
            BlobRef::Digest(digest) => Extent::of_path(&self.path.join(digest.path())),
            BlobRef::Path(_) => Ok(None),
        }
    }

    fn listing(&self) -> &dyn Listing {
        self
    }
}

impl Listing for Directory {
    fn files(&self) -> Result<Vec<String>> {
        files(&self.path)
    }
}

/// Names of all files in a directory, sorted. Deeper files are reported as their directory, with a slash at the end.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    list(folder, "", DEPTH, &mut |name, is_folder, depth| {
        if !is_folder {
            names.push(name);
        } else if depth == 1 {
            names.push(format!("{name}/"));
        }
    })?;
    names.sort();
    Ok(names)
}

/// An error unless a directory is an OCI image layout and nothing else: it can be replaced by another one then, and
/// nothing is lost that the image does not name. Messages call it `name`.
pub fn nothing_but_layout(folder: &Path, name: &str) -> Result<()> {
    let wrong = |text: String| Err(Error::refused(text).in_file(name));
    if !is_layout(folder)? {
        let text = "it holds other things than an OCI image layout, and only a layout may be replaced: write to \
                    another directory";
        return wrong(text.to_owned());
    }
    let (mut listed, mut count) = (Vec::new(), 0_usize);
    list(folder, "", DEPTH, &mut |name, is_folder, _| {
        if !is_own(&name, is_folder) {
            count += 1;
            // What is in a directory that is listed is listed by it.
            if listed.len() < MAX_LISTED && !listed.iter().any(|other| name.starts_with(&format!("{other}/"))) {
                listed.push(name);
            }
        }
    })?;
    if count == 0 {
        return Ok(());
    }
    let more = if count > listed.len() { format!(" and more, {count} in all") } else { String::new() };
    let listed: Vec<String> = listed.iter().map(|name| printable(name.as_bytes())).collect();
    wrong(format!(
        "only an OCI image layout may be replaced, but {}{more} is beside it: move that away, or write to another directory",
        listed.join(", ")
    ))
}

/// Does `index.json` list manifests, or else `oci-layout` name a version? A file of the first name alone says little:
/// many programs have one.
fn is_layout(folder: &Path) -> Result<bool> {
    let member = |name: &str, key: &str, kind: Kind| -> Result<bool> {
        // What can't be read as a document is none.
        let Ok((file, len)) = open_beneath(folder, name) else { return Ok(false) };
        let Ok(bytes) = Extent::of_file(file, len).bytes(Limits::DEFAULT.document_bytes) else { return Ok(false) };
        Ok(Json::parse(&bytes).is_ok_and(|json| json.root().get(key).is_some_and(|value| value.kind() == kind)))
    };
    Ok(member("index.json", "manifests", Kind::Array)? || member("oci-layout", "imageLayoutVersion", Kind::String)?)
}

/// Is this name one that a layout has? Those of blobs that nothing refers to are: a rewrite names them. So are directories
/// in `ingest`, in which containerd's content store keeps what has not arrived whole yet; as long as they are empty, as
/// buildctl leaves them, nothing is lost. A new layout has none.
fn is_own(name: &str, is_folder: bool) -> bool {
    if is_folder {
        let is_ingest = name.strip_prefix("ingest/").map_or(name == "ingest", |name| !name.contains('/'));
        return is_ingest || matches!(name, "blobs" | "blobs/sha256" | "blobs/sha512");
    }
    matches!(name, "oci-layout" | "index.json") || Digest::from_path(name).is_some_and(|digest| digest.path() == name)
}

/// Called with a name, whether it is a directory's, and how many levels below it are listed.
type Seen<'a> = dyn FnMut(String, bool, u32) + 'a;

fn list(folder: &Path, prefix: &str, depth: u32, seen: &mut Seen<'_>) -> Result<()> {
    let failed = |e| Error::io("cannot list", e).in_file(folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", String::from_utf8_lossy(entry.file_name().as_bytes()));
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        seen(name.clone(), is_folder, depth);
        if is_folder && depth > 1 {
            list(&entry.path(), &format!("{name}/"), depth - 1, seen)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deeper_than_a_layout_goes_is_listed_by_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b/c/d")).unwrap();
        fs::write(folder.path().join("a/b/c/d/e"), "").unwrap();
        fs::write(folder.path().join("a/b/f"), "").unwrap();
        assert_eq!(files(folder.path()).unwrap(), ["a/b/c/", "a/b/f"]);
    }

    #[test]
    fn only_a_layout_and_nothing_else_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let text = |path: &Path| nothing_but_layout(path, "d").unwrap_err().to_string();
        let save = |name: &str, bytes: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        save("index.json", "{}");
        assert!(text(folder.path()).starts_with("d: it holds other things"));
        save("index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
        save(&crate::Digest::sha256(b"").path(), "");
        nothing_but_layout(folder.path(), "d").unwrap();
        for name in ["precious", "manifest.json", "blobs/x", "blobs/sha256/x", "blobs/sha256/y/z", ".git/objects/a/b"] {
            save(name, "");
            let top = name.split('/').next().filter(|top| *top != "blobs").unwrap_or(name);
            assert!(text(folder.path()).contains(top.trim_end_matches("/z")), "{name}");
            let path = folder.path().join(name);
            fs::remove_file(&path).unwrap();
            for parent in path.ancestors().skip(1).take_while(|parent| *parent != folder.path()) {
                let _ = fs::remove_dir(parent);
            }
        }
        nothing_but_layout(folder.path(), "d").unwrap();
    }

    #[test]
    fn an_empty_ingest_of_a_content_store_is_in_no_ones_way() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        let refused = || nothing_but_layout(folder.path(), "d").map_err(|error| error.to_string());
        fs::create_dir_all(folder.path().join("ingest/0123")).unwrap();
        refused().unwrap();
        fs::write(folder.path().join("ingest/0123/data"), "").unwrap();
        assert_eq!(
            refused().unwrap_err(),
            "d: only an OCI image layout may be replaced, but ingest/0123/data is beside it: move that away, or write to \
             another directory"
        );
        fs::remove_file(folder.path().join("ingest/0123/data")).unwrap();
        fs::create_dir_all(folder.path().join("ingest/0123/deep/er")).unwrap();
        assert!(refused().unwrap_err().contains("but ingest/0123/deep is beside it"));
        fs::remove_dir_all(folder.path().join("ingest")).unwrap();
        fs::write(folder.path().join("ingest"), "").unwrap();
        assert!(refused().unwrap_err().contains("but ingest is beside it"));
    }
}
