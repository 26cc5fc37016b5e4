//! The library as a program uses it: the builders of the four verbs, and a context of one's own.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::diff::packed;
use crate::support::layer::Packing;
use crate::support::layout::{Files, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, hello, names, noise, scratch, write};
use restamp::ErrorKind;
use restamp::check::report::ArchiveTimes;
use restamp::diff::{FileSink, Verdict};
use restamp::{
    BlobRef, BlobStore, Carrier, Check, Clock, Compression, Created, Diff, DocumentTime, Epoch, EpochSource, Extent,
    Inspect, Limits, Listing, Location, Progress, Rewrite, Rule, RunContext, Source, Stamp, TimeKeys,
};

fn stamp() -> Stamp {
    Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule: Rule::Set }
}

fn archive(build: Build) -> Vec<u8> {
    Layout::of(&hello(&build, Packing::Gzip), &build).tar(&build)
}

#[test]
fn two_clocks_and_keys_of_ones_own() {
    let dir = scratch();
    let source = Location::path(write(dir.path(), "in.tar", &archive(Build::FIRST)));
    let out = Location::path(dir.path().join("out.tar"));
    let clock = Clock { epoch: EpochSource::Created, rule: Rule::Set };
    let keys = TimeKeys::new(["BUILD_DATE", "com.example.*"]).unwrap();
    let rewrite = Rewrite::new(clock.clone()).created(DocumentTime::Keep).time_keys(keys.clone());
    let report = rewrite.run(&source, &out).unwrap();
    let seconds = u64::try_from(Build::FIRST.seconds).unwrap() + 95;
    assert_eq!((report.epoch, report.created), (seconds, Created::Keep));
    let check = Check::new(clock).created(DocumentTime::Keep).time_keys(keys.clone()).run(&out).unwrap();
    assert!(check.is_clean() && check.epoch == seconds && check.created == Created::Keep);
    let own = DocumentTime::At(Epoch::from_seconds(5).unwrap());
    let report = Rewrite::new(stamp()).created(own).run(&source, &out).unwrap();
    assert_eq!((report.epoch, report.created), (1_700_000_000, Created::Seconds(5)));
    assert!(Check::new(stamp()).created(own).run(&out).unwrap().is_clean());
    assert!(!Check::new(stamp()).run(&out).unwrap().is_clean());
    assert_eq!(Diff::new().time_keys(keys).run(&out, &out).unwrap().verdict(), Verdict::Identical);
    let clock = Clock { epoch: EpochSource::Label("nope".to_owned()), rule: Rule::Clamp };
    let error = Rewrite::new(clock).run(&source, &out).unwrap_err().to_string();
    assert!(error.contains("no label \"nope\""), "{error}");
}

#[derive(Debug, Default)]
struct Total(AtomicU64);

impl Progress for Total {
    fn set_total(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

#[test]
fn two_builds_are_rewritten_checked_inspected_and_compared() {
    let dir = scratch();
    let [first, second] = [("a", Build::FIRST), ("b", Build::SECOND)].map(|(name, build)| {
        let source = Location::path(write(dir.path(), name, &archive(build)));
        let destination = Location::path(dir.path().join(format!("{name}.stamped")));
        let report = Rewrite::new(stamp()).compression(Compression::Zstd).jobs(2).run(&source, &destination).unwrap();
        assert_eq!(report.images.len(), 1);
        assert!(!Check::new(stamp()).run(&source).unwrap().is_clean());
        assert!(Check::new(stamp()).archive_times(ArchiveTimes::Findings).run(&destination).unwrap().is_clean());
        destination
    });
    assert_eq!(std::fs::read(first.as_path().unwrap()).unwrap(), std::fs::read(second.as_path().unwrap()).unwrap());
    let report = Inspect::new().skip_layers(true).run(&first).unwrap();
    assert_eq!(report.images[0].names, ["docker.io/library/hello:1", "1", "docker.io/library/hello:latest", "latest"]);
    assert_eq!(Diff::new().run(&first, &second).unwrap().verdict(), Verdict::Identical);
    let source = Location::path(dir.path().join("a"));
    assert_eq!(
        Diff::new().run(&source, &Location::path(dir.path().join("b"))).unwrap().verdict(),
        Verdict::SameAfterRestamping
    );
}

#[test]
fn a_context_is_shown_how_far_it_is_and_works_on_after_an_error() {
    let dir = scratch();
    let total = Arc::new(Total::default());
    let context = RunContext::new(2, dir.path()).unwrap().with_progress(Arc::clone(&total) as Arc<dyn Progress>);
    let mut damaged = Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST);
    let layer = hello(&Build::FIRST, Packing::Gzip).layers[1].digest();
    damaged.files.get_mut(&crate::support::layout::blob_path(&layer)).unwrap()[20] ^= 1;
    let bad = Location::path(write(dir.path(), "bad.tar", &damaged.tar(&Build::FIRST)));
    let good = Location::path(write(dir.path(), "good.tar", &archive(Build::FIRST)));
    let rewrite = Rewrite::new(stamp()).with_context(&context);
    let error = rewrite.run(&bad, &Location::path(dir.path().join("out.tar"))).unwrap_err();
    assert!(error.to_string().contains(&layer), "{error}");
    assert_eq!(names(dir.path()), ["bad.tar", "good.tar"], "left behind");
    rewrite.run(&good, &Location::path(dir.path().join("out.tar"))).unwrap();
    assert!(total.0.load(Ordering::Relaxed) > 0 && context.bytes_read() > 0);
    context.cancel();
    let error = Check::new(stamp()).with_context(&context).run(&good).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Interrupted), "{error}");
}

#[test]
fn what_is_prepared_is_written_only_when_it_is_asked_for() {
    let dir = scratch();
    let source = Location::path(write(dir.path(), "in.tar", &archive(Build::FIRST)));
    let out = Location::path(dir.path().join("out.tar"));
    let prepared = Rewrite::new(stamp()).prepare(&source, Some(&out)).unwrap();
    assert!(!prepared.is_empty() && prepared.report().layers.len() == 2);
    prepared.verify().unwrap();
    assert_eq!(names(dir.path()), ["in.tar"]);
    Rewrite::new(stamp()).prepare(&source, Some(&out)).unwrap().write().unwrap();
    assert_eq!(names(dir.path()), ["in.tar", "out.tar"]);
}

/// Changes the source on side B when the first of its files is read a second time.
struct Changing {
    path: PathBuf,
    at: u64,
}

impl FileSink for Changing {
    fn file(&self, _: u32, side: usize, _: &[u8]) -> restamp::Result<Box<dyn Write + Send>> {
        if side == 1 {
            let file = File::options().write(true).open(&self.path).unwrap();
            file.write_all_at(b"changed", self.at).unwrap();
        }
        Ok(Box::new(std::io::sink()))
    }
}

#[test]
fn a_layer_that_changes_between_two_readings_is_an_error() {
    let dir = scratch();
    let noise = noise(8 << 20, 3);
    let image = |content: &str| {
        let entries = [Entry::file("a", content, 0), Entry::file("z", noise.clone(), 0)];
        Layout::of(&packed(vec![tar(&entries)], Packing::Plain), &Build::FIRST).tar(&Build::FIRST)
    };
    let (a, b) = (image("1"), image("2"));
    let end = &noise[noise.len() - 64..];
    let at = b.windows(end.len()).rposition(|window| window == end).unwrap() as u64;
    let [a, b] = [("a.tar", a), ("b.tar", b)].map(|(name, bytes)| Location::path(write(dir.path(), name, &bytes)));
    let sink = Changing { path: b.as_path().unwrap().to_owned(), at };
    let error = Diff::new().file_sink(&sink).run(&a, &b).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Mismatch { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("b.tar") && text.contains("digest"), "{text}");
}

/// A store of one's own: files in memory.
#[derive(Debug)]
struct Memory(Files);

impl BlobStore for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn document(&self, name: &str, limit: u64) -> restamp::Result<Option<Vec<u8>>> {
        Ok(self.0.get(name).filter(|bytes| bytes.len() as u64 <= limit).cloned())
    }

    fn blob(&self, blob: BlobRef<'_>) -> restamp::Result<Option<Extent>> {
        let path = match blob {
            BlobRef::Digest(digest) => digest.path(),
            BlobRef::Path(_) => return Ok(None),
        };
        Ok(self.0.get(&path).cloned().map(Extent::of_bytes))
    }

    fn listing(&self) -> &dyn Listing {
        self
    }
}

impl Listing for Memory {
    fn files(&self) -> restamp::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

#[test]
fn a_store_of_ones_own_is_read_like_any_other() {
    let dir = scratch();
    let open = |build: Build| {
        let files = crate::support::layout::read_tar(&archive(build));
        Source::of(Box::new(Memory(files)), Limits::default()).unwrap()
    };
    let (first, second) = (open(Build::FIRST), open(Build::SECOND));
    assert_eq!(Inspect::new().run_on(&first, None).unwrap().images.len(), 1);
    assert!(!Check::new(stamp()).run_on(&first, Some("hello:1")).unwrap().is_clean());
    let verdict = Diff::new().run_on([&first, &second], [None, None]).unwrap().verdict();
    assert_eq!(verdict, Verdict::SameAfterRestamping);
    let error = Inspect::new().run_on(&first, Some("nosuch")).unwrap_err().to_string();
    assert!(error.starts_with("memory: no image is called \"nosuch\""), "{error}");
    // What comes out is what comes out of the same image in a file.
    let outputs = ["memory.tar", "file.tar"].map(|name| Location::path(dir.path().join(name)));
    Rewrite::new(stamp()).prepare_from(first, None, Some(&outputs[0])).unwrap().write().unwrap();
    let file = Location::path(write(dir.path(), "in.tar", &archive(Build::FIRST)));
    Rewrite::new(stamp()).run(&file, &Location { kind: Some(Carrier::Oci), ..outputs[1].clone() }).unwrap();
    let files = outputs.map(|output| crate::support::layout::read(output.as_path().unwrap()));
    assert!(files[0] == files[1]);
}
