//! The distribution, as `os-release` has it (os-release(5)): assignments that a shell could read.

use serde::Serialize;

/// More is no os-release.
pub const MAX_BYTES: u64 = 64 << 10;
/// The longest value that is kept.
const MAX_VALUE: usize = 256;

/// What a root filesystem says of its distribution. The values are as in the file, and may be any text of one line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OsRelease {
    /// `ID`: `debian`
    pub id: Option<String>,
    /// `ID_LIKE`, a list with spaces in between.
    pub id_like: Option<String>,
    /// `VERSION_ID`: `12`
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`: `bookworm`
    pub version_codename: Option<String>,
    /// `PRETTY_NAME`
    pub pretty_name: Option<String>,
}

impl OsRelease {
    /// Is it this distribution, or one that says to be like it?
    pub fn is_like(&self, id: &str) -> bool {
        let like = self.id_like.iter().flat_map(|list| list.split_ascii_whitespace());
        self.id.as_deref() == Some(id) || like.into_iter().any(|other| other == id)
    }
}

/// Reads the assignments; of one that is there twice, the last. A line that is none is passed over, as systemd does.
pub fn read(text: &[u8]) -> OsRelease {
    let mut release = OsRelease::default();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let place = match key {
            "ID" => &mut release.id,
            "ID_LIKE" => &mut release.id_like,
            "VERSION_ID" => &mut release.version_id,
            "VERSION_CODENAME" => &mut release.version_codename,
            "PRETTY_NAME" => &mut release.pretty_name,
            _ => continue,
        };
        *place = unquoted(value);
    }
    release
}

/// The value, without quotation marks and backslashes; nothing where it is empty, too long or not one line.
fn unquoted(value: &str) -> Option<String> {
    let inner = match value.as_bytes() {
        [b'"', .., b'"'] | [b'\'', .., b'\''] if value.len() > 1 => value.get(1..value.len() - 1)?,
        _ => value,
    };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' && !value.starts_with('\'') { chars.next()? } else { c };
        text.push(c);
    }
    (!text.is_empty() && text.len() <= MAX_VALUE && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_would() {
        let release = read(
            b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian\"\nVERSION_ID='12'\n# ID=x\nID=debian\nbroken\n\
              VERSION_CODENAME=bookworm\nID_LIKE=\"a\\$b c\"\n",
        );
        assert_eq!(release.pretty_name.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!((release.id.as_deref(), release.version_id.as_deref()), (Some("debian"), Some("12")));
        assert!(release.is_like("debian") && release.is_like("a$b") && release.is_like("c") && !release.is_like("b"));
        assert_eq!(read(b"ID=\xff\nID=\"\nID=\"\"\nID=\\").id, None);
    }
}
