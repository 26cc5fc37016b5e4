//! Every stage of a layer's way by itself, all of them together, and whole images: `cargo bench --bench stages`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::hint::black_box;
use std::io::{Cursor, Read};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restamp::internals::{
    Algorithm, BlobSource as Source, ChunkRule, Decoder, EncodeOptions, Encoder, LayerExpected, LayerPlanner,
    NewHeaders, Output, Part, Patcher, Segment, Sink, Step, Visitor, Walker, Window, rewrite,
};
use restamp::{Digest, Entry, Epoch, Error, Location, Pool, Result, Rewrite, Rule, RunContext, Stamp};

const SIZE: u64 = 16 << 20;
const OUTPUTS: [Output; 3] = [Output::NONE, Output::GZIP, Output::ZSTD];

struct Blob(Vec<u8>);

/// Patches, and gives nothing out.
struct Patching {
    patcher: Patcher,
}

struct Nowhere;

impl Sink for Nowhere {
    fn headers(&mut self, headers: NewHeaders<'_>) -> Result<()> {
        black_box(headers.bytes);
        Ok(())
    }

    fn bytes(&mut self, _: Part, bytes: &[u8]) -> Result<()> {
        black_box(bytes);
        Ok(())
    }
}

impl Visitor for Patching {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> restamp::Result<()> {
        self.patcher.headers(step, entry, block, &mut Nowhere)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> restamp::Result<()> {
        self.patcher.bytes(part, bytes, &mut Nowhere)
    }
}

impl Source for Blob {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

fn stamp() -> Stamp {
    Stamp { epoch: Epoch::from_seconds(1_500_000_000).unwrap(), rule: Rule::Set }
}

fn encoded(output: Output, tar: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(output).unwrap();
    let mut blob = vec![];
    for chunk in tar.chunks(4 << 20) {
        blob.extend_from_slice(encoder.encode(chunk).unwrap());
    }
    blob
}

fn stages(c: &mut Criterion) {
    let mut tar = vec![];
    common::Layer::new(SIZE).read_to_end(&mut tar).unwrap();
    let mut group = c.benchmark_group("stage");
    group.sample_size(10).measurement_time(Duration::from_secs(3)).throughput(Throughput::Bytes(tar.len() as u64));

    for output in OUTPUTS {
        let blob = encoded(output, &tar);
        group.bench_function(BenchmarkId::new("read", output), |b| {
            let mut block = vec![0; 256 << 10];
            b.iter(|| {
                let mut decoder =
                    Decoder::new(Box::new(Cursor::new(blob.clone())), &LayerExpected::default(), Window::any())
                        .unwrap();
                while decoder.fill(&mut block).unwrap() > 0 {}
                black_box(decoder.digest())
            });
        });
    }
    group.bench_function("hash/sha256", |b| b.iter(|| Digest::sha256(&tar)));
    group.bench_function("hash/sha512", |b| b.iter(|| Digest::of(Algorithm::Sha512, &tar)));
    group.bench_function("patch", |b| {
        let mut patching = Patching { patcher: Patcher::new(stamp(), Box::new(LayerPlanner::default())) };
        b.iter(|| {
            patching.patcher = Patcher::new(stamp(), Box::new(LayerPlanner::default()));
            let mut walker = Walker::new();
            walker.push(&tar, &mut patching).unwrap();
            walker.end(&mut patching).unwrap();
            black_box(patching.patcher.stats())
        });
    });
    group.bench_function("cut", |b| {
        b.iter(|| {
            let (mut cutter, mut chunks, mut random) = (ChunkRule::new(Output::GZIP), 0_u64, common::Random(1));
            for _ in 0..SIZE / 8192 {
                let size = random.next() % 16384;
                for (run, mut left) in [(Segment::Headers, 512), (Segment::Content { total: size }, size)] {
                    chunks += u64::from(cutter.begin(run));
                    while left > 0 {
                        let n = left.min(cutter.room());
                        left -= n;
                        chunks += u64::from(cutter.add(n));
                    }
                }
            }
            black_box(chunks)
        });
    });
    for output in [Output::GZIP, Output::ZSTD] {
        let mut encoder = Encoder::new(output).unwrap();
        group.bench_function(BenchmarkId::new("compress", output), |b| {
            b.iter(|| tar.chunks(1 << 20).map(|chunk| encoder.encode(chunk).unwrap().len()).sum::<usize>());
        });
    }
    group.finish();
}

fn layers(c: &mut Criterion) {
    let mut tar = vec![];
    common::Layer::new(SIZE).read_to_end(&mut tar).unwrap();
    let pool = Pool::new(std::thread::available_parallelism().map_or(1, Into::into)).unwrap();
    let mut group = c.benchmark_group("layer");
    group.sample_size(10).measurement_time(Duration::from_secs(3)).throughput(Throughput::Bytes(tar.len() as u64));
    for from in OUTPUTS {
        let source = Blob(encoded(from, &tar));
        for output in OUTPUTS {
            let (digest_algorithm, diff_id_algorithm) = (Algorithm::Sha256, Algorithm::Sha256);
            let spec = EncodeOptions {
                stamp: stamp(),
                numeric_owner: false,
                rules: Default::default(),
                output,
                keep_unchanged: false,
                digest_algorithm,
                diff_id_algorithm,
            };
            let create = || tempfile::tempfile().map_err(|error| Error::io("cannot make a file", error));
            group.bench_function(BenchmarkId::new(from.to_string(), output), |b| {
                b.iter(|| {
                    rewrite(
                        &source,
                        &LayerExpected::default(),
                        &spec,
                        &pool,
                        &restamp::internals::NewBlobs::new(create),
                    )
                    .unwrap()
                });
            });
        }
    }
    group.finish();
}

/// Whole images, documents and all, from an archive into an archive.
fn images(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let jobs = std::thread::available_parallelism().map_or(1, Into::into);
    let rewrite = Rewrite::new(stamp()).with_context(&RunContext::new(jobs, folder.path()).unwrap());
    let mut group = c.benchmark_group("image");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for name in ["hello.tar", "hello.oci.tar", "multi.oci.tar", "zoo.oci.tar"] {
        let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        let location: Location = path.parse().unwrap();
        let target = Location::path(folder.path().join(name));
        group.throughput(Throughput::Bytes(std::fs::metadata(&path).unwrap().len()));
        group.bench_function(name, |b| {
            b.iter(|| rewrite.run(&location, &target).unwrap().layers.len());
        });
    }
    group.finish();
}

criterion_group!(benches, stages, layers, images);
criterion_main!(benches);
