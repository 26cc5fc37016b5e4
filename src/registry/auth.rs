//! Tokens: what a registry asks for, and where it is had (distribution's token specification; RFC 7617, RFC 6750).

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use http_auth::ChallengeParser;
use http_auth::basic::encode_credentials;
use serde::Deserialize;

use super::answer::refusal;
use super::credentials::{self, Credential, Found};
use super::http::{Body, Failure, Http, Request, Response};
use super::name::RegistryName;
use super::options::RegistryOptions;
use super::retry::{is_passing, retry_after};
use super::scope::Scope;
use super::url::Url;
use crate::error::{Error, Result};
use crate::sync::lock;

/// Bytes of a token server's answer.
const MOST: u64 = 1 << 20;
/// How long a token lasts where its server does not say it.
const LIFETIME: u64 = 60;
/// A token is not used that has less left.
const LEFT: Duration = Duration::from_secs(5);

/// How a registry wants to know who asks, and what is known for that.
pub struct Auth {
    name: RegistryName,
    options: RegistryOptions,
    found: OnceLock<Option<Found>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Credentials themselves, which the registry takes with each request.
    basic: Option<String>,
    tokens: HashMap<Vec<String>, Token>,
}

impl State {
    /// What goes with a request: credentials, or a token that lasts a while.
    fn usable(&self, scopes: &[String]) -> Option<&str> {
        let token = || {
            let token = self.tokens.get(scopes)?;
            token.until.is_none_or(|until| until > Instant::now() + LEFT).then_some(&*token.header)
        };
        self.basic.as_deref().or_else(token)
    }
}

struct Token {
    header: String,
    until: Option<Instant>,
}

/// What a `WWW-Authenticate` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// A token server's answer.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub fn new(name: &RegistryName, options: &RegistryOptions) -> Self {
        Self { name: name.clone(), options: options.clone(), found: OnceLock::new(), state: Mutex::default() }
    }

    /// What goes with a request, as far as it is known.
    pub fn header(&self, scope: &Scope) -> Option<String> {
        lock(&self.state).usable(&scope.texts(&self.name)).map(str::to_owned)
    }

    /// Gets what a registry has asked for in its answer 401 to a request that had `used` with it. False if there is nothing more to
    /// be tried.
    pub fn answer(&self, http: &Http, response: &Response, scope: &Scope, used: Option<&str>) -> Result<bool, Failure> {
        let of_failure = Failure::last;
        // One thread asks, the others use what it has got.
        let mut state = lock(&self.state);
        let texts = scope.texts(&self.name);
        let known = state.usable(&texts);
        if known.is_some() && known != used {
            return Ok(true);
        }
        let challenges = challenges(response.headers("www-authenticate"));
        let found = self.credential().map_err(of_failure)?;
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service.as_deref())),
            Challenge::Basic => None,
        });
        if let Some((realm, service)) = bearer {
            let token = self.token(http, realm, service, &texts, found)?;
            let is_other = used != Some(&token.header);
            state.tokens.insert(texts, token);
            return Ok(is_other);
        }
        match found.map(|found| &found.credential) {
            Some(Credential::Basic { name, password }) if challenges.contains(&Challenge::Basic) => {
                let header = encode_credentials(name, password);
                let is_other = used != Some(&header);
                state.basic = Some(header);
                Ok(is_other)
            }
            _ => Ok(false),
        }
    }

    /// What helps where a registry refuses.
    pub fn advice(&self) -> String {
        match self.found.get().and_then(Option::as_ref) {
            Some(found) => format!("with the credentials in {}", found.file),
            None => format!("without credentials: docker login {}", self.name.host()),
        }
    }

    fn credential(&self) -> Result<Option<&Found>> {
        if self.found.get().is_none() {
            let _ = self.found.set(credentials::find(&self.options.credentials, &self.name)?);
        }
        Ok(self.found.get().and_then(Option::as_ref))
    }

    fn token(
        &self,
        http: &Http,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        found: Option<&Found>,
    ) -> Result<Token, Failure> {
        let of_failure = Failure::last;
        let mut url = Url::parse(realm).map_err(of_failure)?;
        http.may_lead_to(&url).map_err(of_failure)?;
        let (mut headers, mut authorization, mut body, mut method) = (Vec::new(), None, Body::None, "GET");
        match found.map(|found| &found.credential) {
            Some(Credential::Identity(token)) => {
                let mut pairs =
                    vec![("grant_type", "refresh_token"), ("client_id", "restamp"), ("refresh_token", token)];
                pairs.extend(service.map(|service| ("service", service)));
                let scope = scopes.join(" ");
                pairs.push(("scope", &scope));
                // The same encoding as in a query.
                let mut form = Url::parse("http://form/").map_err(of_failure)?;
                for (key, value) in pairs {
                    form = form.with_parameter(key, value).map_err(of_failure)?;
                }
                let text = form.as_str().split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
                headers.push(("Content-Type", "application/x-www-form-urlencoded".to_owned()));
                (method, body) = ("POST", Body::Bytes(text.into_bytes()));
            }
            other => {
                if let Some(service) = service {
                    url = url.with_parameter("service", service).map_err(of_failure)?;
                }
                for scope in scopes {
                    url = url.with_parameter("scope", scope).map_err(of_failure)?;
                }
                if let Some(Credential::Basic { name, password }) = other {
                    authorization = Some(encode_credentials(name, password));
                }
            }
        }
        let request =
            Request { method, url: &url, headers: &headers, authorization: authorization.as_deref(), body: &body };
        let response = http.send(&request)?;
        let status = response.status;
        if status != 200 {
            let asked = response.header("retry-after");
            let asked = asked.and_then(|value| retry_after(value, response.header("date")));
            let error = refusal(response, Some(&self.advice()));
            let may_pass = is_passing(status);
            return Err(Failure { error, may_pass, asked, is_of_token: !may_pass });
        }
        let what = url.shown().to_owned();
        let wrong = |found: &str| {
            let error = Error::malformed("answer of the token server", "JSON with a token", found.to_owned());
            of_failure(error.in_file(&what))
        };
        let bytes = response.bytes(MOST)?;
        // Not what it is: it may be a token.
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| wrong("something else"))?;
        let text =
            answer.token.or(answer.access_token).filter(|token| !token.is_empty()).ok_or_else(|| wrong("none"))?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("a token with other characters than letters, digits and signs"));
        }
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(LIFETIME).max(LIFETIME));
        Ok(Token { header: format!("Bearer {text}"), until: Instant::now().checked_add(lifetime) })
    }
}

/// The challenges that are understood, of all headers.
pub fn challenges<'h>(headers: impl Iterator<Item = &'h str>) -> Vec<Challenge> {
    let all = headers.flat_map(|header| ChallengeParser::new(header).map_while(std::result::Result::ok));
    let understood = all.filter_map(|challenge| {
        let parameter = |name: &str| {
            challenge
                .params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("bearer") {
            return Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service") });
        }
        challenge.scheme.eq_ignore_ascii_case("basic").then_some(Challenge::Basic)
    });
    understood.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        };
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull,push""#,
                vec![bearer("https://auth.example/token", Some("registry.example"))],
            ),
            (r#"bearer REALM="https://auth.example/token""#, vec![bearer("https://auth.example/token", None)]),
            (r#"Basic realm="x""#, vec![Challenge::Basic]),
            (r#"Digest realm="x", Basic realm="y""#, vec![Challenge::Basic]),
            (r#"Bearer service="x""#, vec![]),
            ("", vec![]),
            (r#"Bearer realm="unterminated"#, vec![]),
        ] {
            assert_eq!(challenges([header].into_iter()), expected, "{header}");
        }
    }
}
