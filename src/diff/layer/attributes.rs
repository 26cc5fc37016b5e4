//! What an entry has besides its header: attributes in PAX records, and more than one time.

use std::collections::{BTreeMap, BTreeSet};

use crate::causes::Class;
use crate::diff::layer::entries::{Comparer, Depth};
use crate::diff::layer::record::{Record, is_idle_key};
use crate::diff::model::{Difference, Value};
use crate::tar::Field;

impl Comparer<'_, '_> {
    pub(crate) fn pax(&mut self, a: &Record, b: &Record) {
        if a.extra().pax == b.extra().pax {
            return;
        }
        // Of several records of one key the last counts.
        let records =
            |record: &Record| -> BTreeMap<Box<[u8]>, Box<[u8]>> { record.extra().pax.iter().cloned().collect() };
        let sides = [records(a), records(b)];
        let keys: BTreeSet<&Box<[u8]>> = sides.iter().flat_map(BTreeMap::keys).collect();
        for key in keys {
            let values = sides.each_ref().map(|side| side.get(key).cloned());
            if values[0] == values[1] {
                continue;
            }
            let xattr = key.strip_prefix(b"SCHILY.xattr.").or_else(|| key.strip_prefix(b"LIBARCHIVE.xattr."));
            let is_idle = is_idle_key(key);
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
        if a.extra().times != b.extra().times {
            let fields = a.extra().times.iter().chain(b.extra().times.iter()).map(|(field, _)| *field);
            let mut known = Vec::new();
            for field in fields {
                if known.contains(&field) {
                    continue;
                }
                known.push(field);
                let value = |record: &Record| {
                    record.extra().times.iter().find(|(own, _)| *own == field).map(|(_, value)| Value::Time(*value))
                };
                let values = [value(a), value(b)];
                // One more header that only holds a time: the difference of that time is enough.
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
