//! Reading the file that says who is trusted.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Rebuilder, Trust};
use crate::digest::Digest;
use crate::error::{Error, Result, printable, quoted};
use crate::signing::PublicKey;
use crate::statement::Equal;

/// The file, and each key, has at most so many bytes.
pub const MAX: u64 = 1 << 20;

/// What has to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Require {
    /// So many operators.
    pub threshold: usize,
    /// What counts: a statement of one of these.
    pub accept: Vec<Equal>,
    /// No statement that is older, in seconds.
    pub max_age: Option<i64>,
    /// No trusted statement that says otherwise.
    pub no_dissent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    require: RequireTable,
    #[serde(default)]
    rebuilder: Vec<RebuilderTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequireTable {
    threshold: usize,
    accept: Vec<String>,
    max_age: Option<String>,
    #[serde(default)]
    no_dissent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RebuilderTable {
    operator: String,
    id: String,
    keys: Vec<String>,
}

impl Trust {
    /// Reads the file. `key` reads a file of a key by its name, which is beside this one.
    ///
    /// # Errors
    ///
    /// If it is no such file, if a key can't be read, if two operators share a key, or if the threshold can't be reached.
    pub fn parse(bytes: &[u8], key: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|e| Error::malformed("trust file", "UTF-8", e))?;
        let file: File = toml::from_str(text).map_err(|e| {
            // Its message alone: the text around it may be that of another file, to which this name leads.
            let found = e.message().lines().next().unwrap_or_default().to_owned();
            let error = Error::malformed("trust file", "TOML with what docs/prove.md lists", found);
            error.at_offset(e.span().map_or(0, |span| span.start as u64))
        })?;
        let mut rebuilders = Vec::new();
        for table in file.rebuilder {
            let keys = table.keys.iter().map(|name| {
                let bytes = key(name)?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Error::malformed("public key", "PEM", "bytes that are no text"));
                text.and_then(|text| PublicKey::from_pem(&text)).map_err(|e| e.in_file(name))
            });
            let keys: Vec<PublicKey> = keys.collect::<Result<_>>()?;
            let rebuilder = Rebuilder { operator: table.operator, id: table.id, keys };
            check(&rebuilder)?;
            rebuilders.push(rebuilder);
        }
        one_owner(&rebuilders)?;
        let trust = Self { require: file.require.read()?, rebuilders, digest: Digest::sha256(bytes) };
        let operators = trust.operators().len();
        if trust.require.threshold > operators {
            let expected = format!("at most the number of operators in the file ({operators})");
            return Err(Error::malformed("threshold", expected, trust.require.threshold));
        }
        Ok(trust)
    }
}

impl RequireTable {
    fn read(self) -> Result<Require> {
        if self.threshold == 0 {
            return Err(Error::malformed("threshold", "at least 1", 0));
        }
        let expected = "\"identical\", or also \"after-restamping\"";
        let accept = self.accept.iter().map(|text| {
            let known = [Equal::Identical, Equal::AfterRestamping].into_iter().find(|equal| equal.name() == text);
            known.ok_or_else(|| Error::malformed("accept", expected, quoted(text.as_bytes())))
        });
        let accept: Vec<Equal> = accept.collect::<Result<_>>()?;
        if accept.is_empty() {
            return Err(Error::malformed("accept", expected, "nothing"));
        }
        let max_age = self.max_age.as_deref().map(duration).transpose()?;
        Ok(Require { threshold: self.threshold, accept, max_age, no_dissent: self.no_dissent })
    }
}

/// A number of days, hours or weeks, in seconds.
fn duration(text: &str) -> Result<i64> {
    let units = [('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(*unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse::<i64>().ok()?.checked_mul(*seconds)
    });
    let expected = "a number of hours, days or weeks, such as \"90d\"";
    parsed.filter(|seconds| *seconds > 0).ok_or_else(|| Error::malformed("max_age", expected, quoted(text.as_bytes())))
}

fn check(rebuilder: &Rebuilder) -> Result<()> {
    let operator = &rebuilder.operator;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    // It becomes the name of a folder.
    if operator.len() > 100
        || !operator.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !operator.bytes().all(is_plain)
    {
        let expected = "at most 100 letters, digits, hyphens, dots and underscores, a letter or digit first";
        return Err(Error::malformed("operator", expected, quoted(operator.as_bytes())));
    }
    if !rebuilder.id.contains(':') {
        return Err(Error::malformed("id of a rebuilder", "a URI", quoted(rebuilder.id.as_bytes())));
    }
    if rebuilder.keys.is_empty() {
        return Err(Error::malformed("keys of a rebuilder", "at least one", 0).at_entry(operator));
    }
    Ok(())
}

/// One key that serves two operators makes one operator of them, and so does a name in two cases.
fn one_owner(rebuilders: &[Rebuilder]) -> Result<()> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for rebuilder in rebuilders {
        let keys = rebuilder.keys.iter().map(|key| ("key", key.id().to_string()));
        let own = [("operator", rebuilder.operator.to_ascii_lowercase())];
        for (what, name) in keys.chain(own) {
            let owner = owners.entry(format!("{what} {name}")).or_insert(&rebuilder.operator);
            if *owner != rebuilder.operator {
                let found = format!("one of {owner} and {}", rebuilder.operator);
                return Err(
                    Error::malformed(what, "one of a single operator", found).at_entry(printable(name.as_bytes()))
                );
            }
        }
    }
    Ok(())
}
