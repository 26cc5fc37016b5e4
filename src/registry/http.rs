//! One request, and its answer.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::http::{HeaderMap, Request as HttpRequest};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body as HttpBody, Proxy, SendBody};

use super::address::{OwnResolver, StrangerResolver, check_written};
use super::options::RegistryOptions;
use super::proxy::is_direct;
use super::url::{Origin, Url};
use crate::error::{Error, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long nothing may arrive, or be taken.
const SILENCE: Duration = Duration::from_secs(60);
/// How long an answer may take once a request was sent: a registry may hash a large blob before.
const ANSWER: Duration = Duration::from_secs(600);

/// Sends requests: to a registry, and to whom it leads.
pub struct Http {
    registry: Origin,
    /// Has the registry only addresses in private networks? Known once its name was resolved; a proxy resolves it itself.
    is_private: Arc<OnceLock<bool>>,
    /// Has it answered once? Then it is somebody who may come back.
    has_answered: AtomicBool,
    /// Hosts that no proxy is asked for.
    no_proxy: String,
    own: Agent,
    /// For other hosts: without and with TLS, each without and with a proxy.
    strangers: [[Agent; 2]; 2],
}

/// What is sent.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: &'a [(&'static str, String)],
    pub authorization: Option<&'a str>,
    pub body: &'a Body<'a>,
}

/// The body of a request, which can be sent again.
pub enum Body<'a> {
    None,
    Bytes(Vec<u8>),
    /// As many bytes, from a reader that is opened for each attempt.
    Blob(u64, &'a (dyn Fn() -> Result<Box<dyn Read>> + Sync)),
}

/// A request that had no answer.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    /// Can the same request succeed later?
    pub may_pass: bool,
    /// When its host asks to come back.
    pub asked: Option<Duration>,
    /// Was it a token that was refused?
    pub is_of_token: bool,
}

impl Failure {
    /// One that is the same each time.
    pub fn last(error: Error) -> Self {
        Self { error, may_pass: false, asked: None, is_of_token: false }
    }

    fn maybe_io(what: &str, error: io::Error) -> Self {
        let may_pass = is_passing(&error);
        Self::maybe(Error::io(what.to_owned(), error), may_pass)
    }

    fn maybe(error: Error, may_pass: bool) -> Self {
        Self { may_pass, ..Self::last(error) }
    }
}

/// An answer.
pub struct Response {
    pub status: u16,
    pub url: Url,
    pub method: &'static str,
    headers: HeaderMap,
    body: HttpBody,
}

impl Http {
    pub fn new(registry: &Url, options: &RegistryOptions) -> Result<Self> {
        let origin = registry.origin();
        let is_private = Arc::new(OnceLock::new());
        let no_proxy = options.no_proxy.clone().unwrap_or_default();
        let proxies = [proxy(options, false)?, proxy(options, true)?];
        let of_own = &proxies[usize::from(origin.is_https)];
        let of_own = of_own.clone().filter(|_| !is_direct(&no_proxy, &origin.host, origin.port));
        let stranger =
            |proxy: Option<&Proxy>| agent(options, proxy.cloned(), StrangerResolver::new(Arc::clone(&is_private)));
        let strangers =
            [[stranger(None), stranger(proxies[0].as_ref())], [stranger(None), stranger(proxies[1].as_ref())]];
        let own = match of_own {
            Some(proxy) => agent(options, Some(proxy), DefaultResolver::default()),
            None => agent(options, None, OwnResolver::new(Arc::clone(&is_private))),
        };
        Ok(Self { own, strangers, is_private, has_answered: AtomicBool::new(false), no_proxy, registry: origin })
    }

    /// Is it the registry itself, which credentials are for?
    pub fn is_registry(&self, url: &Url) -> bool {
        url.origin() == self.registry
    }

    /// Succeeds if the registry may lead to this URL: never from TLS to none.
    pub fn may_lead_to(&self, url: &Url) -> Result<()> {
        if self.registry.is_https && !url.origin().is_https {
            let text = format!("the registry leads to {}, which has no TLS", url.shown());
            return Err(Error::refused(text));
        }
        Ok(())
    }

    /// Sends a request once, and follows nothing.
    pub fn send(&self, request: &Request<'_>) -> Result<Response, Failure> {
        let final_error = Failure::last;
        let origin = request.url.origin();
        let agent = if origin.host == self.registry.host {
            &self.own
        } else {
            let checked = check_written(&origin.host, self.is_private.get() == Some(&true));
            checked.map_err(|e| self.failure(e, request, None))?;
            let is_proxied = !is_direct(&self.no_proxy, &origin.host, origin.port);
            &self.strangers[usize::from(origin.is_https)][usize::from(is_proxied)]
        };
        let mut builder = HttpRequest::builder().method(request.method).uri(request.url.as_str());
        for (name, value) in request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = request.authorization {
            builder = builder.header("Authorization", authorization);
        }
        let in_words = |e| final_error(Error::refused(format!("{}: {e}", request.url.shown())));
        let answer = match request.body {
            Body::None => agent.run(builder.body(SendBody::none()).map_err(in_words)?),
            Body::Bytes(bytes) => agent.run(builder.body(&bytes[..]).map_err(in_words)?),
            Body::Blob(len, open) => {
                let mut reader = open().map_err(final_error)?;
                let builder = builder.header("Content-Length", *len);
                agent.run(builder.body(SendBody::from_reader(&mut reader)).map_err(in_words)?)
            }
        };
        let answer = answer.map_err(|e| self.failure(e, request, agent.config().proxy()))?;
        self.has_answered.store(true, Ordering::Relaxed);
        let (parts, body) = answer.into_parts();
        let (status, url) = (parts.status.as_u16(), request.url.clone());
        Ok(Response { status, url, method: request.method, headers: parts.headers, body })
    }

    /// What became of a request, in words; and whether it may be sent again.
    fn failure(&self, error: ureq::Error, request: &Request<'_>, proxy: Option<&Proxy>) -> Failure {
        let by = proxy.map(|proxy| format!(" (by the proxy {}:{})", proxy.host(), proxy.port())).unwrap_or_default();
        let what = format!("{} {}{by}", request.method, request.url.shown());
        match error {
            ureq::Error::Io(source) => {
                // Nobody is there, for now: it is being started anew.
                let is_away =
                    source.kind() == io::ErrorKind::ConnectionRefused && self.has_answered.load(Ordering::Relaxed);
                let may_pass = is_away || is_passing(&source);
                Failure::maybe(Error::io(what, source), may_pass)
            }
            ureq::Error::Timeout(_) => {
                let source = io::Error::new(io::ErrorKind::TimedOut, error.to_string());
                Failure::maybe(Error::io(what, source), true)
            }
            ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => {
                Failure::maybe(Error::refused(format!("{what}: {error}")), true)
            }
            _ => Failure::maybe(Error::refused(format!("{what}: {error}")), false),
        }
    }
}

/// An agent, with a proxy or without.
fn agent(options: &RegistryOptions, proxy: Option<Proxy>, resolver: impl Resolver) -> Agent {
    let roots = match options.roots.is_empty() {
        true => RootCerts::WebPki,
        false => options.roots.iter().map(|der| Certificate::from_der(der).to_owned()).into(),
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("restamp/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(SILENCE))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_write(Some(SILENCE))
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    Agent::with_parts(config, DefaultConnector::new(), resolver)
}

fn proxy(options: &RegistryOptions, is_https: bool) -> Result<Option<Proxy>> {
    let text = if is_https { &options.https_proxy } else { &options.http_proxy };
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    // Not the text: it may hold a password.
    let wrong = |_| Error::refused("the proxy that the environment names is no URL of a proxy (http://HOST:PORT)");
    Proxy::new(text).map(Some).map_err(wrong)
}

/// Can what this error stopped succeed later? A connection that was broken off can; one that was refused, a name that does not exist
/// and a certificate that is not trusted can't.
pub fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof, WouldBlock,
    };
    let is_broken = matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | UnexpectedEof | WouldBlock
    );
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    let is_inner_passing = inner.is_some_and(|inner| match inner {
        ureq::Error::Io(error) => is_passing(error),
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    });
    // getaddrinfo(3), EAI_AGAIN: std has no kind for it.
    is_broken || is_inner_passing || error.to_string().contains("Temporary failure in name resolution")
}

impl Response {
    /// A header; `None` where it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of a name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The length of its body, as its header has it.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Its `Content-Type` without parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// Its body as it arrives.
    pub fn reader(self) -> impl Read + Send + 'static {
        self.body.into_with_config().limit(u64::MAX).reader()
    }

    /// All its body, at most `limit` bytes.
    pub fn bytes(self, limit: u64) -> Result<Vec<u8>, Failure> {
        let what = format!("{} {}", self.method, self.url.shown());
        if let Some(length) = self.length().filter(|length| *length > limit) {
            let error = Error::limit("size of the answer in bytes", limit, length).in_file(what);
            return Err(Failure::last(error));
        }
        let length = self.length();
        let mut bytes = Vec::new();
        let read = self.reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| Failure::maybe_io(&what, e))?;
        let count = bytes.len() as u64;
        if count > limit {
            let error = Error::limit("size of the answer in bytes", limit, "more").in_file(what);
            return Err(Failure::last(error));
        }
        if length.is_some_and(|length| length != count) {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ends in the middle");
            return Err(Failure::maybe(Error::io(what, error), true));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("url", &self.url).finish_non_exhaustive()
    }
}
