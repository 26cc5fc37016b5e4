//! How close a layer's way comes to what the machine can do, and how much memory it takes.
//!
//! `cargo bench --bench pipeline -- [FILE|SIZE_IN_MIB] [none|gzip|zstd] [JOBS] [LAYERS] [CACHE]`: rewrites a layer (a file, or a
//! generated plain tar of that size, made while it is read), several times side by side if LAYERS says so, and
//! prints what each stage costs on one thread, the bound that follows from it, and the time that it took. With a
//! directory for a cache it does so twice, with another epoch the second time.
//! Without arguments it does so for a few combinations, each in a process of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restamp::Compression;
use restamp::internals::{Algorithm, Hasher};
use restamp::internals::{
    BlobSource as Source, Decoder, EncodeOptions, Encoder, LayerExpected, Outcome, Output, Window, rewrite,
};
use restamp::{Cache, Epoch, Error, Pool, Result, Rule, Stamp};

enum Input {
    File(PathBuf),
    Generated(u64),
}

impl Source for Input {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::File(path) => Ok(Box::new(File::open(path).map_err(|error| Error::io("cannot open", error))?)),
            Self::Generated(size) => Ok(Box::new(common::Layer::new(*size))),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::File(path) => path.metadata().map_or(0, |metadata| metadata.len()),
            Self::Generated(size) => *size,
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if args.is_empty() {
        for args in ["256 none 2", "256 gzip 1", "256 gzip 2", "256 gzip 2 4", "256 zstd 2"] {
            let this = std::env::current_exe().unwrap();
            assert!(Command::new(this).args(args.split(' ')).status().unwrap().success());
        }
        return;
    }
    let arg = |n: usize, default: &str| args.get(n).map_or(default.to_owned(), Clone::clone);
    let input = match args[0].parse::<u64>() {
        Ok(mib) => Input::Generated(mib << 20),
        Err(_) => Input::File(PathBuf::from(&args[0])),
    };
    let output = match arg(1, "gzip").as_str() {
        "none" => Output::NONE,
        "gzip" => Output::GZIP,
        _ => Output::ZSTD,
    };
    let jobs: usize = arg(2, "2").parse().unwrap();
    let layers: usize = arg(3, "1").parse().unwrap();
    let pool = Pool::new(jobs).unwrap();
    match args.get(4).map(|dir| Arc::new(Cache::open(dir.as_ref(), 1 << 40).unwrap())) {
        None => verify_layer(&input, output, &pool, layers, 1_500_000_000),
        Some(cache) => {
            let pool = pool.with_cache(Arc::clone(&cache));
            for epoch in [1_500_000_000, 1_500_000_001] {
                verify_layer(&input, output, &pool, layers, epoch);
                println!("  cache: {} hits, {} misses so far", cache.hits(), cache.misses());
            }
        }
    }
}

fn verify_layer(input: &Input, output: Output, pool: &Pool, layers: usize, epoch: u64) {
    let jobs = pool.jobs();
    let spec = EncodeOptions {
        stamp: Stamp { epoch: Epoch::from_seconds(epoch).unwrap(), rule: Rule::Set },
        numeric_owner: false,
        rules: Default::default(),
        output,
        keep_unchanged: false,
        digest_algorithm: Algorithm::Sha256,
        diff_id_algorithm: Algorithm::Sha256,
    };
    let create = || tempfile::tempfile().map_err(|error| Error::io("cannot make a file", error));
    let rewrite =
        || rewrite(input, &LayerExpected::default(), &spec, pool, &restamp::internals::NewBlobs::new(create)).unwrap();
    let (start, cpu_before) = (Instant::now(), cpu_time());
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..layers).map(|_| scope.spawn(rewrite)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu_before);
    // Before the stages are measured one by one: they hold whole layers in memory.
    let rss = peak_rss();
    let (mut bytes, mut size) = (0, 0);
    for outcome in &outcomes {
        if let Outcome::Rewritten(_, _, written) = outcome {
            bytes += written.uncompressed_size;
            size += written.size;
        }
    }
    let speed = bytes as f64 / wall.as_secs_f64() / 1e6;
    println!(
        "{output}, {jobs} jobs, {layers} layers: {:.2} s, CPU {:.2} s, {speed:.0} MB/s, output {:.2} %, peak RSS {rss} KiB, promised {} KiB",
        wall.as_secs_f64(),
        cpu.as_secs_f64(),
        100.0 * size as f64 / bytes as f64,
        (64 + 8 * jobs) << 10,
    );
    if layers == 1 {
        bound(input, output, jobs, wall);
    }
}

/// Measures the stages one after the other on this thread.
fn bound(input: &Input, output: Output, jobs: usize, wall: Duration) {
    let mut decoder = Decoder::new(input.open().unwrap(), &LayerExpected::default(), Window::any()).unwrap();
    let is_plain = decoder.compression() == Compression::None;
    let mut encoder = Encoder::new(output).unwrap();
    let mut chunk = vec![0; if output == Output::ZSTD { 4 << 20 } else { 1 << 20 }];
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let [mut read, mut hash, mut compress, mut hash_out] = [Duration::ZERO; 4];
    loop {
        let start = Instant::now();
        let n = decoder.fill(&mut chunk).unwrap();
        read += start.elapsed();
        let Some(bytes) = chunk.get(..n).filter(|bytes| !bytes.is_empty()) else { break };
        let start = Instant::now();
        hasher.update(bytes);
        hash += start.elapsed();
        let start = Instant::now();
        let compressed = encoder.encode(bytes).unwrap();
        compress += start.elapsed();
        let start = Instant::now();
        hasher.update(compressed);
        hash_out += start.elapsed();
    }
    // The reader's stage has hashed the blob: where that is plain, its hash is that of the uncompressed bytes, too. And
    // what is written without compression has one hash as well.
    let hashes = u32::from(!is_plain) + 1;
    if output == Output::NONE {
        hash_out = Duration::ZERO;
    }
    let sum = read + hash * hashes + compress + hash_out;
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let serial = read.max(compress / u32::try_from(jobs).unwrap());
    let bound = serial.max(sum / u32::try_from(cores).unwrap());
    println!(
        "  on one thread: read {:.2} s, hash {:.2} s × {hashes}, compress {:.2} s, hash of the result {:.2} s; \
         all {:.2} s; bound with {cores} cores {:.2} s: reached {:.0} %",
        read.as_secs_f64(),
        hash.as_secs_f64(),
        compress.as_secs_f64(),
        hash_out.as_secs_f64(),
        sum.as_secs_f64(),
        bound.as_secs_f64(),
        100.0 * bound.as_secs_f64() / wall.as_secs_f64(),
    );
}

/// User and system time of this process so far, in the 100 ticks a second of proc_pid_stat(5).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    Duration::from_millis(10 * fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}

/// The most memory that this process has had resident (proc_pid_status(5)).
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
