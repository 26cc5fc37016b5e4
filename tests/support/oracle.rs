//! The independent checker that may lie beside the repository (`../shared/tools/oracle.py`).

use super::shared;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the checker found: nothing, findings, or an input that it can't judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Clean,
    Findings(String),
    Unreadable(String),
}

/// Answers each line, a list of arguments, with a line that has the exit status and all that was printed: to start
/// Python anew takes longer than to judge a small image.
const DRIVER: &str = "
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import oracle
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = oracle.main(json.loads(line))
    print(json.dumps([code, said.getvalue()]), flush=True)
";

struct Checker {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Checker {
    fn start() -> Option<Self> {
        let tools = shared()?.join("tools");
        let mut command = Command::new("python3");
        command.args(["-c", DRIVER]).arg(tools).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Some(Self { process, stdin, stdout })
    }

    fn ask(&mut self, arguments: &[&str]) -> Verdict {
        writeln!(self.stdin, "{}", json!(arguments)).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let text = answer[1].as_str().unwrap().to_owned();
        match answer[0].as_i64() {
            Some(0) => Verdict::Clean,
            Some(1) => Verdict::Findings(text),
            _ => Verdict::Unreadable(text),
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

thread_local! {
    static CHECKER: RefCell<Option<Checker>> = const { RefCell::new(None) };
}

/// Runs the checker; `None` where it is not there.
pub fn oracle(command: &str, images: &[&Path], options: &[&str]) -> Option<Verdict> {
    CHECKER.with_borrow_mut(|checker| {
        if checker.is_none() {
            *checker = Checker::start();
        }
        let images = images.iter().map(|path| path.to_str().unwrap());
        let arguments: Vec<&str> = [command].into_iter().chain(images).chain(options.iter().copied()).collect();
        Some(checker.as_mut()?.ask(&arguments))
    })
}

/// What the checker takes for a loss and which is none. `Parent` names the image that another one of the same archive was
/// built from, by its ID, so it follows when that image gets another one. And GNU tar's process ID in the header's name of
/// a sparse file, whose own name is a record, becomes 0.
fn is_allowed(line: &str) -> bool {
    line.contains("manifest.json[") && line.contains("/Parent: \"sha256:") || is_process_id_gone(line)
}

/// `member 2 is ./GNUSparseFile.0/f instead of ./GNUSparseFile.1234/f; …`
fn is_process_id_gone(line: &str) -> bool {
    const MARK: &str = "/GNUSparseFile.";
    let Some((_, names)) = line.split_once(" is ") else { return false };
    let Some((new, old)) = names.split_once(" instead of ") else { return false };
    let old = old.split(';').next().unwrap_or_default();
    let Some((before, after)) = old.rsplit_once(MARK) else { return false };
    let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    new == format!("{before}{MARK}0{after}")
}

/// Is there anything in a verdict that is a fault?
pub fn is_fault(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Findings(text) => {
            let mut findings = text.lines().filter(|line| line.starts_with("FINDING")).peekable();
            findings.peek().is_none() || findings.any(|line| !is_allowed(line))
        }
        Verdict::Clean => false,
        Verdict::Unreadable(_) => true,
    }
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
            assert!(!is_fault(&verdict), "{command} {}: {verdict:?}", new.display());
        }
    }
}
