//! Private keys, by content: PEM and OpenPGP armour, wherever in a file, and in a file of any size.
//!
//! A program that reads keys has the line `-----BEGIN … PRIVATE KEY-----` in it as well. It counts only where a key
//! follows: after the end of the line, which may be spelled `\n` as in JSON, a header or a line of base64.

use std::sync::LazyLock;

use memchr::memmem::Finder;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// So many bytes decide: the line, what may be between it and the key, and the start of the key.
const WINDOW: usize = 256;
/// The longest label: `ENCRYPTED PRIVATE KEY`, `PGP PRIVATE KEY BLOCK`, a vendor's word before it.
const LABEL_MAX: usize = 48;
/// So much base64 is a key even if the line does not end there.
const LONG: usize = 40;
/// So much is one if the line ends there.
const SHORT: usize = 4;

/// Headers of PEM (RFC 1421) and of OpenPGP (RFC 9580).
const HEADERS: [&[u8]; 6] = [b"Proc-Type:", b"DEK-Info:", b"Version:", b"Comment:", b"Hash:", b"Charset:"];

/// Searches one file after the other, piece by piece.
#[derive(Debug, Default)]
pub struct KeySearch {
    /// The end of what went by, in which a key may begin.
    tail: Vec<u8>,
    is_found: bool,
}

impl KeySearch {
    /// Begins with another file.
    pub fn reset(&mut self) {
        self.tail.clear();
        self.is_found = false;
    }

    /// Takes in the next piece of the content.
    pub fn add(&mut self, piece: &[u8]) {
        if self.is_found {
            return;
        }
        let near = piece.get(..WINDOW).unwrap_or(piece);
        if !self.tail.is_empty() {
            self.tail.extend_from_slice(near);
            self.is_found = has_key(&self.tail, false);
        }
        self.is_found |= has_key(piece, false);
        if piece.len() >= WINDOW || self.tail.is_empty() {
            self.tail.clear();
            self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(WINDOW)..).unwrap_or_default());
        } else {
            let excess = self.tail.len().saturating_sub(WINDOW);
            self.tail.drain(..excess);
        }
    }

    /// Was there one, now that the file has ended?
    pub fn is_found(&self) -> bool {
        self.is_found || has_key(&self.tail, true)
    }
}

/// The first private key that begins in the first `limit` bytes, from its first line up to its last one.
pub fn first_key(bytes: &[u8], limit: usize) -> Option<&[u8]> {
    let key = bytes.get(position(bytes, true).filter(|at| *at < limit)?..)?;
    key.get(..memchr::memmem::find(key, END).unwrap_or(key.len()))
}

/// Is there a key in these bytes, as far as they go?
fn has_key(bytes: &[u8], is_all: bool) -> bool {
    position(bytes, is_all).is_some()
}

/// Where the first key begins.
fn position(bytes: &[u8], is_all: bool) -> Option<usize> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGIN));
    FINDER.find_iter(bytes).find(|at| {
        let after = bytes.get(at + BEGIN.len()..).unwrap_or_default();
        begins_key(after.get(..WINDOW).unwrap_or(after), is_all && after.len() <= WINDOW).unwrap_or(false)
    })
}

/// Is what follows `-----BEGIN ` a private key? `None` if it is not.
fn begins_key(after: &[u8], is_all: bool) -> Option<bool> {
    let label_end = after.get(..after.len().min(LABEL_MAX))?.windows(5).position(|five| five == b"-----")?;
    let (label, rest) = (after.get(..label_end)?, after.get(label_end + 5..)?);
    if !label.ends_with(b"PRIVATE KEY") && label != b"PGP PRIVATE KEY BLOCK" {
        return None;
    }
    let body = skip_blank(rest);
    // Something has to end the line.
    let between = rest.get(..rest.len() - body.len())?;
    if !between.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'n')) {
        return None;
    }
    if HEADERS.iter().any(|header| body.starts_with(header)) {
        return Some(true);
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let length = body.iter().position(|byte| !is_base64(byte)).unwrap_or(body.len());
    let is_line = match body.get(length) {
        None => is_all,
        Some(b'\n' | b'\r') => true,
        Some(b'\\') => matches!(body.get(length + 1), Some(b'n' | b'r')),
        Some(_) => false,
    };
    Some(length >= LONG || length >= SHORT && is_line)
}

/// What follows blanks and ends of lines, be they bytes or spelled as in JSON.
fn skip_blank(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] | [b'\\', b'n' | b'r' | b't', rest @ ..] => rest,
            _ => return bytes,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n";

    fn is_key(text: impl AsRef<[u8]>) -> bool {
        let mut search = KeySearch::default();
        search.add(text.as_ref());
        search.is_found()
    }

    #[test]
    fn every_kind_of_private_key_is_one() {
        for label in ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "ANY ", "ED25519 "] {
            assert!(is_key(format!("-----BEGIN {label}PRIVATE KEY-----\nMIIE\n-----END")), "{label}");
        }
        assert!(is_key("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYBGb\n=abcd\n"));
        assert!(is_key("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQVYBGb\n"));
        assert!(is_key("-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n"));
        // A service account in JSON, a secret in YAML, a key without a last line end.
        assert!(is_key(r#"{"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIB\n-----END"#));
        assert!(is_key("tls.key: |\n  -----BEGIN EC PRIVATE KEY-----\n  MHcCAQEE\n"));
        assert!(is_key("-----BEGIN PRIVATE KEY-----\nMIIEvQIB"));
        assert!(is_key(format!("-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n{KEY}")));
    }

    #[test]
    fn a_key_goes_up_to_its_last_line() {
        let text = "x = 1\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\ny = 2\n";
        assert_eq!(first_key(text.as_bytes(), 4096), Some(&b"-----BEGIN PRIVATE KEY-----\nMIIE\n"[..]));
        assert_eq!(first_key(text.as_bytes(), 6), None);
        assert_eq!(first_key(b"-----BEGIN PRIVATE KEY-----\n", 4096), None);
    }

    #[test]
    fn what_only_speaks_of_keys_is_none() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n",
            "-----BEGIN PUBLIC KEY-----\nMIIB\n",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n",
            // Programs and their sources.
            "-----BEGIN OPENSSH PRIVATE KEY-----\n\0-----END OPENSSH PRIVATE KEY-----\0",
            "if line == b\"-----BEGIN RSA PRIVATE KEY-----\":\n    return",
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nyour key here\n",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN ",
            "",
        ] {
            assert!(!is_key(text), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_found_wherever_the_pieces_are_cut() {
        let text = ["x".repeat(700), KEY.to_owned(), "y".repeat(700)].concat();
        for cut in 1..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let mut search = KeySearch::default();
            search.add(a);
            search.add(b);
            assert!(search.is_found(), "cut at {cut}");
        }
        for size in [1, 2, 7, 64, 255, 256, 257, 512] {
            let mut search = KeySearch::default();
            text.as_bytes().chunks(size).for_each(|piece| search.add(piece));
            assert!(search.is_found(), "pieces of {size}");
            assert!(search.tail.len() <= 2 * WINDOW);
            search.reset();
            search.add(b"nothing");
            assert!(!search.is_found());
        }
    }
}
