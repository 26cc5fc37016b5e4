//! What belongs to no single entry: the order of entries, global headers, the end.

use std::collections::BTreeMap;

use crate::causes::Class;
use crate::diff::layer::entries::{Comparer, Depth};
use crate::diff::layer::links::order_that_matters;
use crate::diff::layer::path::normal;
use crate::diff::layer::record::{Record, Records};
use crate::diff::mend::{Mend, MendSet, Mends};
use crate::diff::model::{Difference, Value};
use crate::diff::pair::align::in_order;
use crate::tar::Field;

impl Comparer<'_, '_> {
    pub(crate) fn order(&mut self, pairs: &[[Option<&Record>; 2]]) {
        let mut common: Vec<(u32, u32, &[u8])> = pairs
            .iter()
            .filter_map(|pair| match pair {
                [Some(a), Some(b)] => Some((a.number, b.number, a.path())),
                _ => None,
            })
            .collect();
        common.sort_unstable_by_key(|(a, _, _)| *a);
        let sequence: Vec<usize> = common.iter().map(|(_, b, _)| *b as usize).collect();
        let moved = sequence.len() - in_order(&sequence);
        if moved == 0 {
            return;
        }
        let mut sorted = sequence.clone();
        sorted.sort_unstable();
        let first = sequence.iter().zip(&sorted).position(|(a, b)| a != b).and_then(|at| common.get(at));
        let path = first.map_or(&b""[..], |(_, _, path)| path);
        let note = format!(
            "{moved} of {} entries are in another place, the first is {}",
            common.len(),
            crate::error::printable(path)
        );
        if let Some([first, second]) = order_that_matters(pairs) {
            let [first, second] = [first, second].map(|record| crate::error::printable(record.path()));
            let note = format!("{note}; the result depends on the order of {first} and {second}");
            let difference = Difference::new(Class::Content, self.place, "order of entries", [None, None]);
            self.findings.push(difference.note(note));
            return;
        }
        let difference = Difference::new(Class::Order, self.place, "order of entries", [None, None]);
        let mends = self.mends_of_order(pairs);
        self.findings.push(difference.note(note).mends(mends));
    }

    /// How another order goes away: by sorting, which is refused where a path comes twice and lets a hard link follow what it
    /// leads to, or because those that have other places are left out.
    fn mends_of_order(&self, pairs: &[[Option<&Record>; 2]]) -> Mends {
        if self.depth != Depth::Stream {
            return Mends::NONE;
        }
        let mut mends = Mends::NONE;
        let comes_once = |side: usize| {
            let own = || pairs.iter().filter_map(|pair| *pair.get(side)?);
            !own().zip(own().skip(1)).any(|(x, y)| x.path() == y.path())
        };
        let target = |record: &Record| record.is_hard_link().then(|| normal(&record.extra().link).into_owned());
        let links_agree = pairs.iter().all(|pair| match pair {
            [Some(a), Some(b)] => target(a) == target(b),
            _ => true,
        });
        if comes_once(0) && comes_once(1) && links_agree {
            mends = mends.or(MendSet::of(&[Mend::Order]));
        }
        let mut left: Vec<(u32, u32, Option<Mend>)> = Vec::new();
        for pair in pairs {
            if let [Some(a), Some(b)] = pair {
                left.push((a.number, b.number, self.omission(*pair)));
            }
        }
        left.sort_unstable_by_key(|(a, _, _)| *a);
        for way in [&[Mend::Caches][..], &[Mend::Logs], &[Mend::Caches, Mend::Logs]] {
            let stays = |omission: &Option<Mend>| omission.is_none_or(|mend| !way.contains(&mend));
            if left.iter().filter(|(_, _, omission)| stays(omission)).is_sorted_by_key(|(_, b, _)| *b) {
                mends = mends.or(MendSet::of(way));
            }
        }
        mends
    }

    pub(crate) fn stream(&mut self, layers: [&Records; 2]) {
        let [a, b] = layers;
        if a.globals != b.globals {
            let text = |records: &Records| {
                let all = records.globals.iter().map(|(key, value)| [&**key, b"=", value].concat());
                let all: Vec<Vec<u8>> = all.collect();
                (!all.is_empty()).then(|| Value::bytes(&all.join(&b' ')))
            };
            self.findings.push(Difference::new(Class::Format, self.place, "global PAX header", [text(a), text(b)]));
        }
        if a.global_times != b.global_times {
            self.global_times(layers);
        }
        if a.unmodelled != b.unmodelled && a.globals == b.globals {
            let text = "headers without an entry, written in another way";
            let difference = Difference::new(Class::Format, self.place, "extension headers", [None, None]);
            self.findings.push(difference.note(text));
        }
        // Another number of zeros that fill up a record follows from the difference that changed the size; but it is
        // reported where all else goes away when both are rewritten, as it stays.
        let follows = || self.findings.differences.iter().any(|other| other.place == self.place && !other.restamps);
        if a.rest != b.rest {
            let text = |records: &Records| {
                let what = if records.rest.1.is_none() { "zeros" } else { "not all zero" };
                Some(Value::text(format!("{} bytes, {what}", records.rest.0)))
            };
            let difference = Difference::new(Class::Format, self.place, "end of archive", [text(a), text(b)]);
            if is_blocking(layers) && follows() {
                self.findings.follows.push(difference);
            } else {
                self.findings.push(difference);
            }
        }
    }

    fn global_times(&mut self, layers: [&Records; 2]) {
        let fields: BTreeMap<String, Field> =
            layers.iter().flat_map(|l| &l.global_times).map(|(field, _)| (field.to_string(), *field)).collect();
        for (name, field) in fields {
            let all = layers.map(|layer| {
                let own = layer.global_times.iter().filter(|(other, _)| *other == field);
                own.map(|(_, value)| *value).collect::<Vec<_>>()
            });
            if all[0] == all[1] {
                continue;
            }
            // Rewriting adds no record and takes none out.
            let restamps = all[0].len() == all[1].len();
            let first = all[0].iter().zip(&all[1]).position(|(x, y)| x != y).unwrap_or(all[0].len().min(all[1].len()));
            let values = all.map(|values| values.get(first).copied().map(Value::Time));
            self.findings.push(Difference::new(Class::Time, self.place, name, values).restamps(restamps));
        }
    }
}

/// Do the zeros at the end only fill up a record of 20 blocks, as tar writes them? Then their number follows from
/// what is before them.
fn is_blocking(layers: [&Records; 2]) -> bool {
    const RECORD: u64 = 20 * 512;
    layers.iter().all(|records| {
        let size = records.facts.as_ref().map(|facts| facts.uncompressed_size);
        records.rest.1.is_none() && records.rest.0 < RECORD && size.is_some_and(|size| size.is_multiple_of(RECORD))
    })
}
