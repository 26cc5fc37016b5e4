//! The archive around an image: the times of its own entries. 0 and the epoch are right: podman and containerd write
//! the former, restamp the latter. No digest covers them, and every program that copies an image sets new ones, so
//! other times say nothing about the image.

use crate::error::{Result, printable};
use crate::stamp::{Instant, Stamp};
use crate::store::location::Carrier;
use crate::tar::{Field, TimeSite};

use super::Checker;
use super::report::{Finding, Kind, Level, What};

/// The archive as a place.
const NAME: &str = "the archive";

impl Checker<'_> {
    /// The times of the archive's entries, and of the gzip file that it may be in.
    pub(super) fn archive(&mut self) -> Result<()> {
        if matches!(self.set.source.carrier(), Carrier::Oci | Carrier::Registry) {
            return Ok(());
        }
        let (stamp, level) = (self.stamps.files, self.archive_times);
        let place = self.findings.place(What::Archive, NAME, "");
        if let Some(mtime) = self.set.source.listing().gzip_mtime()
            && !is_right(stamp, Instant::from_seconds(i64::from(mtime)))
        {
            let finding = Finding::gzip_mtime(&place, mtime);
            let level = if finding.is_no_time() { Level::Note } else { level };
            self.findings.push(Finding { level, ..finding });
        }
        let (source, findings) = (self.set.source, &mut self.findings);
        source.listing().entries(&mut |entry| {
            for site in entry.times().filter(|site| !accepts(stamp, site)) {
                let text = site.value.map(|value| value.to_string()).unwrap_or_default();
                let entry = printable(&entry.name()).into();
                let finding = Finding { level, entry: Some(entry), ..Finding::new(&place, Kind::Time, text) };
                findings.push(finding.field(site.field.to_string()).at_offset(Some(site.offset)));
            }
            Ok(())
        })
    }
}

fn accepts(stamp: Stamp, site: &TimeSite) -> bool {
    match (site.field, site.value) {
        (Field::Pax { .. }, _) => site.is_accepted(stamp),
        (_, value) => value.is_none_or(|value| is_right(stamp, value)),
    }
}

fn is_right(stamp: Stamp, value: Instant) -> bool {
    value == Instant::from_seconds(0) || stamp.accepts(value)
}
