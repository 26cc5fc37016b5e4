//! How long to wait before a request is sent again, and for whom.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::DateTime;

use crate::error::{Error, Result};
use crate::sync::lock;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait that is of our own choice.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait that a registry may ask for.
const ASKED_LONGEST: Duration = Duration::from_secs(300);
/// How often a wait looks whether the run is to stop.
const SLICE: Duration = Duration::from_millis(50);

/// May a request with this answer succeed when it is sent again?
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long to wait before attempt number `attempt` (from 1), where the registry does not say it: twice as long each time, and
/// between half of that and all of it, so that many clients don't come back at the same moment. `random` is any number.
pub fn backoff(attempt: u32, random: u64) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let part = u32::try_from(random % 1000).unwrap_or(0);
    whole / 2 + whole / 2 * part / 1000
}

/// What `Retry-After` asks for (RFC 9110, section 10.2.3): seconds, or a date. The latter is compared with `Date` of the same answer,
/// so no clock is needed; without that it says nothing.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let (until, now) = (DateTime::parse_from_rfc2822(value).ok()?, DateTime::parse_from_rfc2822(date?.trim()).ok()?);
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
}

/// The wait before the next attempt.
///
/// # Errors
///
/// If the registry asks for a longer one than anybody waits for.
pub fn wait(attempt: u32, random: u64, asked: Option<Duration>) -> Result<Duration> {
    match asked {
        Some(asked) if asked > ASKED_LONGEST => {
            let text = format!(
                "the registry asks to come back in {} seconds (Retry-After), and restamp waits for {} at most",
                asked.as_secs(),
                ASKED_LONGEST.as_secs()
            );
            Err(Error::refused(text))
        }
        Some(asked) => Ok(asked.max(backoff(1, random))),
        None => Ok(backoff(attempt, random)),
    }
}

/// Holds back all threads from a host that has asked for it.
#[derive(Debug, Default)]
pub struct Gate {
    closed: Mutex<HashMap<String, Instant>>,
}

impl Gate {
    /// Lets nobody to this host for so long.
    pub fn close(&self, host: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let mut closed = lock(&self.closed);
        let own = closed.entry(host.to_owned()).or_insert(until);
        *own = until.max(*own);
    }

    /// Waits until this host may be talked to.
    ///
    /// # Errors
    ///
    /// If the run is to stop.
    pub fn pass(&self, host: &str, stop: &dyn Fn() -> Result<()>) -> Result<()> {
        loop {
            let until = lock(&self.closed).get(host).copied();
            let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) else {
                return stop();
            };
            pause(left.min(SLICE), stop)?;
        }
    }
}

/// Waits.
///
/// # Errors
///
/// If the run is to stop.
pub fn pause(wait: Duration, stop: &dyn Fn() -> Result<()>) -> Result<()> {
    let end = Instant::now() + wait;
    loop {
        stop()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_differ() {
        for random in [0, 1, 500, 999, u64::MAX] {
            let waits: Vec<Duration> = (1..12).map(|attempt| backoff(attempt, random)).collect();
            assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
            assert!(waits[0] >= FIRST / 2 && waits[10] >= LONGEST / 2);
        }
        assert_ne!(backoff(3, 1), backoff(3, 900));
        assert_eq!(backoff(u32::MAX, 0), LONGEST / 2);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(retry_after("120", None), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:30 GMT", date), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:27:30 GMT", date), Some(Duration::ZERO));
        for nothing in ["", "soon", "-1", "1.5", "Wed, 21 Oct 2015"] {
            assert_eq!(retry_after(nothing, date), None, "{nothing}");
        }
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:30 GMT", None), None);
        assert!(wait(1, 0, Some(Duration::from_secs(300))).is_ok());
        let error = wait(1, 0, Some(Duration::from_secs(301))).unwrap_err().to_string();
        assert!(error.contains("301") && error.contains("Retry-After"), "{error}");
    }

    #[test]
    fn a_gate_holds_back_one_host_alone() {
        let gate = Gate::default();
        gate.close("a", Duration::from_millis(80));
        let start = Instant::now();
        gate.pass("b", &|| Ok(())).unwrap();
        assert!(start.elapsed() < Duration::from_millis(60));
        gate.pass("a", &|| Ok(())).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(80));
        gate.close("a", Duration::from_secs(600));
        assert!(gate.pass("a", &|| Err(Error::interrupted())).is_err());
    }
}
