//! Requests to one repository, sent until there is an answer.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use super::answer::refusal;
use super::auth::Auth;
use super::http::{Body, Failure, Http, Request, Response};
use super::name::RegistryName;
use super::options::RegistryOptions;
use super::retry::{Gate, backoff, is_passing, pause, retry_after, wait};
use super::scope::Scope;
use super::url::{Origin, Url};
use crate::error::{Error, Result};
use crate::sync::lock;

/// Redirects that are followed one after the other.
const REDIRECTS: usize = 8;

/// All clients of a process are held back together from a host that asks for it.
static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);

/// An error if the run is to stop.
pub type Stop = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// Talks to one repository of a registry.
pub struct Client {
    pub(super) name: RegistryName,
    pub(super) stop: Stop,
    options: RegistryOptions,
    http: Http,
    auth: Auth,
    base: Url,
    /// What manifests and lists are asked for with.
    own: Scope,
}

/// A request.
pub struct Call<'a> {
    pub method: &'static str,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body<'a>,
    pub scope: Scope,
}

/// A request that had no answer that counts.
#[derive(Debug)]
pub struct Unanswered {
    pub error: Error,
    /// Can the same request succeed later, and when does the registry ask to come back?
    pub again: Option<Option<Duration>>,
    /// Was it a token that was refused?
    pub is_of_token: bool,
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        let again = failure.may_pass.then_some(failure.asked);
        Self { error: failure.error, again, is_of_token: failure.is_of_token }
    }
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self { error, again: None, is_of_token: false }
    }
}

impl Client {
    /// Talks to the repository of this name. `stop` is an error once the run is to stop. A registry on this machine is asked whether
    /// it speaks TLS; to another one nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the options are wrong.
    pub fn new(name: &RegistryName, options: &RegistryOptions, stop: Stop) -> Result<Self> {
        let url = |scheme: &str| Url::parse(&format!("{scheme}://{}/v2/{}/", name.address(), name.repository()));
        let is_plain =
            options.plain_http || (name.is_local() && !options.local_tls && !speaks_tls(&url("http")?, options)?);
        let base = url(if is_plain { "http" } else { "https" })?;
        let (http, auth) = (Http::new(&base, options)?, Auth::new(name, options));
        Ok(Self { name: name.clone(), stop, options: options.clone(), http, auth, base, own: Scope::Pull })
    }

    /// The same, for a repository that is written to, and may not be there before: one token for all of it.
    #[must_use]
    pub fn for_push(mut self) -> Self {
        self.own = Scope::Push;
        self
    }

    /// What manifests and lists are asked for with.
    pub(super) fn own(&self) -> Scope {
        self.own.clone()
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        self.name.repository()
    }

    /// Blobs that are moved at a time.
    pub fn jobs(&self) -> usize {
        self.options.jobs.max(1)
    }

    /// How often something is tried again.
    pub(super) fn retries(&self) -> u32 {
        self.options.retries
    }

    /// A URL of the repository.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        self.base.resolve(path)
    }

    /// May the registry lead to this URL?
    pub(super) fn may_lead_to(&self, url: &Url) -> Result<()> {
        self.http.may_lead_to(url)
    }

    /// Sends a request until there is an answer that counts: any but one that may be another later.
    ///
    /// # Errors
    ///
    /// If there is none, or the run is to stop.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Response> {
        self.retried(|| self.send_once(call))
    }

    /// Does something until it has an answer, or there is none to be had.
    ///
    /// # Errors
    ///
    /// The last error, or that the run is to stop.
    pub(super) fn retried<T>(&self, mut attempt: impl FnMut() -> Result<T, Unanswered>) -> Result<T> {
        let mut count = 0;
        loop {
            let Unanswered { error, again, .. } = match attempt() {
                Ok(done) => return Ok(done),
                Err(unanswered) => unanswered,
            };
            (self.stop)()?;
            let Some(asked) = again else { return Err(error) };
            count += 1;
            if count > self.options.retries {
                let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
                return Err(error.because_of(|text| format!("{text} (tried {times})")));
            }
            let wait = wait(count, random(), asked).map_err(|e| error.because_of(|text| format!("{text}: {e}")))?;
            pause(wait, &*self.stop)?;
        }
    }

    /// Sends a request, with a token once one is asked for, along redirects.
    pub(super) fn send_once(&self, call: &Call<'_>) -> Result<Response, Unanswered> {
        let mut url = call.url.clone();
        let (mut redirects, mut is_asked) = (0, false);
        // Whoever is not the registry can't have it asked for something with the credentials for it.
        let mut has_left = !self.http.is_registry(&url);
        loop {
            let host = url.origin().host;
            GATE.pass(&host, &*self.stop)?;
            // Nobody but the registry learns who asks.
            let is_registry = !has_left;
            let authorization = if is_registry { self.auth.header(&call.scope) } else { None };
            let request = Request {
                method: call.method,
                url: &url,
                headers: &call.headers,
                authorization: authorization.as_deref(),
                body: &call.body,
            };
            let response = self.http.send(&request)?;
            let status = response.status;
            if status == 401 && is_registry && !is_asked {
                is_asked = true;
                if self.auth.answer(&self.http, &response, &call.scope, authorization.as_deref())? {
                    continue;
                }
                return Ok(response);
            }
            if is_passing(status) {
                let asked = response.header("retry-after");
                let asked = asked.and_then(|value| retry_after(value, response.header("date")));
                let error = self.refusal(response);
                if status == 429 {
                    match wait(1, random(), asked) {
                        Ok(wait) => GATE.close(&host, wait),
                        Err(e) => return Err(error.because_of(|text| format!("{text}: {e}")).into()),
                    }
                }
                return Err(Unanswered { error, again: Some(asked), is_of_token: false });
            }
            let is_followed = match status {
                301..=303 => matches!(call.method, "GET" | "HEAD"),
                307 | 308 => true,
                _ => false,
            };
            let Some(location) = response.header("location").filter(|_| is_followed) else { return Ok(response) };
            redirects += 1;
            if redirects > REDIRECTS {
                return Err(Error::refused(format!("{}: more than {REDIRECTS} redirects", call.url.shown())).into());
            }
            let next = url.resolve(location)?;
            self.may_lead_to(&next)?;
            if has_left && self.http.is_registry(&next) {
                let text = format!("{} leads back to the registry, which it is not", url.shown());
                return Err(Error::refused(text).into());
            }
            has_left |= !self.http.is_registry(&next);
            url = next;
        }
    }

    /// The answer, if it has one of these statuses.
    ///
    /// # Errors
    ///
    /// What the registry says otherwise.
    pub(super) fn expect(&self, response: Response, statuses: &[u16]) -> Result<Response> {
        if statuses.contains(&response.status) { Ok(response) } else { Err(self.refusal(response)) }
    }

    /// The error for an answer, in the registry's words.
    pub(super) fn refusal(&self, response: Response) -> Error {
        let advice = matches!(response.status, 401 | 403).then(|| self.auth.advice());
        refusal(response, advice.as_deref())
    }
}

/// Does a registry on this machine want TLS? Servers that do answer a request without it with 400, or hang up. Each is asked once.
fn speaks_tls(url: &Url, options: &RegistryOptions) -> Result<bool> {
    static KNOWN: LazyLock<Mutex<HashMap<Origin, bool>>> = LazyLock::new(Mutex::default);
    let mut known = lock(&KNOWN);
    if let Some(speaks) = known.get(&url.origin()) {
        return Ok(*speaks);
    }
    let root = url.resolve("/v2/")?;
    let request = Request { method: "GET", url: &root, headers: &[], authorization: None, body: &Body::None };
    let speaks = match Http::new(&root, options)?.send(&request) {
        Ok(response) => response.status == 400,
        Err(failure) => failure.may_pass,
    };
    known.insert(url.origin(), speaks);
    Ok(speaks)
}

/// Any number. Nothing that is written depends on it.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The wait before attempt number `attempt`, for what counts its attempts itself.
pub(super) fn between(attempt: u32) -> Duration {
    backoff(attempt, random())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}
