//! pacman's database of what is installed: a file `desc` for each package (libalpm's `be_local.c` reads `%KEY%`, then the
//! lines of its value up to an empty one).

use super::{Package, at_line, lines, needed, once, seconds, word};
use crate::error::{Error, Result, printable};

/// Reads a package's file `desc`.
///
/// # Errors
///
/// It is not in that format.
pub fn desc(text: &[u8]) -> Result<Package> {
    let [mut name, mut version, mut architecture, mut base, mut built] = [None; 5];
    // The key whose value is due, and whether that has begun.
    let mut key: Option<(&[u8], bool)> = None;
    for (number, line) in lines(text) {
        match (line, key) {
            ([], _) => key = None,
            ([b'%', name @ .., b'%'], None) if !name.is_empty() => key = Some((name, false)),
            (_, None) => {
                let error = Error::malformed("line of pacman's database", "%KEY%", printable(line));
                return Err(at_line(error, number));
            }
            // A list: none of those matters.
            (_, Some((_, true))) => {}
            (value, Some((name_of, false))) => {
                key = Some((name_of, true));
                let place = match name_of {
                    b"NAME" => &mut name,
                    b"VERSION" => &mut version,
                    b"ARCH" => &mut architecture,
                    b"BASE" => &mut base,
                    b"BUILDDATE" => &mut built,
                    _ => continue,
                };
                once("field of pacman's database", place, value).map_err(|e| at_line(e, number))?;
            }
        }
    }
    let name = word("NAME", needed("NAME", name)?)?;
    let of_package = || -> Result<Package> {
        Ok(Package {
            name: name.clone(),
            version: word("VERSION", needed("VERSION", version)?)?,
            architecture: architecture.map_or_else(|| Ok("any".to_owned()), |value| word("ARCH", value))?,
            source: base.map(|value| word("BASE", value)).transpose()?,
            hash: None,
            built: built.map(|value| seconds("BUILDDATE", value)).transpose()?,
        })
    };
    of_package().map_err(|e| e.at_entry(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read() {
        let text =
            b"%NAME%\nbash\n\n%VERSION%\n5.2.026-2\n\n%BASE%\nbash\n\n%ARCH%\nx86_64\n\n%BUILDDATE%\n1705923344\n\n\
            %LICENSE%\nGPL\nMIT\n\n%DEPENDS%\nreadline\nglibc\n";
        let package = desc(text).unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str(), package.built),
            ("bash", "5.2.026-2", Some(1705923344))
        );
        for broken in [
            &b""[..],
            b"%NAME%\nbash\n",
            b"NAME\nbash\n",
            b"%NAME%\na\n\n%NAME%\nb\n\n%VERSION%\n1\n",
            b"%NAME%\na b\n\n%VERSION%\n1\n",
            b"%NAME%\na\n\n%VERSION%\n1\n\n%BUILDDATE%\nyesterday\n",
        ] {
            desc(broken).unwrap_err();
        }
    }
}
