//! dpkg's database of what is installed: `var/lib/dpkg/status`, and `status.d/*` of images without dpkg (deb-control(5),
//! deb822(5); Bazel's rules for distroless images write one file a package).

use super::{Package, add, at_line, lines, needed, once, word};
use crate::error::{Error, Result, printable};

/// The fields that matter, of one package.
#[derive(Default)]
struct Stanza<'b> {
    package: Option<&'b [u8]>,
    version: Option<&'b [u8]>,
    architecture: Option<&'b [u8]>,
    status: Option<&'b [u8]>,
    source: Option<&'b [u8]>,
    is_open: bool,
}

/// Reads the packages that are installed, also those that are to be configured; not those of which only the
/// configuration is left.
///
/// # Errors
///
/// It is not in that format.
pub fn status(text: &[u8]) -> Result<Vec<Package>> {
    let mut list = Vec::new();
    let mut stanza = Stanza::default();
    for (number, line) in lines(text) {
        read_line(&mut stanza, line, &mut list).map_err(|e| at_line(e, number))?;
    }
    close(&mut stanza, &mut list)?;
    Ok(list)
}

fn read_line<'b>(stanza: &mut Stanza<'b>, line: &'b [u8], list: &mut Vec<Package>) -> Result<()> {
    match line {
        [] => return close(stanza, list),
        // The value of the field above goes on.
        [b' ' | b'\t', ..] if stanza.is_open => return Ok(()),
        _ => {}
    }
    let is_name = |key: &[u8]| !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    let colon = line.iter().position(|byte| *byte == b':').filter(|at| line.get(..*at).is_some_and(is_name));
    let Some((key, value)) = colon.and_then(|at| line.split_at_checked(at)) else {
        return Err(Error::malformed("line of dpkg's status", "a field and its value", printable(line)));
    };
    stanza.is_open = true;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    // Names of fields are compared without regard to case.
    let place = match key.to_ascii_lowercase().as_slice() {
        b"package" => &mut stanza.package,
        b"version" => &mut stanza.version,
        b"architecture" => &mut stanza.architecture,
        b"status" => &mut stanza.status,
        b"source" => &mut stanza.source,
        _ => return Ok(()),
    };
    once("field of dpkg's status", place, value)
}

fn close(stanza: &mut Stanza<'_>, list: &mut Vec<Package>) -> Result<()> {
    let stanza = std::mem::take(stanza);
    if !stanza.is_open {
        return Ok(());
    }
    let name = word("Package", needed("Package", stanza.package)?)?;
    if !is_installed(stanza.status).map_err(|e| e.at_entry(&name))? {
        return Ok(());
    }
    let of_package = || -> Result<Package> {
        let version = word("Version", needed("Version", stanza.version)?)?;
        let architecture = word("Architecture", needed("Architecture", stanza.architecture)?)?;
        let source = stanza.source.map(source).transpose()?.or_else(|| Some(name.clone()));
        Ok(Package { name: name.clone(), version, architecture, source, hash: None, built: None })
    };
    let package = of_package().map_err(|e| e.at_entry(&name))?;
    add(list, package)
}

/// `Status` is what is wanted, a flag, and what is (dpkg(1)); files of `status.d` have none.
fn is_installed(status: Option<&[u8]>) -> Result<bool> {
    let Some(status) = status else { return Ok(true) };
    match status.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).nth(2) {
        Some(b"not-installed" | b"config-files") => Ok(false),
        Some(
            b"installed" | b"half-installed" | b"unpacked" | b"half-configured" | b"triggers-awaited"
            | b"triggers-pending",
        ) => Ok(true),
        _ => Err(Error::malformed("Status", "what is wanted, a flag and a state", printable(status))),
    }
}

/// `glibc`, or `gcc-12 (12.2.0-14)` where the versions differ.
fn source(value: &[u8]) -> Result<String> {
    let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let name = word("Source", words.next().unwrap_or_default())?;
    match (words.next(), words.next()) {
        (None, _) => Ok(name),
        (Some([b'(', version @ .., b')']), None) => Ok(format!("{name} ({})", word("Source", version)?)),
        _ => Err(Error::malformed("Source", "a name, and a version in parentheses", printable(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] =
        b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9)\n\
        Version: 2.36-9+deb12u4\nDescription: GNU C Library\n Shared libraries\n .\n More\n\n\
        Package: old\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
        package: tzdata\nStatus: hold ok installed\nArchitecture: all\nVersion: 2024a-0+deb12u1\n";

    #[test]
    fn what_is_installed_is_read() {
        let found = status(STATUS).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|package| {
                format!("{} {} {} {:?}", package.name, package.version, package.architecture, package.source)
            })
            .collect();
        assert_eq!(
            shown,
            ["libc6 2.36-9+deb12u4 amd64 Some(\"glibc (2.36-9)\")", "tzdata 2024a-0+deb12u1 all Some(\"tzdata\")"]
        );
        assert_eq!(status(b"").unwrap(), []);
        assert_eq!(status(b"\n\n\n").unwrap(), []);
        assert_eq!(status(b"Package: base\nVersion: 1\nArchitecture: amd64").unwrap().len(), 1);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        for (text, says) in [
            (&b"Package: a\nVersion: 1\n"[..], "a: Architecture is missing"),
            (b"Version: 1\n", "Package is missing"),
            (b" Package: a\n", "line 1"),
            (b"Package a\n", "line 1"),
            (b"Package: a\nPackage: b\n", "line 2"),
            (b"Package: a b\nVersion: 1\nArchitecture: all\n", "one word"),
            (b"Package: a\nVersion: 1$(x)\x1b\nArchitecture: all\n", "a: Version"),
            (b"Package: a\nStatus: installed\nVersion: 1\nArchitecture: all\n", "Status"),
            (b"Package: a\nSource: b 1\nVersion: 1\nArchitecture: all\n", "Source"),
        ] {
            let error = status(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error} / {says}");
        }
    }
}
