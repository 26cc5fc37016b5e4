//! How far a run is: a bar on a terminal, a line now and then in a log, nothing when quiet.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use restamp::Pool;

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// A bar on a terminal, nothing elsewhere
    Auto,
    /// A line every few seconds
    Plain,
    /// Nothing
    None,
}

/// How often a line is printed.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often the numbers are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Shows how many bytes of blobs were read until it is dropped.
#[derive(Debug)]
pub struct Progress {
    total: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to watch a pool.
    pub fn start(style: Style, pool: &Pool) -> Self {
        let (total, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let bar = match style {
            Style::None => None,
            Style::Auto if !std::io::stderr().is_terminal() => None,
            Style::Auto => Some(true),
            Style::Plain => Some(false),
        };
        let thread = bar.map(|bar| {
            let (pool, total, ended) = (pool.clone(), Arc::clone(&total), Arc::clone(&ended));
            std::thread::spawn(
                move || if bar { show_bar(&pool, &total, &ended) } else { show_lines(&pool, &total, &ended) },
            )
        });
        Self { total, ended, thread }
    }

    /// What a run is given, to say how many bytes there are to read.
    pub fn total(&self) -> Arc<dyn restamp::Progress> {
        Arc::new(Total(Arc::clone(&self.total)))
    }
}

/// How many bytes there are to read.
#[derive(Debug)]
struct Total(Arc<AtomicU64>);

impl restamp::Progress for Total {
    fn set_total(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show_bar(pool: &Pool, total: &AtomicU64, ended: &AtomicBool) {
    let bar = ProgressBar::no_length();
    let mut shown = None;
    while !ended.load(Ordering::Relaxed) {
        let (read, total) = (pool.bytes_read(), known(total));
        if shown != Some(total) {
            shown = Some(total);
            if let Ok(style) = ProgressStyle::with_template(template(total)) {
                bar.set_style(style);
            }
            match total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
        }
        bar.set_position(read);
        bar.tick();
        std::thread::sleep(TICK);
    }
    bar.finish_and_clear();
}

fn show_lines(pool: &Pool, total: &AtomicU64, ended: &AtomicBool) {
    let mut last = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        if last.elapsed() >= INTERVAL {
            last = Instant::now();
            let _ = writeln!(io::stderr(), "{}", line(pool.bytes_read(), known(total)));
        }
        std::thread::sleep(TICK);
    }
}

/// How many bytes there are to read; not known while an image arrives by a pipe, nor before its documents are read.
fn known(total: &AtomicU64) -> Option<u64> {
    Some(total.load(Ordering::Relaxed)).filter(|total| *total > 0)
}

fn template(total: Option<u64>) -> &'static str {
    match total {
        Some(_) => "{spinner} layers {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        None => "{spinner} {bytes} read {binary_bytes_per_sec}",
    }
}

fn line(read: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("restamp: {} of {} read", HumanBytes(read), HumanBytes(total)),
        None => format!("restamp: {} read", HumanBytes(read)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_unknown_total_nothing_is_said() {
        assert_eq!(line(1 << 20, None), "restamp: 1.00 MiB read");
        assert_eq!(line(1 << 20, Some(1 << 21)), "restamp: 1.00 MiB of 2.00 MiB read");
        assert_eq!(known(&AtomicU64::new(0)), None);
        assert!(
            !template(None).contains("bar") && !template(None).contains("total") && !template(None).contains("eta")
        );
        assert!([None, Some(1)].map(template).into_iter().all(|text| ProgressStyle::with_template(text).is_ok()));
    }
}
