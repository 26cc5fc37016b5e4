//! Which options of `restamp rewrite` make a difference go away.
//!
//! A [`Mends`] is a condition on the options that are chosen: one of a few sets of them has to be. A file in which gzip
//! and tar times differ needs two options, or one that leaves it out. Only certain remedies are named: in doubt,
//! nothing mends it.

use std::collections::BTreeSet;

use crate::causes::Omit;

/// Something that rewriting does, by an option or without one. Of several ways that are equally short the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mend {
    /// What every rewriting does.
    Rewrite,
    TimeKey,
    NumericOwner,
    Name,
    Compression,
    Gzip,
    Zip,
    Ar,
    Tar,
    Jks,
    Jsa,
    Opcache,
    Bootsnap,
    Order,
    Attestations,
    Signatures,
    Caches,
    Logs,
}

impl Mend {
    /// All of them but [`Mend::Rewrite`].
    const OPTIONS: [Self; 17] = [
        Self::TimeKey,
        Self::NumericOwner,
        Self::Name,
        Self::Compression,
        Self::Gzip,
        Self::Zip,
        Self::Ar,
        Self::Tar,
        Self::Jks,
        Self::Jsa,
        Self::Opcache,
        Self::Bootsnap,
        Self::Order,
        Self::Attestations,
        Self::Signatures,
        Self::Caches,
        Self::Logs,
    ];

    /// The list of files that may be left out.
    pub(crate) fn of_list(list: Omit) -> Self {
        match list {
            Omit::Logs => Self::Logs,
            Omit::Caches => Self::Caches,
        }
    }

    /// The option and its value; of those that take a list a part of it.
    fn option(self) -> (&'static str, &'static str) {
        match self {
            Self::Rewrite => ("", ""),
            Self::TimeKey => ("--time-key", "KEY"),
            Self::NumericOwner => ("--numeric-owner", ""),
            Self::Name => ("--name", "NAME"),
            Self::Compression => ("--compression", "gzip"),
            Self::Gzip => ("--repair", "gzip"),
            Self::Zip => ("--repair", "zip"),
            Self::Ar => ("--repair", "ar"),
            Self::Tar => ("--repair", "tar"),
            Self::Jks => ("--repair", "jks"),
            Self::Jsa => ("--repair", "jsa"),
            Self::Opcache => ("--repair", "opcache"),
            Self::Bootsnap => ("--repair", "bootsnap"),
            Self::Order => ("--order", "name"),
            Self::Attestations => ("--attestations", "drop"),
            Self::Signatures => ("--signatures", "drop"),
            Self::Caches => ("--omit", "caches"),
            Self::Logs => ("--omit", "logs"),
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct MendSet(u32);

impl MendSet {
    pub(crate) fn of(mends: &[Mend]) -> Self {
        Self(mends.iter().fold(Mend::Rewrite.bit(), |set, mend| set | mend.bit()))
    }

    pub(crate) fn with(self, mend: Mend) -> Self {
        Self(self.0 | mend.bit())
    }

    pub(crate) fn has(self, mend: Mend) -> bool {
        self.0 & mend.bit() != 0
    }

    #[must_use]
    pub(crate) fn less(self, mend: Mend) -> Self {
        Self(self.0 & !mend.bit())
    }

    fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The options, in their order.
    pub(crate) fn options(self) -> impl Iterator<Item = Mend> {
        Mend::OPTIONS.into_iter().filter(move |mend| self.has(*mend))
    }

    /// As arguments of `restamp rewrite`, those of one list as one. `values` are those of options that are not listed here.
    pub(crate) fn arguments(self, values: impl Fn(Mend) -> Vec<String>) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut before = "";
        for mend in self.options() {
            let (name, value) = mend.option();
            match mend {
                Mend::TimeKey | Mend::Name => words.extend(values(mend).into_iter().flat_map(|v| [name.to_owned(), v])),
                Mend::Logs
                | Mend::Caches
                | Mend::Gzip
                | Mend::Zip
                | Mend::Ar
                | Mend::Tar
                | Mend::Jks
                | Mend::Jsa
                | Mend::Opcache
                | Mend::Bootsnap
                    if name == before =>
                {
                    if let Some(list) = words.last_mut() {
                        *list = format!("{list},{value}");
                    }
                }
                _ => {
                    words.push(name.to_owned());
                    words.extend((!value.is_empty()).then(|| value.to_owned()));
                }
            }
            before = name;
        }
        words
    }
}

/// So many ways there may be to make one difference go away.
const WAYS: usize = 4;

/// The ways in which a difference goes away; none where it stays whatever is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Mends([MendSet; WAYS]);

impl Mends {
    pub(crate) const NONE: Self = Self([MendSet(0); WAYS]);

    /// One option does.
    pub(crate) fn by(mend: Mend) -> Self {
        Self::by_all(MendSet::of(&[mend]))
    }

    /// These do together.
    pub(crate) fn by_all(set: MendSet) -> Self {
        Self::NONE.or(set.with(Mend::Rewrite))
    }

    /// Or these together; beyond [`WAYS`] no more are kept.
    #[must_use]
    pub(crate) fn or(mut self, way: MendSet) -> Self {
        if !self.ways().any(|own| way.covers(own))
            && let Some(free) = self.0.iter_mut().find(|own| own.0 == 0)
        {
            *free = way;
        }
        self
    }

    /// Those that need none of these.
    #[must_use]
    pub(crate) fn without(self, others: MendSet) -> Self {
        let is_left = |way: &MendSet| way.options().all(|mend| !others.has(mend));
        self.ways().filter(is_left).fold(Self::NONE, Self::or)
    }

    /// Any of both.
    #[must_use]
    pub(crate) fn or_all(self, others: Self) -> Self {
        others.ways().fold(self, Self::or)
    }

    pub(crate) fn ways(&self) -> impl Iterator<Item = MendSet> {
        self.0.iter().copied().filter(|way| way.0 != 0)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.ways().next().is_none()
    }

    /// Does it go away by what these options do?
    pub(crate) fn are_met_by(&self, chosen: MendSet) -> bool {
        self.ways().any(|way| chosen.covers(way))
    }
}

/// The fewest options by which all of these go away that can, besides `always`.
pub(crate) fn fewest(all: &BTreeSet<Mends>, always: MendSet) -> MendSet {
    let always = always.with(Mend::Rewrite);
    let open: Vec<&Mends> = all.iter().filter(|mends| !mends.is_none() && !mends.are_met_by(always)).collect();
    let used = open.iter().flat_map(|mends| mends.ways()).fold(0, |used, way| used | way.0) & !always.0;
    let mut best: Option<(u32, u32)> = None;
    // Every part of what is used, up from none: there are 17 options.
    let mut part = 0u32;
    loop {
        let count = part.count_ones();
        if best.is_none_or(|best| (count, part) < best)
            && open.iter().all(|mends| mends.are_met_by(MendSet(always.0 | part)))
        {
            best = Some((count, part));
        }
        part = part.wrapping_sub(used) & used;
        if part == 0 {
            break;
        }
    }
    MendSet(always.0 | best.map_or(used, |(_, part)| part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mends(ways: &[&[Mend]]) -> Mends {
        ways.iter().fold(Mends::NONE, |mends, way| mends.or(MendSet::of(way)))
    }

    fn words(set: MendSet) -> String {
        set.arguments(|mend| vec![if mend == Mend::Name { "app:1" } else { "a.key" }.to_owned()]).join(" ")
    }

    #[test]
    fn the_fewest_options_are_found() {
        use Mend::{Caches, Gzip, Logs, Name, NumericOwner, Order, Tar, TimeKey, Zip};
        let of = |all: &[Mends]| words(fewest(&all.iter().copied().collect(), MendSet::default()));
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[Mends::by(Mend::Rewrite)]), "");
        assert_eq!(of(&[Mends::NONE, Mends::by(Gzip)]), "--repair gzip");
        assert_eq!(of(&[mends(&[&[Gzip], &[Logs]])]), "--repair gzip");
        assert_eq!(of(&[mends(&[&[Gzip], &[Logs]]), Mends::by(Logs)]), "--omit logs");
        assert_eq!(of(&[mends(&[&[Gzip, Tar], &[Caches]]), Mends::by(Zip)]), "--repair zip --omit caches");
        assert_eq!(of(&[mends(&[&[Order], &[Logs]]), Mends::by(Order)]), "--order name");
        let all = [NumericOwner, TimeKey, Name, Gzip, Zip, Logs, Caches].map(Mends::by);
        assert_eq!(of(&all), "--time-key a.key --numeric-owner --name app:1 --repair gzip,zip --omit caches,logs");
        let signed = fewest(&BTreeSet::new(), MendSet::of(&[Mend::Signatures]));
        assert_eq!(words(signed), "--signatures drop");
    }

    #[test]
    fn a_longer_way_is_none_beside_a_shorter_one() {
        assert_eq!(mends(&[&[Mend::Gzip], &[Mend::Gzip, Mend::Tar]]), Mends::by(Mend::Gzip));
        assert!(Mends::NONE.is_none() && !Mends::NONE.are_met_by(MendSet(u32::MAX)));
    }

    proptest! {
        #[test]
        fn all_go_away_and_no_option_is_too_many(
            all in proptest::collection::btree_set(proptest::collection::vec(1u32..1 << 18, 1..4), 0..6),
        ) {
            let all: BTreeSet<Mends> =
                all.iter().map(|ways| ways.iter().fold(Mends::NONE, |mends, way| mends.or(MendSet(way | 1)))).collect();
            let chosen = fewest(&all, MendSet::default());
            prop_assert!(all.iter().all(|mends| mends.are_met_by(chosen)));
            for mend in chosen.options() {
                let less = MendSet(chosen.0 & !mend.bit());
                prop_assert!(!all.iter().all(|mends| mends.are_met_by(less)), "{mend:?}");
            }
        }
    }
}
