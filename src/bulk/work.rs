//! A plan as text: a line that says how, then one line for each image.

use std::io::{BufRead, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result, printable, quoted};
use crate::layer::FORM;
use crate::registry::RegistryName;

/// The version of the format.
const SCHEMA: u32 = 1;
/// Bytes of a line.
const LINE: u64 = 1 << 20;

/// The first line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    schema: u32,
    /// The options of `restamp rewrite`, as they are typed.
    arguments: Vec<String>,
    /// What tells these options from others.
    options: String,
}

/// One image: where it is, pinned, and where the new one goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// `HOST/REPOSITORY@DIGEST`
    pub src: String,
    /// `HOST/REPOSITORY:TAG`
    pub dst: String,
    /// What tells the options from others.
    pub options: String,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkList {
    /// The options of `restamp rewrite`, as they are typed.
    pub arguments: Vec<String>,
    /// In the order of the plan.
    pub works: Vec<Work>,
}

/// The last line of a plan: one that was broken off has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    images: u64,
}

/// What tells options from others: a run with other ones, or of another form, makes other images.
pub(super) fn options_hash(arguments: &[String]) -> String {
    let mut text = format!("form {FORM}");
    for argument in arguments {
        text.push('\0');
        text.push_str(argument);
    }
    Digest::sha256(text.as_bytes()).hex()
}

/// Writes the first line.
pub(super) fn write_head(arguments: &[String], out: &mut dyn Write) -> Result<()> {
    let head = Head { schema: SCHEMA, arguments: arguments.to_vec(), options: options_hash(arguments) };
    write_line(&head, out)
}

/// Writes the last line.
pub(super) fn write_end(images: u64, out: &mut dyn Write) -> Result<()> {
    write_line(&End { images }, out)
}

pub(super) fn write_line(line: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    let mut text = serde_json::to_vec(line).map_err(|e| Error::refused(format!("cannot write JSON: {e}")))?;
    text.push(b'\n');
    out.write_all(&text).map_err(|e| Error::io("cannot write", e))
}

impl WorkList {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is none: the line and what is wrong with it.
    pub fn read(reader: &mut dyn BufRead) -> Result<Self> {
        let mut list = Self { arguments: Vec::new(), works: Vec::new() };
        let (mut options, mut end) = (None, None);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let count = std::io::Read::take(&mut *reader, LINE).read_until(b'\n', &mut line);
            if count.map_err(|e| Error::io("cannot read", e))? == 0 {
                break;
            }
            let at = |e: Error| e.at_entry(format!("line {number}"));
            if line.last() != Some(&b'\n') && line.len() as u64 == LINE {
                return Err(at(Error::limit("length of a line in bytes", LINE, "more")));
            }
            let wrong = |e: serde_json::Error| at(Error::malformed("plan", "a line of restamp bulk plan", e));
            let Some(hash) = &options else {
                let head: Head = serde_json::from_slice(&line).map_err(wrong)?;
                if head.schema != SCHEMA {
                    return Err(at(Error::malformed("schema", SCHEMA.to_string(), head.schema)));
                }
                if head.options != options_hash(&head.arguments) {
                    let text = "the plan is of another form of restamp, or was changed by hand: plan again";
                    return Err(at(Error::refused(text)));
                }
                list.arguments = head.arguments;
                options = Some(head.options);
                continue;
            };
            if end.is_some() {
                return Err(at(Error::malformed("plan", "nothing after its last line", "more")));
            }
            if let Ok(End { images }) = serde_json::from_slice(&line) {
                end = Some(images);
                continue;
            }
            let work: Work = serde_json::from_slice(&line).map_err(wrong)?;
            if work.options != *hash {
                return Err(at(Error::malformed("options", hash.clone(), printable(work.options.as_bytes()))));
            }
            work.names().map_err(at)?;
            list.works.push(work);
        }
        if options.is_none() {
            return Err(Error::refused("the plan is empty: did restamp bulk plan fail?"));
        }
        if end != Some(list.works.len() as u64) {
            return Err(Error::refused("the plan has no end: restamp bulk plan failed, or it was not copied whole"));
        }
        Ok(list)
    }
}

impl Work {
    /// Where the image is, and where it goes.
    ///
    /// # Errors
    ///
    /// If one is no name of that kind.
    pub fn names(&self) -> Result<(RegistryName, RegistryName)> {
        let (src, dst): (RegistryName, RegistryName) = (self.src.parse()?, self.dst.parse()?);
        if src.digest().is_none() {
            return Err(Error::malformed("src", "HOST/REPOSITORY@DIGEST", quoted(&self.src)));
        }
        if dst.digest().is_some() {
            return Err(Error::malformed("dst", "HOST/REPOSITORY:TAG", quoted(&self.dst)));
        }
        Ok((src, dst))
    }
}

/// A part of a plan: all images of a repository are in the same one, so that layers that they share meet one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Part number `index`, from 0, of `count`.
    ///
    /// # Errors
    ///
    /// If there is no such part.
    pub fn new(index: u64, count: u64) -> Result<Self> {
        if index >= count {
            return Err(Error::malformed("shard", "I/N with I from 0 to N - 1", format!("{index}/{count}")));
        }
        Ok(Self { index, count })
    }

    /// Is this repository in it?
    pub fn has(&self, name: &RegistryName) -> bool {
        let digest = Digest::sha256(name.full_repository().as_bytes());
        let number = digest.bytes().iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        number % self.count == self.index
    }

    /// `I-of-N`, for a file.
    pub(super) fn name(&self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// `I/N`
    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) =
            parsed.ok_or_else(|| Error::malformed("shard", "I/N with I from 0 to N - 1", quoted(text)))?;
        Self::new(index, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_says_what_is_wrong() {
        let arguments = vec!["--epoch".to_owned(), "created".to_owned()];
        let digest = Digest::sha256(b"");
        let work = Work {
            src: format!("r.example/a@{digest}"),
            dst: "r.example/b:1".to_owned(),
            options: options_hash(&arguments),
        };
        let mut text = Vec::new();
        write_head(&arguments, &mut text).unwrap();
        write_line(&work, &mut text).unwrap();
        write_end(1, &mut text).unwrap();
        let list = WorkList::read(&mut &text[..]).unwrap();
        assert_eq!((list.arguments, list.works), (arguments, vec![work]));
        let text = String::from_utf8(text).unwrap();
        for (bad, part) in [
            (text.replace("created", "0"), "changed by hand"),
            (text.replace("\"schema\":1", "\"schema\":2"), "line 1"),
            (format!("{text}{{}}\n"), "line 4"),
            (format!("{text}x"), "line 4"),
            (text.replace("{\"images\":1}\n", ""), "no end"),
            (text.replace("{\"images\":1}", "{\"images\":2}"), "no end"),
            (text.replace("{\"images\":1}", "{}"), "line 3"),
            (text.replace(&format!("@{digest}"), ":1"), "DIGEST"),
            (String::new(), "empty"),
        ] {
            let error = WorkList::read(&mut bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_repository_is_in_one_shard() {
        for number in 0..200 {
            let name: RegistryName = format!("r.example/team/app-{number}:x").parse().unwrap();
            let other: RegistryName = format!("r.example/team/app-{number}:y").parse().unwrap();
            let of = |name: &RegistryName| {
                (0..7).filter(|index| Shard::new(*index, 7).unwrap().has(name)).collect::<Vec<_>>()
            };
            assert_eq!((of(&name).len(), of(&name)), (1, of(&other)));
            assert!(Shard::WHOLE.has(&name));
        }
        for bad in ["1/1", "0/0", "-1/2", "1", "a/b", ""] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
