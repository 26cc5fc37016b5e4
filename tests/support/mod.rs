//! What the integration tests share: builders of small images and the program under test.
//!
//! The builders write every byte themselves and use nothing of restamp's own code: a mistake made there
//! can't hide itself by being made here as well.

// Each test program uses a part of this.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod docker;
pub mod graph;
pub mod judge;
pub mod layer;
pub mod layout;
pub mod oracle;
pub mod registry;
pub mod tarball;
pub mod usage;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// 2023-11-14T22:13:20Z, the epoch that the tests stamp with.
pub const EPOCH: i64 = 1_700_000_000;
/// [`EPOCH`], as restamp writes a date.
pub const EPOCH_DATE: &str = "2023-11-14T22:13:20Z";

/// When, and by which habits, an image was built: two images of different builds differ in nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub seconds: i64,
    pub nanos: u32,
    /// GNU tar writes its process id into the names of PAX headers.
    pub pid: u32,
    /// libdeflate level of gzip blobs, and zstd level.
    pub level: i32,
    /// Into how many gzip members or zstd frames a blob is cut.
    pub members: usize,
}

impl Build {
    pub const FIRST: Self = Self { seconds: 1_760_000_000, nanos: 123_456_789, pid: 4711, level: 6, members: 1 };
    /// Without fractions of a second, so that PAX headers that held nothing else are not there at all.
    pub const SECOND: Self = Self { seconds: 1_766_554_433, nanos: 0, pid: 31, level: 1, members: 3 };

    /// An RFC 3339 date some seconds after the build began.
    pub fn date(&self, after: i64) -> String {
        date(self.seconds + after, self.nanos)
    }

    /// Seconds and fraction as a PAX record has them; `None` where there is no fraction to write down.
    pub fn pax(&self, after: i64) -> Option<String> {
        (self.nanos != 0).then(|| format!("{}.{:09}", self.seconds + after, self.nanos))
    }
}

/// An RFC 3339 date in UTC; the civil calendar by Howard Hinnant's `civil_from_days`.
pub fn date(seconds: i64, nanos: u32) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Bytes that no compressor makes much of, the same on every run.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `sha256:…` of some bytes.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

/// The SHA-256 of some bytes in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}", self.stderr);
        self
    }

    /// An error: exit status 2 and a message that names all of these.
    #[track_caller]
    pub fn expect_error(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(2), "stderr: {}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}

/// The program, without anything of the caller's environment that could sway it.
pub fn restamp() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restamp"));
    command.env_remove("SOURCE_DATE_EPOCH").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// Runs the program with some arguments and nothing on stdin.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    finish(restamp().args(arguments), None)
}

/// Runs the program with some arguments and these bytes on stdin.
pub fn pipe<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Outcome {
    finish(restamp().args(arguments), Some(input))
}

/// Runs a command to its end; one that takes longer than a minute is ended and fails the test.
pub fn finish(command: &mut Command, input: Option<&[u8]>) -> Outcome {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    std::thread::scope(|scope| {
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // It may close the pipe before it has read all.
            scope.spawn(move || drop(stdin.write_all(input)));
        }
        let mut out = child.stdout.take().unwrap();
        let mut err = child.stderr.take().unwrap();
        let stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let stderr = scope.spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let status = status.unwrap_or_else(|| panic!("still running after a minute: {stderr}"));
        Outcome { code: status.code(), stdout, stderr }
    })
}

/// A folder of a test's own, gone when the test has ended.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("restamp-test.").tempdir().unwrap()
}

/// Writes a file into a folder and returns its path.
pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The names in a folder, hidden ones too, sorted: whatever a run left behind is among them.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The folder of materials that may lie beside the repository. In CI it has to be there if `RESTAMP_REQUIRE_SHARED` says so;
/// a test that goes on without it says so.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("RESTAMP_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let found = path.join("tools/oracle.py").is_file();
    let required = std::env::var_os("RESTAMP_REQUIRE_SHARED").is_some_and(|value| !value.is_empty());
    assert!(found || !required, "RESTAMP_REQUIRE_SHARED is set, but {} holds no materials", path.display());
    if !found {
        say_skipped("there are no shared materials");
    }
    found.then_some(path)
}

/// Says, past the test harness, which shows nothing of a test that passes, that a part of a test was not run.
fn say_skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::stderr().write_all(format!("{test}: not run in part, {why}\n").as_bytes());
}

/// The small image of two layers that most tests use.
pub fn hello(build: &Build, packing: layer::Packing) -> layout::Image {
    use layer::{Family, Layer, app, base};
    let layers =
        vec![Layer::new(base(build), packing, Family::Oci, build), Layer::new(app(build), packing, Family::Oci, build)];
    layout::Image::new(layers, Family::Oci, build, &["hello:1", "hello:latest"])
}

/// An image that has everything that can be in a layer.
pub fn zoo(build: &Build, packing: layer::Packing, family: layer::Family) -> layout::Image {
    use layer::{Layer, base};
    let layers = vec![
        Layer::new(base(build), packing, family, build),
        Layer::new(layer::zoo(build), packing, family, build),
        Layer::new(Vec::new(), layer::Packing::Plain, family, build),
    ];
    layout::Image::new(layers, family, build, &["zoo:1"])
}

/// An archive and the images in it.
pub struct Archive {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub images: Vec<layout::Image>,
}

impl Archive {
    /// What is in it, as the judge sees it.
    pub fn seen(&self, build: &Build) -> judge::Seen {
        let mut layout = layout::Layout::default();
        for image in &self.images {
            let descriptor = layout.put_image(image, build);
            layout.manifests.push(descriptor);
        }
        judge::walk(&layout.all())
    }
}

/// An archive of each kind.
pub fn archives(build: &Build) -> Vec<Archive> {
    use docker::Manifests::{Listed, Null};
    use layer::{Family, Packing};
    let image = hello(build, Packing::Gzip);
    let plain = docker::plain(image.clone());
    let mut second = docker::plain(zoo(build, Packing::Plain, Family::Oci));
    second.tags = vec!["registry.example:5000/zoo:2".to_owned()];
    let untagged = vec![layout::Image { tags: Vec::new(), ..plain.clone() }];
    let two = vec![plain, second];
    let buildx = vec![layout::Image { tags: vec!["hello:1".to_owned()], ..image.clone() }];
    let ctr = zoo(build, Packing::Gzip, Family::Docker);
    let make = |name, bytes, images| Archive { name, bytes, images };
    vec![
        make("oci.tar", layout::Layout::of(&image, build).tar(build), vec![image.clone()]),
        make("legacy.tar", docker::legacy(&two, build), two.clone()),
        make("podman.tar", docker::podman(&two), two.clone()),
        make("hybrid.tar", docker::hybrid(&two, Listed, build), two),
        make("untagged.tar", docker::hybrid(&untagged, Listed, build), untagged.clone()),
        make("null.tar", docker::hybrid(&untagged, Null, build), untagged),
        make("ctr.tar", docker::ctr_export(&ctr, build), vec![ctr]),
        make("buildx.tar", docker::hybrid(&buildx, Listed, build), buildx),
        make("kaniko.tar", docker::kaniko(&image, build), vec![image]),
    ]
}

/// A filesystem of its own at a folder that is made for it; `None` where the tests may not mount one, which is an error in CI.
pub struct Mount(pub PathBuf);

impl Mount {
    pub fn new(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).stderr(Stdio::null());
        let is_mounted = command.status().is_ok_and(|status| status.success());
        if !is_mounted {
            assert!(std::env::var_os("CI").is_none(), "no filesystem can be mounted at {}", at.display());
            say_skipped("no filesystem can be mounted");
        }
        is_mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}
