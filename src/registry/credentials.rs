//! Credentials, as docker and podman keep them: `config.json` and `auth.json`, with the helpers that they name.

use std::fmt;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use super::name::RegistryName;
use super::options::CredentialFile;
use crate::error::{Error, Result, printable};

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Basic { name: String, password: String },
    /// A token of an identity provider, for which a token server gives others.
    Identity(String),
}

/// A credential, and the file that it is from.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    pub credential: Credential,
    pub file: String,
}

// Without what is secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic",
            Self::Identity(_) => "Identity",
        })
    }
}

/// What a helper says where it has nothing.
const NOT_FOUND: &str = "credentials not found";

/// The credential for a repository: of the first file that has one.
pub fn find(files: &[CredentialFile], name: &RegistryName) -> Result<Option<Found>> {
    for file in files {
        let is_named = |error: Error| error.in_file(&file.name);
        let config: serde_json::Value = serde_json::from_slice(&file.bytes)
            .map_err(|e| is_named(Error::malformed("credentials", "JSON as docker login writes it", e)))?;
        for key in keys(name) {
            match get_credential_from_reader(&file.bytes[..], &key) {
                Ok(DockerCredential::UsernamePassword(name, password)) if name.is_empty() && password.is_empty() => {}
                Ok(found) => {
                    let credential = match found {
                        DockerCredential::IdentityToken(token) => Credential::Identity(token),
                        // As docker's own helpers mark a token.
                        DockerCredential::UsernamePassword(name, token) if name == "<token>" => {
                            Credential::Identity(token)
                        }
                        DockerCredential::UsernamePassword(name, password) => Credential::Basic { name, password },
                    };
                    return Ok(Some(Found { credential, file: file.name.clone() }));
                }
                Err(CredentialRetrievalError::NoCredentialConfigured) => {}
                Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
                    if stdout.contains(NOT_FOUND) || stderr.contains(NOT_FOUND) => {}
                Err(error) => {
                    // A store for all registries that can't be asked is none: a machine that has docker's settings but not
                    // its desktop can still read what is public.
                    let own = config
                        .get("credHelpers")
                        .and_then(|helpers| helpers.get(&key))
                        .and_then(|helper| helper.as_str());
                    let is_of_store = matches!(
                        error,
                        CredentialRetrievalError::HelperCommunicationError
                            | CredentialRetrievalError::MalformedHelperResponse
                    ) && own.is_none();
                    if !is_of_store {
                        return Err(is_named(Error::refused(said(&error, &key, own))));
                    }
                }
            }
        }
    }
    Ok(None)
}

fn said(error: &CredentialRetrievalError, key: &str, helper: Option<&str>) -> String {
    match (error, helper) {
        (CredentialRetrievalError::HelperCommunicationError, Some(helper)) => {
            format!("the credential helper docker-credential-{} for {key} can't be run", printable(helper.as_bytes()))
        }
        (CredentialRetrievalError::HelperFailure { helper, stdout, stderr }, _) => {
            let said = if stderr.trim().is_empty() { stdout } else { stderr };
            format!(
                "the credential helper {} for {key} failed: {}",
                printable(helper.as_bytes()),
                printable(said.trim().as_bytes())
            )
        }
        _ => format!("credentials for {key}: {error}"),
    }
}

/// What a file may call a registry, or a part of it: podman's files have namespaces, the longest first.
fn keys(name: &RegistryName) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = name.full_repository();
    while path.len() > name.host().len() {
        keys.push(path.clone());
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    if name.host() == "docker.io" {
        keys.extend(["https://index.docker.io/v1/", "index.docker.io"].map(str::to_owned));
    }
    keys.push(name.host().to_owned());
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> CredentialFile {
        CredentialFile { name: "config.json".to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn found(text: &str, name: &str) -> Option<Credential> {
        find(&[file(text)], &name.parse().unwrap()).unwrap().map(|found| found.credential)
    }

    fn basic(name: &str) -> Option<Credential> {
        Some(Credential::Basic { name: name.to_owned(), password: "p".to_owned() })
    }

    #[test]
    fn the_closest_namespace_of_the_first_file_is_taken() {
        // "u:p", "v:p", "w:p"
        let text = r#"{"auths":{"r.example":{"auth":"dTpw"},"r.example/team":{"auth":"djpw"},"https://index.docker.io/v1/":{"auth":"dzpw"},"t.example":{"identitytoken":"T"}}}"#;
        assert_eq!(found(text, "r.example/app"), basic("u"));
        assert_eq!(found(text, "r.example/team/app"), basic("v"));
        assert_eq!(found(text, "r.example/teams/app"), basic("u"));
        assert_eq!(found(text, "nginx"), basic("w"));
        assert_eq!(found(text, "t.example/a"), Some(Credential::Identity("T".to_owned())));
        for other in ["s.example/app", "r.example:5000/app", "r.example.evil/app"] {
            assert_eq!(found(text, other), None, "{other}");
        }
        let files = [file(r#"{"auths":{"other":{"auth":"djpw"}}}"#), file(text)];
        assert_eq!(find(&files, &"r.example/app".parse().unwrap()).unwrap().map(|found| found.credential), basic("u"));
        assert_eq!(found("{}", "r.example/app"), None);
    }

    #[test]
    fn a_helper_that_is_missing_is_an_error_only_where_it_is_named_for_the_registry() {
        let name: RegistryName = "r.example/app".parse().unwrap();
        let error = find(&[file(r#"{"credHelpers":{"r.example":"none-such"}}"#)], &name).err().unwrap().to_string();
        assert!(error.contains("docker-credential-none-such") && error.starts_with("config.json: "), "{error}");
        assert!(find(&[file(r#"{"credsStore":"none-such"}"#)], &name).unwrap().is_none());
        assert!(find(&[file("{")], &name).is_err());
        assert!(find(&[file(r#"{"auths":{"r.example":{"auth":"!"}}}"#)], &name).is_err());
    }
}
