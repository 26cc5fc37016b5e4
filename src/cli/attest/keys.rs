//! Files that say who signs and who is trusted.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use restamp::error::shell_word;
use restamp::internals::folder_of;
use restamp::signing::SigningKey;
use restamp::statement::time_of;
use restamp::trust::{self, Trust};

/// A private key is small.
const KEY_MAX: u64 = 64 << 10;

/// Reads a private key, which nobody but its owner may be able to read.
pub fn signing_key(path: &Path) -> Result<SigningKey> {
    if path.to_string_lossy().contains("-----BEGIN") {
        bail!("--key: expected the name of a file, found the text of a key; write it to a file that only you may read");
    }
    let failed = || format!("--key {}", path.display());
    let file = File::open(path).with_context(failed)?;
    let metadata = file.metadata().with_context(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        let name = shell_word(path.to_string_lossy());
        bail!("--key {}: others may read it (mode {mode:04o}): chmod 600 {name}", path.display());
    }
    let bytes = read(file, KEY_MAX).with_context(failed)?;
    let text = String::from_utf8(bytes).ok().with_context(|| format!("--key {}: it is no text", path.display()))?;
    SigningKey::from_pem(&text).with_context(failed)
}

/// Reads the file that says who is trusted, and the keys beside it.
pub fn trust(path: &Path) -> Result<Trust> {
    let failed = || format!("--trust {}", path.display());
    let bytes = open(path).and_then(|file| read(file, trust::MAX)).with_context(failed)?;
    let key = |name: &str| {
        let path = folder_of(path).join(name);
        let bytes = open(&path).and_then(|file| read(file, trust::MAX));
        bytes.map_err(|e| restamp::Error::refused(format!("cannot read: {e:#}")).in_file(path.display()))
    };
    Trust::parse(&bytes, &key).with_context(failed)
}

/// Opens a file, and nothing that would be waited for.
fn open(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        bail!("it is no file");
    }
    Ok(file)
}

fn read(file: File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        bail!("it has more than {most} bytes");
    }
    Ok(bytes)
}

/// A time that is given, in seconds since 1970, or that of now.
pub fn time(option: &'static str, text: Option<&str>) -> Result<i64> {
    match text {
        Some(text) => time_of(text, "time").context(option),
        None => Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs())?),
    }
}
