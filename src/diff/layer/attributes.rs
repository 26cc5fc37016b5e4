//! What an entry has besides its header: attributes in PAX records, and more than one time.

use std::collections::{BTreeMap, BTreeSet};

use crate::causes::Class;
use crate::diff::layer::entries::{Comparer, Depth};
use crate::diff::layer::record::Record;
use crate::diff::model::{Difference, Value};
use crate::tar::Field;

/// PAX records that nobody who unpacks an image reads.
const IDLE_KEYS: [&[u8]; 7] =
    [b"comment", b"SCHILY.dev", b"SCHILY.ino", b"SCHILY.nlink", b"RHT.security.selinux", b"hdrcharset", b"charset"];

impl Comparer<'_, '_> {
    pub(crate) fn pax(&mut self, a: &Record, b: &Record) {
        if a.rare().pax == b.rare().pax {
            return;
        }
        // Of several records of one key the last counts.
        let records =
            |record: &Record| -> BTreeMap<Box<[u8]>, Box<[u8]>> { record.rare().pax.iter().cloned().collect() };
        let sides = [records(a), records(b)];
        let keys: BTreeSet<&Box<[u8]>> = sides.iter().flat_map(BTreeMap::keys).collect();
        for key in keys {
            let values = sides.each_ref().map(|side| side.get(key).cloned());
            if values[0] == values[1] {
                continue;
            }
            let xattr = key.strip_prefix(b"SCHILY.xattr.").or_else(|| key.strip_prefix(b"LIBARCHIVE.xattr."));
            let is_idle = IDLE_KEYS.contains(&&**key) && xattr.is_none();
            if is_idle && self.depth == Depth::Files {
                continue;
            }
            let class = if is_idle { Class::Format } else { Class::Content };
            let field = match xattr {
                Some(name) => format!("xattr {}", crate::error::printable(name)),
                None => format!("PAX {}", crate::error::printable(key)),
            };
            let values = values.map(|value| value.map(|value| Value::bytes(&value)));
            self.findings.push(Difference::new(class, self.place, field, values).at(a.shared_path()));
        }
    }

    pub(crate) fn times(&mut self, a: &Record, b: &Record) {
        if a.rare().times != b.rare().times {
            let fields = a.rare().times.iter().chain(b.rare().times.iter()).map(|(field, _)| *field);
            let mut known = Vec::new();
            for field in fields {
                if known.contains(&field) {
                    continue;
                }
                known.push(field);
                let value = |record: &Record| {
                    record.rare().times.iter().find(|(own, _)| *own == field).map(|(_, value)| Value::Time(*value))
                };
                let values = [value(a), value(b)];
                // A header of its own for a time: that there is one more is told by the time it holds.
                if values[0] != values[1] && !(field.is_of_extension() && values.iter().any(Option::is_none)) {
                    // Rewriting adds no time, and of those in PAX records takes out the mtime alone.
                    let restamps =
                        values.iter().all(Option::is_some) || matches!(field, Field::Pax { key: "mtime", .. });
                    let difference = Difference::new(Class::Time, self.place, field.to_string(), values);
                    self.findings.push(difference.at(a.shared_path()).restamps(restamps));
                }
            }
        }
        for field in a.names_of_tar(b) {
            let difference = Difference::new(Class::Time, self.place, field, [None, None]);
            self.findings.push(difference.at(a.shared_path()).note("usually contains tar's process ID"));
        }
    }
}

/// Attributes that are not merely kept: no tar program's notes to itself.
pub(crate) fn meaningful(record: &Record) -> Vec<&(Box<[u8]>, Box<[u8]>)> {
    record.rare().pax.iter().filter(|(key, _)| !IDLE_KEYS.contains(&&**key)).collect()
}

pub(crate) fn has_xattrs(record: &Record) -> bool {
    record.rare().pax.iter().any(|(key, _)| key.windows(7).any(|part| part == b".xattr."))
}
