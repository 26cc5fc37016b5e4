//! What a fixed set of options of `restamp rewrite` would leave, of what differs.

use crate::diff::mend::{Mend, MendSet};
use crate::diff::model::{Difference, Report};

impl Report {
    /// Differences, accepted ones too, that are still there when the times of both images were set, their layers were
    /// compressed alike, and attestations and signatures were left out.
    pub(crate) fn left_by_restamping(&self) -> impl Iterator<Item = &Difference> {
        let options = MendSet::of(&[Mend::Compression, Mend::Attestations, Mend::Signatures]);
        let accepted = self.accepted.iter().map(|accepted| &accepted.difference);
        self.differences.iter().chain(accepted).filter(move |one| !one.mends.are_met_by(options))
    }
}
