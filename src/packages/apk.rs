//! apk's database of what is installed: `lib/apk/db/installed` (apk-package(5), apk-v2: one letter, a colon, a value).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Package, add, at_line, lines, needed, once, seconds, word};
use crate::error::{Error, Result, printable};

/// The fields that matter, of one package.
#[derive(Default)]
struct Stanza<'b> {
    name: Option<&'b [u8]>,
    version: Option<&'b [u8]>,
    architecture: Option<&'b [u8]>,
    origin: Option<&'b [u8]>,
    checksum: Option<&'b [u8]>,
    built: Option<&'b [u8]>,
    is_open: bool,
}

/// Reads the packages that are installed.
///
/// # Errors
///
/// It is not in that format.
pub fn installed(text: &[u8]) -> Result<Vec<Package>> {
    let mut list = Vec::new();
    let mut stanza = Stanza::default();
    for (number, line) in lines(text) {
        read_line(&mut stanza, line, &mut list).map_err(|e| at_line(e, number))?;
    }
    close(&mut stanza, &mut list)?;
    Ok(list)
}

fn read_line<'b>(stanza: &mut Stanza<'b>, line: &'b [u8], list: &mut Vec<Package>) -> Result<()> {
    let (key, value) = match line {
        [] => return close(stanza, list),
        [key @ (b'a'..=b'z' | b'A'..=b'Z'), b':', value @ ..] => (*key, value),
        _ => return Err(Error::malformed("line of apk's database", "a letter and a colon", printable(line))),
    };
    stanza.is_open = true;
    let place = match key {
        b'P' => &mut stanza.name,
        b'V' => &mut stanza.version,
        b'A' => &mut stanza.architecture,
        b'o' => &mut stanza.origin,
        b'C' => &mut stanza.checksum,
        b't' => &mut stanza.built,
        _ => return Ok(()),
    };
    once("field of apk's database", place, value)
}

fn close(stanza: &mut Stanza<'_>, list: &mut Vec<Package>) -> Result<()> {
    let stanza = std::mem::take(stanza);
    if !stanza.is_open {
        return Ok(());
    }
    let name = word("P", needed("P, the name of a package,", stanza.name)?)?;
    let of_package = || -> Result<Package> {
        Ok(Package {
            version: word("V", needed("V, the version,", stanza.version)?)?,
            architecture: word("A", needed("A, the architecture,", stanza.architecture)?)?,
            source: stanza.origin.map(|value| word("o", value)).transpose()?,
            hash: stanza.checksum.map(checksum).transpose()?,
            built: stanza.built.map(|value| seconds("t", value)).transpose()?,
            name: name.clone(),
        })
    };
    let package = of_package().map_err(|e| e.at_entry(&name))?;
    add(list, package)
}

/// `C:` is Q1 and the SHA-1, or Q2 and the SHA-256, of the part of the package with its control files, in base64.
fn checksum(value: &[u8]) -> Result<String> {
    let wrong = || Error::malformed("C", "Q1 or Q2 and a checksum in base64", printable(value));
    let (name, length, text) = match value {
        [b'Q', b'1', text @ ..] => ("sha1", 20, text),
        [b'Q', b'2', text @ ..] => ("sha256", 32, text),
        _ => return Err(wrong()),
    };
    let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == length).ok_or_else(wrong)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{name}-control:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: &[u8] = b"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:400\nI:600\n\
        T:the musl c library (libc) implementation\nU:https://musl.libc.org/\nL:MIT\no:musl\nt:1709306134\n\
        F:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\nZ:Q1Nd5/WzMV7nGGOTLHRbVMyFqKCZo=\n\nP:x\nV:1\nA:noarch\n";

    #[test]
    fn what_is_installed_is_read() {
        let found = installed(INSTALLED).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("musl", "1.2.5-r0"));
        assert_eq!(found[0].hash.as_deref(), Some("sha1-control:a8a719fa3db7c6cb005e681086438ef1d1e76d6c"));
        assert_eq!((found[0].built, found[0].source.as_deref()), (Some(1_709_306_134), Some("musl")));
        assert_eq!(found[1].hash, None);
        assert_eq!(installed(b"").unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        for text in [
            &b"P:a\nV:1\n"[..],
            b"V:1\nA:x\n",
            b"P:a\nP:b\n",
            b"hello\n",
            b"P:a b\nV:1\nA:x\n",
            b"P:a\nV:1\nA:x\nt:-1\n",
        ] {
            installed(text).unwrap_err();
        }
        installed(b"C:Q1AAAA\nP:a\nV:1\nA:x\n").unwrap_err();
        installed(b"C:0123\nP:a\nV:1\nA:x\n").unwrap_err();
    }
}
