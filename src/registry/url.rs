//! URLs that a registry gives, and whether they may be followed.

use std::fmt;

use fluent_uri::pct_enc::EStr;
use fluent_uri::pct_enc::encoder::Query;
use fluent_uri::{Uri, UriRef};

use crate::error::{Error, Result, quoted};

/// An `http` or `https` URL without user information, in which credentials would be, and without a fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri<String>,
}

/// Who answers: scheme, host and port. What one is trusted with, another one is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    pub is_https: bool,
    pub host: String,
    pub port: u16,
}

impl Url {
    /// Parses an absolute URL.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::malformed("URL", "an http or https URL without user name and fragment", quoted(text));
        let uri = Uri::parse(text).map_err(|_| wrong())?.to_owned();
        let is_http = matches!(uri.scheme().as_str().to_ascii_lowercase().as_str(), "http" | "https");
        let is_host = |uri: &Uri<String>| {
            uri.authority().is_some_and(|authority| {
                authority.userinfo().is_none() && !authority.host().is_empty() && authority.port_to_u16().is_ok()
            })
        };
        if !is_http || !is_host(&uri) || uri.fragment().is_some() {
            return Err(wrong());
        }
        Ok(Self { uri })
    }

    /// The URL that `text`, as in a `Location`, leads to from here (RFC 3986, section 5).
    pub fn resolve(&self, text: &str) -> Result<Self> {
        let wrong = || Error::malformed("Location", "a URL", quoted(text));
        let reference = UriRef::parse(text).map_err(|_| wrong())?;
        let uri = reference.resolve_against(&self.uri).map_err(|_| wrong())?;
        Self::parse(uri.as_str())
    }

    /// The same with a parameter more in its query.
    pub fn with_parameter(&self, key: &str, value: &str) -> Result<Self> {
        let encoded = |text: &str| {
            let mut encoded = String::new();
            for byte in text.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        encoded.push(char::from(byte))
                    }
                    _ => encoded.push_str(&format!("%{byte:02X}")),
                }
            }
            encoded
        };
        let separator = match self.uri.query().map(EStr::<Query>::as_str) {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        Self::parse(&format!("{}{separator}{}={}", self.as_str(), encoded(key), encoded(value)))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.uri.as_str()
    }

    /// Who answers.
    pub fn origin(&self) -> Origin {
        let is_https = self.uri.scheme().as_str().eq_ignore_ascii_case("https");
        let authority = self.uri.authority();
        let host = authority.map(|authority| authority.host().to_ascii_lowercase()).unwrap_or_default();
        let port = authority.and_then(|authority| authority.port_to_u16().ok().flatten());
        Origin { is_https, host, port: port.unwrap_or(if is_https { 443 } else { 80 }) }
    }

    /// Its text without its query, which may be a secret (a signed URL).
    pub fn shown(&self) -> &str {
        self.as_str().split('?').next().unwrap_or_default()
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_and_nothing_but_http_is_followed() {
        let base = Url::parse("https://r.example:5000/v2/a/blobs/uploads/").unwrap();
        for (text, expected) in [
            ("/v2/a/blobs/uploads/1?x=y", "https://r.example:5000/v2/a/blobs/uploads/1?x=y"),
            ("1", "https://r.example:5000/v2/a/blobs/uploads/1"),
            ("?x", "https://r.example:5000/v2/a/blobs/uploads/?x"),
            ("//other.example/x", "https://other.example/x"),
            ("http://other.example/x", "http://other.example/x"),
        ] {
            assert_eq!(base.resolve(text).unwrap().as_str(), expected, "{text}");
        }
        for bad in [
            "file:///etc/passwd",
            "https://u:p@r.example/",
            "ftp://r.example/",
            "https:///x",
            "a b",
            "https://r.example/#x",
        ] {
            assert!(base.resolve(bad).is_err() && Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_added_to_what_there_is() {
        let with =
            |url: &str| Url::parse(url).unwrap().with_parameter("digest", "sha256:0 /&").unwrap().as_str().to_owned();
        assert_eq!(with("https://r.example/x"), "https://r.example/x?digest=sha256%3A0%20%2F%26");
        assert_eq!(
            with("https://r.example/x?_state=a%3D"),
            "https://r.example/x?_state=a%3D&digest=sha256%3A0%20%2F%26"
        );
        assert_eq!(with("https://r.example/x?"), "https://r.example/x?digest=sha256%3A0%20%2F%26");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| Url::parse(url).unwrap().origin();
        assert_eq!(origin("https://R.example/x"), origin("https://r.example:443/y"));
        assert_ne!(origin("http://r.example/"), origin("https://r.example/"));
        assert_ne!(origin("http://r.example/"), origin("http://r.example:81/"));
        assert_eq!(origin("http://[::1]:5/").host, "[::1]");
        assert_eq!(Url::parse("https://s3.example/x?X-Amz-Signature=1").unwrap().shown(), "https://s3.example/x");
    }
}
