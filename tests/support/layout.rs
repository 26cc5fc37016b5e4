//! OCI image layouts in memory: made, written as a directory or a tar, and read back.

use super::layer::{Family, Layer};
use super::tarball::{Entry, tar};
use super::{Build, sha256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// One platform's image: its layers and the text of its config.
#[derive(Debug, Clone)]
pub struct Image {
    pub family: Family,
    pub layers: Vec<Layer>,
    pub config: Vec<u8>,
    pub tags: Vec<String>,
}

impl Image {
    pub fn new(layers: Vec<Layer>, family: Family, build: &Build, tags: &[&str]) -> Self {
        let config = config(&layers, build, "amd64").into_bytes();
        Self { family, layers, config, tags: tags.iter().map(|&tag| tag.to_owned()).collect() }
    }

    pub fn id(&self) -> String {
        sha256(&self.config)
    }

    /// The manifest, spaced as BuildKit spaces it, with the one annotation that carries a time.
    pub fn manifest(&self, build: &Build) -> Vec<u8> {
        let (manifest, config) = match self.family {
            Family::Oci => (OCI_MANIFEST, OCI_CONFIG),
            Family::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG),
        };
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": manifest,
            "config": descriptor(config, &self.config),
            "layers": self.layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        });
        if self.family == Family::Oci {
            document["annotations"] = json!({
                "org.opencontainers.image.created": build.date(90),
                "org.opencontainers.image.base.digest": sha256(b"base"),
            });
        }
        serde_json::to_vec_pretty(&document).unwrap()
    }
}

/// A config with what the specification does not know, odd spacing and needless escapes among it.
const CONFIG: &str = concat!(
    r#"{"architecture":"<architecture>","author":"J\u00f6rg","config":{"Hostname":"","Env":null,"Cmd":["/bin/hello"],"#,
    r#""Healthcheck":{"Test":["CMD","true"],"Interval":30000000000},"OnBuild":["RUN true"],"Shell":["/bin/sh","-ec"],"#,
    r#""Labels":{"org.opencontainers.image.created":"<label>","build-date" : "<label>","maintainer":"x"},"StopTimeout":7},"#,
    r#" "created" : "<created>","docker_version":"27.0\/x","history":[<history>,"#,
    r#"{"created":"<created>","created_by":"CMD [\"/bin/hello\"]","empty_layer":true}],"moby.buildkit.cache.v0":"e30=","#,
    r#""os":"linux","os.features":["a"],"rootfs":{"type":"layers","diff_ids":[<diff_ids>]},"variant":"v1"}"#,
);

/// Fills in [`CONFIG`] for these layers.
pub fn config(layers: &[Layer], build: &Build, architecture: &str) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", layer.diff_id())).collect();
    let history: Vec<String> = (0..layers.len())
        .map(|number| {
            let step = format!(r"COPY {number} / \u0026\u0026 true # buildkit");
            let created = build.date(number as i64);
            format!(r#"{{"created":"{created}","created_by":"{step}","x-unknown":[1, 2.50]}}"#)
        })
        .collect();
    CONFIG
        .replace("<architecture>", architecture)
        .replace("<label>", &build.date(30))
        .replace("<created>", &build.date(95))
        .replace("<history>", &history.join(","))
        .replace("<diff_ids>", &diff_ids.join(", "))
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()})
}

/// Files by their path: a layout, or any archive's content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// An OCI image layout in the making.
#[derive(Debug, Clone)]
pub struct Layout {
    pub files: Files,
    pub manifests: Vec<Value>,
    pub annotations: Option<Value>,
}

impl Default for Layout {
    fn default() -> Self {
        let files = Files::from([("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())]);
        Self { files, manifests: Vec::new(), annotations: None }
    }
}

impl Layout {
    /// Stores a blob and returns its descriptor.
    pub fn put(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        self.files.insert(blob_path(&sha256(bytes)), bytes.to_vec());
        descriptor(media_type, bytes)
    }

    /// Stores an image's blobs and returns its manifest's descriptor.
    pub fn put_image(&mut self, image: &Image, build: &Build) -> Value {
        for layer in &image.layers {
            self.put(&layer.media_type, &layer.blob);
        }
        self.put(OCI_CONFIG, &image.config);
        let media_type = if image.family == Family::Oci { OCI_MANIFEST } else { DOCKER_MANIFEST };
        self.put(media_type, &image.manifest(build))
    }

    /// Names a descriptor in `index.json`, as BuildKit's exporter does.
    pub fn name(&mut self, mut descriptor: Value, name: &str, build: &Build) {
        descriptor["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{name}"),
            "org.opencontainers.image.created": build.date(99),
            "org.opencontainers.image.ref.name": name.rsplit(':').next().unwrap(),
        });
        self.manifests.push(descriptor);
    }

    /// A layout of one image under its tags.
    pub fn of(image: &Image, build: &Build) -> Self {
        let mut layout = Self::default();
        let descriptor = layout.put_image(image, build);
        for tag in &image.tags {
            layout.name(descriptor.clone(), tag, build);
        }
        if image.tags.is_empty() {
            layout.manifests.push(descriptor);
        }
        layout
    }

    pub fn index(&self) -> Vec<u8> {
        let mut index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.manifests});
        if let Some(annotations) = &self.annotations {
            index["annotations"] = annotations.clone();
        }
        serde_json::to_vec(&index).unwrap()
    }

    /// All files, `index.json` too.
    pub fn all(&self) -> Files {
        let mut files = self.files.clone();
        files.insert("index.json".to_owned(), self.index());
        files
    }

    pub fn write(&self, dir: &Path) {
        write_files(&self.all(), dir);
    }

    pub fn tar(&self, build: &Build) -> Vec<u8> {
        tar_files(&self.all(), build)
    }
}

pub fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// Writes files below a folder.
pub fn write_files(files: &Files, dir: &Path) {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// An archive of files, with entries for their directories, all of the build's time.
pub fn tar_files(files: &Files, build: &Build) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut seen = Vec::new();
    for (name, bytes) in files {
        for (at, _) in name.match_indices('/') {
            let dir = &name[..=at];
            if !seen.contains(&dir) {
                seen.push(dir);
                entries.push(Entry::dir(dir, build.seconds));
            }
        }
        entries.push(Entry::file(name, bytes, build.seconds));
    }
    tar(&entries)
}

/// Reads a layout directory, or an archive with or without compression: regular files by path.
pub fn read(path: &Path) -> Files {
    if path.is_dir() {
        let mut files = Files::new();
        read_dir(path, "", &mut files);
        return files;
    }
    read_tar(&std::fs::read(path).unwrap())
}

/// Reads an archive's regular files; a name that occurs twice is an error.
pub fn read_tar(bytes: &[u8]) -> Files {
    use std::io::Read;
    let bytes = super::layer::unpack(bytes);
    let mut files = Files::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_str().unwrap().trim_start_matches("./").to_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert!(files.insert(name.clone(), content).is_none(), "{name} occurs twice");
        }
    }
    files
}

fn read_dir(path: &Path, prefix: &str, files: &mut Files) {
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_dir(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}
