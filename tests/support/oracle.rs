//! The independent checker that may lie beside the repository (`../shared/tools/oracle.py`).

use super::shared;
use std::path::Path;
use std::process::Command;

/// What the checker found: nothing, findings, or an input that it can't judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Clean,
    Findings(String),
    Unreadable(String),
}

/// Runs the checker; `None` where it is not there.
pub fn oracle(command: &str, images: &[&Path], options: &[&str]) -> Option<Verdict> {
    let tool = shared()?.join("tools/oracle.py");
    let output = Command::new("python3").arg(tool).arg(command).args(images).args(options).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(match output.status.code() {
        Some(0) => Verdict::Clean,
        Some(1) => Verdict::Findings(text),
        _ => Verdict::Unreadable(text),
    })
}

/// Asserts that the checker, where it is there, finds nothing on a rewritten image.
#[track_caller]
pub fn expect_clean(old: &Path, new: &Path, clamp: bool) {
    let epoch = super::EPOCH.to_string();
    let mut options = vec!["--epoch", &epoch];
    options.extend(clamp.then_some("--clamp"));
    for (command, images, options) in
        [("validate", vec![new], &[][..]), ("stamped", vec![new], &options), ("lossless", vec![old, new], &options)]
    {
        if let Some(verdict) = oracle(command, &images, options) {
            assert_eq!(verdict, Verdict::Clean, "{command} {}", new.display());
        }
    }
}
