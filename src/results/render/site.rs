//! Pure: what the lines of a log come to, by name and by image.

use std::collections::{BTreeMap, BTreeSet};

use super::names::split;
use crate::digest::Digest;
use crate::results::entry::{Entry, Verdict};
use crate::statement::time_of;

/// All of it.
#[derive(Debug)]
pub(super) struct Site<'e> {
    /// By name.
    pub names: Vec<Named<'e>>,
    /// The statements about each image, the oldest first.
    pub images: BTreeMap<Digest, Vec<&'e Entry>>,
    /// The time of the newest line: ages are counted from it, so that the same log gives the same pages.
    pub newest: Option<&'e str>,
}

/// What is known of a name.
#[derive(Debug)]
pub(super) struct Named<'e> {
    pub name: String,
    pub tags: BTreeSet<&'e str>,
    pub platforms: BTreeSet<&'e str>,
    /// Of the newest image for each platform.
    pub standing: Standing,
    pub newest: &'e str,
    /// Its images, the newest first.
    pub images: Vec<Image<'e>>,
}

/// An image that had the name.
#[derive(Debug)]
pub(super) struct Image<'e> {
    pub subject: Digest,
    pub platform: Option<&'e str>,
    pub tags: BTreeSet<&'e str>,
    pub newest: &'e str,
    pub standing: Standing,
}

/// What operators say, each by its newest line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The worst of what they say.
    pub verdict: Verdict,
    /// How many there are.
    pub operators: usize,
    /// So many of them say that it was not reproduced.
    pub against: usize,
    /// So many statements said that it was not, before the same operator said that it was.
    pub before: usize,
}

/// What operators say of one image.
#[derive(Debug, Default)]
struct Opinions<'e> {
    /// The newest verdict of each.
    newest: BTreeMap<&'e str, Verdict>,
    /// So many statements said that it was not reproduced, before the same operator said that it was.
    before: usize,
}

impl<'e> Opinions<'e> {
    /// Of statements about it, the oldest first.
    fn of(list: &[&'e Entry]) -> Self {
        let newest: BTreeMap<&str, Verdict> =
            list.iter().map(|entry| (entry.operator.as_str(), entry.verdict)).collect();
        let is_reproduced = |operator: &str| newest.get(operator).is_some_and(|verdict| verdict.is_reproduced());
        let before = list.iter().filter(|one| !one.verdict.is_reproduced() && is_reproduced(&one.operator)).count();
        Self { newest, before }
    }
}

impl Standing {
    fn of<'o, 'e: 'o>(images: impl Iterator<Item = &'o Opinions<'e>>) -> Self {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        let mut against: BTreeSet<&str> = BTreeSet::new();
        let (mut verdict, mut fewest, mut before) = (Verdict::Identical, usize::MAX, 0);
        for image in images {
            fewest = fewest.min(image.newest.len());
            before += image.before;
            for (operator, said) in &image.newest {
                verdict = verdict.max(*said);
                all.insert(operator);
                if !said.is_reproduced() {
                    against.insert(operator);
                }
            }
        }
        // Where it was reproduced, it was on each platform by so many.
        let operators = if against.is_empty() { fewest.min(all.len()) } else { all.len() };
        Self { verdict, operators, against: against.len(), before }
    }

    /// In a few words.
    pub fn text(&self) -> String {
        format!("{}{}", word(self.verdict), self.rest())
    }

    /// What follows the verdict.
    pub fn rest(&self) -> String {
        let operators = if self.operators == 1 { "operator" } else { "operators" };
        match self.against {
            0 => format!(", {} {operators}", self.operators),
            against => format!(" for {against} of {} {operators}", self.operators),
        }
    }
}

/// A verdict as a word.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical => "identical",
        Verdict::AfterRestamping => "same after restamping",
        Verdict::Warned => "differs",
        Verdict::Failed => "failed",
    }
}

impl<'e> Site<'e> {
    pub fn of(entries: &'e [Entry]) -> Self {
        let mut images: BTreeMap<Digest, Vec<&Entry>> = BTreeMap::new();
        let mut names: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            images.entry(entry.subject).or_default().push(entry);
            names.entry(name_of(entry)).or_default().push(entry);
        }
        for list in images.values_mut().chain(names.values_mut()) {
            list.sort_by_key(|entry| (seconds(&entry.time), entry.seq));
        }
        // Once for each image, however many names it has.
        let opinions = images.iter().map(|(subject, list)| (*subject, Opinions::of(list))).collect();
        let names = names.into_iter().map(|(name, list)| named(name, &list, &opinions)).collect();
        Self { names, images, newest: newest(entries.iter()) }
    }

    /// So many images were not reproduced, by anyone's newest line.
    pub fn failing(&self) -> usize {
        self.images.values().filter(|list| !standing(list).verdict.is_reproduced()).count()
    }
}

/// What operators say of one image.
pub(super) fn standing(list: &[&Entry]) -> Standing {
    Standing::of([Opinions::of(list)].iter())
}

/// The name that a line counts for, without its tag.
pub(super) fn name_of(entry: &Entry) -> String {
    entry.name.as_deref().map_or_else(|| entry.subject.to_string(), |name| split(name).0.to_owned())
}

fn named<'e>(name: String, list: &[&'e Entry], all: &BTreeMap<Digest, Opinions<'e>>) -> Named<'e> {
    let mut by_image: BTreeMap<Digest, Vec<&Entry>> = BTreeMap::new();
    for entry in list {
        by_image.entry(entry.subject).or_default().push(entry);
    }
    let mut images: Vec<((i64, u64), Image<'_>)> = Vec::with_capacity(by_image.len());
    for (subject, list) in by_image {
        let newest = newest(list.iter().copied()).unwrap_or_default();
        let last = list.iter().map(|entry| entry.seq).max().unwrap_or_default();
        let image = Image {
            subject,
            platform: list.iter().rev().find_map(|entry| entry.platform.as_deref()),
            tags: tags(&list),
            newest,
            standing: Standing::of(all.get(&subject).into_iter()),
        };
        images.push(((seconds(newest), last), image));
    }
    images.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    let images: Vec<Image<'_>> = images.into_iter().map(|(_, image)| image).collect();
    let mut seen = BTreeSet::new();
    let current = images.iter().filter(|image| seen.insert(image.platform)).filter_map(|image| all.get(&image.subject));
    let standing = Standing::of(current);
    Named {
        name,
        tags: tags(list),
        platforms: list.iter().filter_map(|entry| entry.platform.as_deref()).collect(),
        standing,
        newest: newest(list.iter().copied()).unwrap_or_default(),
        images,
    }
}

fn tags<'e>(list: &[&'e Entry]) -> BTreeSet<&'e str> {
    list.iter().filter_map(|entry| split(entry.name.as_deref()?).1).collect()
}

fn newest<'e>(entries: impl Iterator<Item = &'e Entry>) -> Option<&'e str> {
    entries.map(|entry| entry.time.as_str()).max_by_key(|time| seconds(time))
}

/// Lines were replayed, so that their times are times.
fn seconds(time: &str) -> i64 {
    time_of(time, "time").unwrap_or_default()
}

/// How long a time was before another, in words.
pub(super) fn age(time: &str, newest: &str) -> String {
    match seconds(newest).saturating_sub(seconds(time)) / 86_400 {
        0 => "less than a day before the newest result".to_owned(),
        1 => "1 day before the newest result".to_owned(),
        days => format!("{days} days before the newest result"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, name: &str, subject: u8, operator: &str, verdict: Verdict) -> Entry {
        Entry {
            seq,
            prev: None,
            subject: Digest::sha256(&[subject]),
            name: Some(name.to_owned()),
            platform: Some("linux/amd64".to_owned()),
            verdict,
            operator: operator.to_owned(),
            time: crate::statement::time_text(1_700_000_000 + 86_400 * seq as i64).unwrap(),
            bundle: Digest::sha256(&seq.to_le_bytes()),
            path: String::new(),
            report: None,
        }
    }

    #[test]
    fn many_names_of_one_image_take_time_that_grows_with_them_alone() {
        let entries: Vec<Entry> =
            (1..=30_000).map(|seq| entry(seq, &format!("r/{seq}"), 1, "a", Verdict::Identical)).collect();
        let other: Vec<Entry> = (1_u64..=30_000)
            .map(|seq| Entry {
                subject: Digest::sha256(&seq.to_le_bytes()),
                ..entry(seq, "r/x", 1, "a", Verdict::Identical)
            })
            .collect();
        let start = std::time::Instant::now();
        assert_eq!(Site::of(&entries).names.len(), 30_000);
        assert_eq!(Site::of(&other).images.len(), 30_000);
        // The square of it would be minutes.
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn the_newest_line_of_each_operator_counts_and_the_worst_of_them() {
        use Verdict::{AfterRestamping, Failed, Identical};
        let entries = [
            entry(1, "r/app:1", 1, "a", Failed),
            entry(2, "r/app:1", 1, "a", Identical),
            entry(3, "r/app:2", 2, "a", Identical),
            entry(4, "r/app:2", 2, "b", Failed),
        ];
        let site = Site::of(&entries[..2]);
        assert_eq!(site.names[0].standing, Standing { verdict: Identical, operators: 1, against: 0, before: 1 });
        let site = Site::of(&entries[..3]);
        assert_eq!((site.names[0].images.len(), site.names[0].standing.against), (2, 0));
        let site = Site::of(&entries);
        let named = &site.names[0];
        assert_eq!(named.standing, Standing { verdict: Failed, operators: 2, against: 1, before: 0 });
        assert_eq!(named.tags.iter().copied().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((site.failing(), site.newest), (1, Some("2023-11-18T22:13:20Z")));
        assert_eq!(age(&entries[0].time, &entries[3].time), "3 days before the newest result");
        // Another platform, which fewer have reproduced.
        let mut other = entry(5, "r/app:2", 3, "b", AfterRestamping);
        other.platform = Some("linux/arm64".to_owned());
        let entries = [entries[2].clone(), entry(4, "r/app:2", 2, "b", Identical), other];
        let standing = &Site::of(&entries).names[0].standing;
        assert_eq!(*standing, Standing { verdict: AfterRestamping, operators: 1, against: 0, before: 0 });
    }
}
