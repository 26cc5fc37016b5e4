//! How registries are talked to: options, and what the environment says.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::{CredentialFile, Error, RegistryOptions, RunContext};

/// `--plain-http`, `--tls-ca`, `--authfile`, `--registry-jobs`, `--retries`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArguments {
    /// Talk to registries without TLS; those on this machine are asked whether they speak it
    #[arg(long)]
    plain_http: bool,

    /// Trust the certificates in FILE (PEM) as well as those of the system, where it has any
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Take credentials from FILE, as docker login or podman login writes it [default: REGISTRY_AUTH_FILE, else podman's
    /// auth.json, then docker's config.json]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,

    /// Blobs that are downloaded or uploaded at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    registry_jobs: u16,

    /// How often a request is sent again after a failure that may pass
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: u32,
}

/// A file of credentials is small.
const MOST: u64 = 4 << 20;

impl RegistryArguments {
    /// The context with what they ask for. Nothing is read before a registry is talked to.
    pub fn of(&self, context: RunContext) -> RunContext {
        let arguments = self.clone();
        context.with_registry_by(move || arguments.options().map_err(|e| Error::refused(format!("{e:#}"))))
    }

    /// What they ask for, with what the environment says.
    fn options(&self) -> Result<RegistryOptions> {
        let mut options = RegistryOptions::default();
        options.plain_http = self.plain_http;
        options.local_tls = self.tls_ca.is_some() && !self.plain_http;
        options.jobs = usize::from(self.registry_jobs);
        options.retries = self.retries;
        options.credentials = self.credentials()?;
        options.roots = self.roots()?;
        let variable =
            |names: [&str; 2]| names.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
        options.https_proxy = variable(["HTTPS_PROXY", "https_proxy"]);
        options.http_proxy = variable(["HTTP_PROXY", "http_proxy"]);
        options.no_proxy = variable(["NO_PROXY", "no_proxy"]);
        Ok(options)
    }

    /// Where credentials are: in the file that is named, or in those of podman and docker that there are.
    fn credentials(&self) -> Result<Vec<CredentialFile>> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = &self.authfile {
            return Ok(vec![read(path).context("--authfile")?]);
        }
        if let Some(path) = variable("REGISTRY_AUTH_FILE") {
            return Ok(vec![read(&path).context("REGISTRY_AUTH_FILE")?]);
        }
        let home = variable("HOME");
        let of_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let places = [
            variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
            variable("XDG_CONFIG_HOME")
                .or_else(|| of_home(".config"))
                .map(|folder| folder.join("containers/auth.json")),
            variable("DOCKER_CONFIG").or_else(|| of_home(".docker")).map(|folder| folder.join("config.json")),
        ];
        let there = places.into_iter().flatten().filter(|path| path.is_file());
        there.map(|path| read(&path)).collect()
    }

    /// The certificates that are trusted.
    fn roots(&self) -> Result<Vec<Vec<u8>>> {
        // SSL_CERT_FILE and SSL_CERT_DIR, or else where the system has them. Where it has none (an image from scratch), those
        // that Mozilla trusts are built in.
        let found = rustls_native_certs::load_native_certs();
        let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .into_iter()
            .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if let Some(name) = named.filter(|_| found.certs.is_empty()) {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            bail!("{name}: there is no certificate there{why}");
        }
        let mut roots: Vec<Vec<u8>> = found.certs.into_iter().map(|certificate| certificate.to_vec()).collect();
        if let Some(path) = &self.tls_ca {
            let own = rustls_native_certs::load_certs_from_paths(Some(path), None);
            if let Some(error) = own.errors.first() {
                bail!("--tls-ca {}: {error}", path.display());
            }
            if own.certs.is_empty() {
                bail!("--tls-ca {}: there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)", path.display());
            }
            roots.extend(own.certs.into_iter().map(|certificate| certificate.to_vec()));
        }
        Ok(roots)
    }
}

fn read(path: &Path) -> Result<CredentialFile> {
    let metadata = fs::metadata(path).with_context(|| format!("{}: cannot read", path.display()))?;
    if !metadata.is_file() || metadata.len() > MOST {
        bail!("{}: no file of credentials", path.display());
    }
    let bytes = fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
    Ok(CredentialFile { name: path.display().to_string(), bytes })
}
