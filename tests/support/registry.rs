//! A registry in memory, which writes down every request and fails where a test asks it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::sha256;

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path, without the query.
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let pair = self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(pair.replace("%3A", ":").replace("%2F", "/"))
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
    /// Nothing more comes for half a minute after so many bytes of the body.
    pub stall: Option<usize>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn stall(mut self, after: usize) -> Self {
        self.stall = Some(after);
        self
    }

    /// An error as the specification has it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
        Self::new(status).body("application/json", body)
    }
}

type Fault = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send>;

/// What is in it, and how it behaves.
#[derive(Default)]
pub struct State {
    pub blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and bytes.
    pub manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub log: Vec<Request>,
    /// Answers of a test, before those of the registry; with how often the same request came before.
    pub faults: Vec<Fault>,
    /// Does it keep lists of referrers?
    pub has_referrers: bool,
    /// Does it mount blobs?
    pub mounts: bool,
    /// Does it compare what it is sent with its digest?
    pub hashes: bool,
}

pub struct Registry {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

static UPLOADS: AtomicUsize = AtomicUsize::new(0);

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { has_referrers: true, mounts: true, hashes: true, ..State::default() }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (own, ends) = (Arc::clone(&state), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&own);
                std::thread::spawn(move || stream.map(|stream| serve(stream, &state, address)));
            }
        });
        Self { address, state, is_over }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `docker://ADDRESS/NAME`
    pub fn name(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers by a test, from now on.
    pub fn fault(&self, fault: impl Fn(&Request, usize) -> Option<Reply> + Send + 'static) {
        self.state().faults.push(Box::new(fault));
    }

    /// The requests so far, which are forgotten.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().log)
    }

    /// How many of those match.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.state().log.iter().filter(|request| request.is(method, part)).count()
    }

    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        self.state().blobs.insert((repository.to_owned(), digest.clone()), bytes.to_vec());
        digest
    }

    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        for reference in [reference, &digest] {
            let key = (repository.to_owned(), reference.to_owned());
            self.state().manifests.insert(key, (media_type.to_owned(), bytes.to_vec()));
        }
        digest
    }

    /// The digest that a tag has.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        let found = self.state().manifests.get(&(repository.to_owned(), tag.to_owned())).cloned();
        found.map(|(_, bytes)| sha256(&bytes))
    }

    pub fn manifest(&self, repository: &str, reference: &str) -> Value {
        let found = self.state().manifests.get(&(repository.to_owned(), reference.to_owned())).cloned();
        serde_json::from_slice(&found.unwrap().1).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, address: SocketAddr) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let request = read(&mut reader)?;
        let reply = {
            let mut state = state.lock().unwrap();
            // Does it speak TLS? This question of clients on the same machine is none of a test's.
            if request.path == "/v2/" {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let same = |one: &&Request| one.method == request.method && one.path == request.path;
            let before = state.log.iter().filter(same).count();
            state.log.push(request.clone());
            let fault = state.faults.iter().find_map(|fault| fault(&request, before));
            fault.unwrap_or_else(|| answer(&request, &mut state, address))
        };
        let is_head = request.method == "HEAD";
        let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !reply.headers.iter().any(|(name, _)| name == "Content-Length") {
            head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        if !is_head {
            let body = &reply.body[..reply.cut.unwrap_or(usize::MAX).min(reply.body.len())];
            let (first, rest) = body.split_at(reply.stall.unwrap_or(body.len()).min(body.len()));
            stream.write_all(first).ok()?;
            if !rest.is_empty() {
                std::thread::sleep(std::time::Duration::from_secs(30));
                stream.write_all(rest).ok()?;
            }
        }
        if reply.cut.is_some() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return None;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// What a registry does that follows the specification.
fn answer(request: &Request, state: &mut State, address: SocketAddr) -> Reply {
    let unknown = || Reply::error(404, "NAME_UNKNOWN", "not known");
    let Some(rest) = request.path.strip_prefix("/v2/") else { return unknown() };
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return tags(request, state, repository, address);
    }
    for kind in ["/manifests/", "/blobs/uploads/", "/blobs/", "/referrers/"] {
        let Some((repository, name)) = rest.split_once(kind) else { continue };
        return match kind {
            "/manifests/" => manifests(request, state, repository, name),
            "/blobs/uploads/" => uploads(request, state, repository, name, address),
            "/blobs/" => blobs(request, state, repository, name),
            _ => referrers(state, repository, name),
        };
    }
    unknown()
}

fn manifests(request: &Request, state: &mut State, repository: &str, reference: &str) -> Reply {
    let key = (repository.to_owned(), reference.to_owned());
    if request.method == "PUT" {
        let digest = sha256(&request.body);
        let found: Value = serde_json::from_slice(&request.body).unwrap();
        let media_type = request.header("content-type").to_owned();
        for reference in [reference, &digest] {
            let key = (repository.to_owned(), reference.to_owned());
            state.manifests.insert(key, (media_type.clone(), request.body.clone()));
        }
        let reply = Reply::new(201).header("Docker-Content-Digest", digest);
        return match found["subject"]["digest"].as_str().filter(|_| state.has_referrers) {
            Some(subject) => reply.header("OCI-Subject", subject),
            None => reply,
        };
    }
    match state.manifests.get(&key) {
        None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        Some((media_type, bytes)) => {
            Reply::new(200).header("Docker-Content-Digest", sha256(bytes)).body(media_type, bytes.clone())
        }
    }
}

fn blobs(request: &Request, state: &State, repository: &str, digest: &str) -> Reply {
    let Some(bytes) = state.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
        return Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let from =
        request.header("range").strip_prefix("bytes=").and_then(|range| range.trim_end_matches('-').parse().ok());
    match from {
        None => Reply::new(200).body("application/octet-stream", bytes.clone()),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Reply::new(206).header("Content-Range", range).body("application/octet-stream", &bytes[from..])
        }
    }
}

fn uploads(request: &Request, state: &mut State, repository: &str, name: &str, address: SocketAddr) -> Reply {
    match request.method.as_str() {
        "POST" => {
            let mount = request.parameter("mount").zip(request.parameter("from")).filter(|_| state.mounts);
            if let Some((digest, from)) = mount
                && let Some(bytes) = state.blobs.get(&(from, digest.clone())).cloned()
            {
                state.blobs.insert((repository.to_owned(), digest), bytes);
                return Reply::new(201);
            }
            let number = UPLOADS.fetch_add(1, Ordering::Relaxed);
            let location = format!("http://{address}/v2/{repository}/blobs/uploads/{number}?_state=a%3D");
            Reply::new(202).header("Location", location)
        }
        "PUT" if !name.is_empty() => {
            let digest = sha256(&request.body);
            let asked = request.parameter("digest").unwrap_or_default();
            if !state.hashes {
                state.blobs.insert((repository.to_owned(), asked), request.body.clone());
                return Reply::new(201);
            }
            if asked != digest {
                return Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
            }
            state.blobs.insert((repository.to_owned(), digest), request.body.clone());
            Reply::new(201)
        }
        "DELETE" => Reply::new(204),
        _ => Reply::new(405),
    }
}

fn referrers(state: &State, repository: &str, digest: &str) -> Reply {
    if !state.has_referrers {
        return Reply::new(404).body("text/plain", "404 page not found");
    }
    let all =
        state.manifests.iter().filter(|((own, reference), _)| own == repository && reference.starts_with("sha256:"));
    let list: Vec<Value> = all
        .filter_map(|((_, own), (media_type, bytes))| {
            let found: Value = serde_json::from_slice(bytes).ok()?;
            (found["subject"]["digest"] == digest)
                .then(|| json!({"mediaType": media_type, "digest": own, "size": bytes.len()}))
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": list});
    Reply::new(200).body(media_type, index.to_string())
}

/// Two tags a page, whatever is asked for.
fn tags(request: &Request, state: &State, repository: &str, address: SocketAddr) -> Reply {
    let all = state.manifests.keys().filter(|(own, reference)| own == repository && !reference.starts_with("sha256:"));
    let last = request.parameter("last").unwrap_or_default();
    let rest: Vec<&str> = all.map(|(_, tag)| tag.as_str()).filter(|tag| *tag > last.as_str()).collect();
    let page = &rest[..rest.len().min(2)];
    let reply = Reply::new(200).body("application/json", json!({"name": repository, "tags": page}).to_string());
    match page.last().filter(|_| rest.len() > 2) {
        Some(last) => {
            reply.header("Link", format!(r#"<http://{address}/v2/{repository}/tags/list?last={last}>; rel="next""#))
        }
        None => reply,
    }
}
