//! An epoch that is read from the image itself: from a label, from `created`, or from its base.

use std::collections::BTreeMap;

use super::base::{self, Base};
use super::documents::ImageConfig;
use super::{Image, ImageSet, Select};
use crate::clock::{Clock, DocumentTime, EpochSource};
use crate::document::TimeKeys;
use crate::document::config::Config;
use crate::document::times::{Reading, TimeKind};
use crate::error::{Error, Result, printable, quoted};
use crate::stamp::{Epoch, Instant, Stamp};
use crate::store::open::Source;

/// More values than that are counted.
const NAMED_MAX: usize = 10;

/// The stamp of a clock, for the images that are selected: all of them have to name the same time.
///
/// # Errors
///
/// If one of them lacks what the epoch is to be read from, if they differ in it, or if it is no time that an epoch can be.
pub fn stamp(source: &Source, select: &Select, base: &Base, clock: &Clock) -> Result<Stamp> {
    if let Some(stamp) = clock.stamp() {
        return Ok(stamp);
    }
    if matches!((&clock.epoch, base), (EpochSource::Base, Base::None)) {
        return Err(Error::refused("--epoch base: needs the base: give --base IMAGE or --base-layers N"));
    }
    let in_file = |e: Error| e.in_file(source.name());
    let mut set = ImageSet::load(source)?;
    set.select(select).map_err(in_file)?;
    let mut found: BTreeMap<Epoch, Vec<String>> = BTreeMap::new();
    for image in set.images.iter().filter(|image| image.is_listed()) {
        let epoch = of_image(image, base, &clock.epoch).map_err(|e| in_file(e.in_blob(image.config_digest)))?;
        found.entry(epoch).or_default().push(label(image));
    }
    let mut epochs = found.keys();
    match (epochs.next(), epochs.next()) {
        (Some(epoch), None) => Ok(Stamp { epoch: *epoch, rule: clock.rule }),
        (None, _) => {
            // What is wrong with it may be why.
            set.sound().map_err(in_file)?;
            let text = format!("--epoch {}: there is no image to read it from; give --epoch in seconds", clock.epoch);
            Err(in_file(Error::refused(text)))
        }
        (Some(_), Some(_)) => Err(in_file(several(&clock.epoch, &found))),
    }
}

/// Succeeds if the epoch that is read from the image is the same once the image is rewritten: a rewrite of what was rewritten
/// changes nothing.
///
/// # Errors
///
/// The rewrite would set what the epoch is read from to something else.
pub fn is_stable(clock: &Clock, created: DocumentTime, keys: &TimeKeys) -> Result<()> {
    let is_stamped = match &clock.epoch {
        EpochSource::Created => true,
        EpochSource::Label(key) => keys.kind_of(key, "2000-01-01").is_some(),
        EpochSource::At(_) | EpochSource::Base => false,
    };
    match created {
        DocumentTime::At(epoch) if is_stamped => Err(Error::refused(format!(
            "--epoch {} with --created {epoch}: the next run would read {epoch} as the epoch; give --epoch in seconds",
            clock.epoch
        ))),
        _ => Ok(()),
    }
}

fn of_image(image: &Image, base: &Base, source: &EpochSource) -> Result<Epoch> {
    let config = Config::parse(&image.config.bytes)?;
    let found = match source {
        EpochSource::At(epoch) => return Ok(*epoch),
        EpochSource::Created => config.created().as_deref().map(created).transpose()?.flatten(),
        EpochSource::Label(key) => {
            let value = config.labels().into_iter().find(|(name, _)| name == key).map(|(_, value)| value);
            value.as_deref().map(|text| label_time(key, text)).transpose()?.flatten()
        }
        EpochSource::Base => of_base(base, &image.config, &config)?,
    };
    let Some(instant) = found else {
        let what = match source {
            EpochSource::Label(key) => format!("the image has no label {} with a time", quoted(key)),
            EpochSource::Base => "the base has no time in its config or history".to_owned(),
            EpochSource::Created | EpochSource::At(_) => "the image does not say when it was created".to_owned(),
        };
        return Err(Error::refused(format!("--epoch {source}: {what}; give --epoch in seconds")));
    };
    // A fraction of a second is left out: what it was read from becomes whole seconds as well.
    let seconds = u64::try_from(instant.seconds)
        .map_err(|_| Error::malformed("epoch", "a time that is not before 1970", instant))?;
    Epoch::from_seconds(seconds)
}

/// A `created`, unless it is how a builder writes that it knows no time.
fn created(text: &str) -> Result<Option<Instant>> {
    match TimeKind::Created.read(text) {
        Reading::Time { first, .. } => Ok(Some(first).filter(|time| !time.is_no_time())),
        Reading::Nothing | Reading::Malformed => {
            Err(Error::malformed("created", "an RFC 3339 time such as 2023-11-14T22:13:20Z", quoted(text)))
        }
    }
}

/// The time in a label, in any form; of a date its first second.
fn label_time(key: &str, text: &str) -> Result<Option<Instant>> {
    let zone = text.split_ascii_whitespace().rev().nth(1).filter(|word| word.chars().all(|c| c.is_ascii_uppercase()));
    if let Some(zone) = zone.filter(|zone| !["UTC", "GMT", "Z", "UT", "AM", "PM"].contains(zone)) {
        let what = format!("label {}", printable(key.as_bytes()));
        let expected = "a time in UTC or with an offset, such as 2023-11-14T22:13:20Z";
        return Err(Error::malformed(what, expected, format!("{}, in the zone {zone}", quoted(text))));
    }
    match TimeKind::Named.read(text) {
        Reading::Time { first, .. } => Ok(Some(first).filter(|time| !time.is_no_time())),
        Reading::Nothing if text.trim().is_empty() => Ok(None),
        Reading::Nothing | Reading::Malformed => {
            let what = format!("label {}", printable(key.as_bytes()));
            Err(Error::malformed(what, "a time, such as 2023-11-14T22:13:20Z", quoted(text)))
        }
    }
}

/// The newest time of the base: of its config and history, or of the part of the image's history that is the base's.
fn of_base(base: &Base, image: &ImageConfig, config: &Config<'_>) -> Result<Option<Instant>> {
    let texts: Vec<String> = match base::found(base, image)? {
        Some(base) => base.times().map(str::to_owned).collect(),
        None => {
            let entries = base::prefix(base, image)?.history;
            config.history().iter().take(entries).filter_map(|entry| entry.created.clone()).collect()
        }
    };
    let times: Vec<Option<Instant>> = texts.iter().map(|text| created(text)).collect::<Result<_>>()?;
    Ok(times.into_iter().flatten().max())
}

fn label(image: &Image) -> String {
    let name = image.names.first().map_or_else(String::new, |name| format!("{} ", printable(name.as_bytes())));
    format!("{name}({})", image.platform())
}

/// The images have different times there.
fn several(source: &EpochSource, found: &BTreeMap<Epoch, Vec<String>>) -> Error {
    let mut list: Vec<String> = found
        .iter()
        .take(NAMED_MAX)
        .map(|(epoch, images)| {
            let first = images.first().map_or("", String::as_str);
            let more = if images.len() > 1 { format!(" and {} more", images.len() - 1) } else { String::new() };
            format!("{first}{more}: {}", epoch.rfc3339())
        })
        .collect();
    if found.len() > NAMED_MAX {
        list.push(format!("and {} more values", found.len() - NAMED_MAX));
    }
    Error::refused(format!(
        "--epoch {source}: the images differ in it, and a run has one epoch; choose one with --platform or SOURCE:REF, or \
         give --epoch in seconds: {}",
        list.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_times_are_none() {
        for zero in ["0001-01-01T00:00:00Z", "2042-07-14T01:04:00Z"] {
            assert_eq!(created(zero).unwrap(), None, "{zero}");
            assert_eq!(label_time("x", zero).unwrap(), None, "{zero}");
        }
        assert!(created("1970-01-01T00:00:00Z").unwrap().is_some());
        assert!(created("2023-11-14").is_err() && label_time("x", "7").is_err());
        assert_eq!(label_time("x", "2023-11-14").unwrap(), Some(Instant::from_seconds(1_699_920_000)));
        assert_eq!(label_time("x", "").unwrap(), None);
    }
}
