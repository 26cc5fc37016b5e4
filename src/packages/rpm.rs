//! rpm's headers, as its databases hold them (rpm's documentation, "RPM V4 Header"): an index of entries, each a tag, a
//! type, an offset and a count, and the data that they point into. All numbers are big-endian.

use super::{Package, word};
use crate::error::{Error, Result};

/// A header is at most so long: rpm refuses more (`headerVerify`, 256 MiB of data), and those of real packages have a few MiB.
pub const MAX_HEADER: usize = 16 << 20;
/// How many entries it may have.
const MAX_ENTRIES: usize = 64 << 10;
/// The length of one in the index.
const ENTRY: usize = 16;

// Tags (rpmtag.h) and types (rpmtag.h, rpmTagType).
const SHA256_OF_HEADER: u32 = 273;
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const BUILD_TIME: u32 = 1006;
const ARCHITECTURE: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const INT32: u32 = 4;
const STRING: u32 = 6;

/// The public keys that rpm trusts are in its database as if they were packages.
const KEY: &str = "gpg-pubkey";

/// Reads a header; nothing if it is that of a key.
///
/// # Errors
///
/// It is not in that format, or lacks what every package has.
pub fn header(bytes: &[u8]) -> Result<Option<Package>> {
    let header = Header::parse(bytes)?;
    let name = header.word("name", NAME)?.ok_or_else(|| Error::missing("name of a package"))?;
    if name == KEY {
        return Ok(None);
    }
    header.package(&name).map(Some).map_err(|e| e.at_entry(&name))
}

struct Header<'b> {
    index: &'b [u8],
    data: &'b [u8],
}

impl<'b> Header<'b> {
    fn parse(bytes: &'b [u8]) -> Result<Self> {
        let wrong = |found: &str| Error::malformed("rpm's header", "an index and its data", found);
        if bytes.len() > MAX_HEADER {
            return Err(Error::limit("size of an rpm header", MAX_HEADER as u64, bytes.len()));
        }
        let count = number(bytes, 0).ok_or_else(|| wrong("its end"))? as usize;
        let length = number(bytes, 4).ok_or_else(|| wrong("its end"))? as usize;
        if count > MAX_ENTRIES {
            return Err(Error::limit("number of entries of an rpm header", MAX_ENTRIES as u64, count));
        }
        let split = bytes.get(8..).and_then(|rest| rest.split_at_checked(count * ENTRY));
        match split {
            Some((index, data)) if data.len() == length => Ok(Self { index, data }),
            _ => Err(wrong("another number of bytes")),
        }
    }

    fn package(&self, name: &str) -> Result<Package> {
        let need = |what: &'static str, tag| self.word(what, tag)?.ok_or_else(|| Error::missing(what));
        let (version, release) = (need("version", VERSION)?, need("release", RELEASE)?);
        // The same package without an epoch has the epoch 0, and is named without one.
        let epoch = self.int32(EPOCH)?.filter(|epoch| *epoch != 0).map_or(String::new(), |epoch| format!("{epoch}:"));
        Ok(Package {
            name: name.to_owned(),
            version: format!("{epoch}{version}-{release}"),
            architecture: need("architecture", ARCHITECTURE)?,
            source: self.word("source package", SOURCE_RPM)?,
            hash: self.word("hash of the header", SHA256_OF_HEADER)?.map(|hex| format!("sha256-header:{hex}")),
            built: self.int32(BUILD_TIME)?.map(i64::from),
        })
    }

    /// The type, offset and count of a tag: the first entry that has it.
    fn find(&self, tag: u32) -> Option<(u32, usize, u32)> {
        let entry = self.index.chunks_exact(ENTRY).find(|entry| number(entry, 0) == Some(tag))?;
        Some((number(entry, 4)?, number(entry, 8)? as usize, number(entry, 12)?))
    }

    fn word(&self, what: &'static str, tag: u32) -> Result<Option<String>> {
        let Some((kind, at, count)) = self.find(tag) else { return Ok(None) };
        let text = self.data.get(at..).and_then(|rest| rest.split(|byte| *byte == 0).next().map(|text| (text, rest)));
        match text {
            Some((text, rest)) if (kind, count) == (STRING, 1) && text.len() < rest.len() => word(what, text).map(Some),
            _ => Err(Error::malformed(what, "a text that ends with a zero", format!("type {kind} at {at}"))),
        }
    }

    fn int32(&self, tag: u32) -> Result<Option<u32>> {
        let Some((kind, at, count)) = self.find(tag) else { return Ok(None) };
        let value = number(self.data, at).filter(|_| (kind, count) == (INT32, 1));
        let wrong = || Error::malformed("number in an rpm header", "one of 32 bits", format!("type {kind} at {at}"));
        value.map(Some).ok_or_else(wrong)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A header with these texts and numbers.
    pub(crate) fn made(texts: &[(u32, &str)], numbers: &[(u32, u32)]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        let mut entry = |tag: u32, kind: u32, at: usize| {
            for value in [tag, kind, at as u32, 1] {
                index.extend(value.to_be_bytes());
            }
        };
        for (tag, value) in numbers {
            entry(*tag, INT32, data.len());
            data.extend(value.to_be_bytes());
        }
        for (tag, text) in texts {
            entry(*tag, STRING, data.len());
            data.extend(text.as_bytes());
            data.push(0);
        }
        let count = (index.len() / ENTRY) as u32;
        [&count.to_be_bytes()[..], &(data.len() as u32).to_be_bytes(), &index, &data].concat()
    }

    pub(crate) fn bash() -> Vec<u8> {
        let texts = [
            (NAME, "bash"),
            (VERSION, "5.2.26"),
            (RELEASE, "3.fc40"),
            (ARCHITECTURE, "x86_64"),
            (SOURCE_RPM, "bash-5.2.26-3.fc40.src.rpm"),
            (SHA256_OF_HEADER, "00ff"),
        ];
        made(&texts, &[(EPOCH, 2), (BUILD_TIME, 1_706_000_000)])
    }

    #[test]
    fn a_package_is_read() {
        let package = header(&bash()).unwrap().unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("bash", "2:5.2.26-3.fc40"));
        assert_eq!((package.built, package.hash.as_deref()), (Some(1_706_000_000), Some("sha256-header:00ff")));
        let key = made(&[(NAME, KEY), (VERSION, "a15b79cc")], &[]);
        assert_eq!(header(&key).unwrap(), None);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let whole = bash();
        for length in 0..whole.len() {
            header(&whole[..length]).unwrap_err();
        }
        header(&[whole.as_slice(), b"x"].concat()).unwrap_err();
        header(&made(&[(NAME, "a")], &[])).unwrap_err();
        header(&made(&[(NAME, "a\nb")], &[])).unwrap_err();
        let mut far = whole.clone();
        far[8 + 8..8 + 12].copy_from_slice(&u32::MAX.to_be_bytes());
        header(&far).unwrap_err();
        header(&[0xff; 64]).unwrap_err();
    }
}
