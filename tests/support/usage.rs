//! What a run of the program takes: CPU time and memory.

use super::Outcome;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A kernel's clock tick, in which `/proc/PID/stat` counts CPU time (proc(5)); 100 a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Of all its threads, user and system, to 10 ms.
    pub cpu: Duration,
    /// The peak of its resident memory in KiB, as far as it was seen: it is looked at every few milliseconds.
    pub peak: u64,
}

/// Runs a command to its end, without keeping more of its output than 64 KiB each.
pub fn measured(command: &mut Command) -> (Outcome, Usage) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        let (stdout, stderr) = (scope.spawn(|| head(out)), scope.spawn(|| head(err)));
        let usage = watch(&mut child);
        let code = child.wait().unwrap().code();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
        (Outcome { code, stdout: stdout.join().unwrap(), stderr }, usage)
    })
}

fn head(mut pipe: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    pipe.by_ref().take(64 << 10).read_to_end(&mut kept).unwrap();
    std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
    kept
}

/// Looks at a process until it has ended. It is not waited for: its CPU time can be read as long as it is a zombie.
fn watch(child: &mut Child) -> Usage {
    let (pid, deadline) = (child.id(), Instant::now() + Duration::from_secs(100));
    let mut usage = Usage::default();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name of the program stands in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        if fields[0] == "Z" {
            let ticks: u32 = fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum();
            usage.cpu = TICK * ticks;
            return usage;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        usage.peak = usage.peak.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
}
