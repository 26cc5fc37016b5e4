//! Which layers have been read, and how many findings of each are kept.

use std::collections::BTreeMap;

use super::claim::Content;
use super::findings::List;
use super::report::MAX_FINDINGS;
use crate::repair::notes::Notes;

/// What came of a job.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) list: List,
    pub(super) content: Option<Content>,
    pub(super) notes: Option<Notes>,
}

/// Which jobs are done. Findings are kept for the first layers first, whichever of them ends first: which ones are
/// listed must not depend on the number of threads.
pub(super) struct Done {
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// The lengths of the lists that are not empty, by the numbers of their jobs, up to the one that fills the room:
    /// at most [`MAX_FINDINGS`]. Those after it keep only their faults, whatever else is put.
    lengths: BTreeMap<usize, usize>,
    /// The sum of these lengths.
    listed: usize,
}

impl Done {
    pub(super) fn new(count: usize) -> Self {
        Self { outcomes: (0..count).map(|_| None).collect(), lengths: BTreeMap::new(), listed: 0 }
    }

    pub(super) fn put(&mut self, number: usize, outcome: Outcome) {
        let length = outcome.list.list.len();
        if let Some(place) = self.outcomes.get_mut(number) {
            *place = Some(outcome);
        }
        if length == 0 {
            return;
        }
        let mut room = self.room(number);
        let mut rest = self.lengths.split_off(&number);
        self.listed -= rest.values().sum::<usize>();
        rest.insert(number, length);
        for number in rest.into_keys() {
            let Some(Outcome { list, .. }) = self.outcomes.get_mut(number).and_then(Option::as_mut) else { continue };
            list.trim(room);
            if room > 0 {
                self.lengths.insert(number, list.list.len());
                self.listed += list.list.len();
            }
            room = room.saturating_sub(list.list.len());
        }
    }

    /// How many findings of a job can still be of use. Jobs end nearly in their order, so that few are after it.
    pub(super) fn room(&self, number: usize) -> usize {
        let after: usize = self.lengths.range(number..).map(|(_, length)| *length).sum();
        MAX_FINDINGS.saturating_sub(self.listed - after)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::report::{Finding, Kind, Place, What};

    #[test]
    fn the_order_in_which_jobs_end_changes_no_list() {
        let place = Arc::new(Place { what: What::Layer, name: "layer".to_owned(), of: String::new() });
        let outcome = |times: usize, faults: usize| {
            let kinds = [(Kind::Digest, faults), (Kind::Time, times)];
            let mut list = List::default();
            for (kind, count) in kinds {
                (0..count).for_each(|_| list.push(Finding::new(&place, kind, "")));
            }
            list.trim(MAX_FINDINGS);
            Outcome { list, ..Outcome::default() }
        };
        let sizes = [(0, 0), (MAX_FINDINGS / 2, 2), (0, 3), (MAX_FINDINGS / 2, 0), (7, 1), (0, 0), (5, 0), (0, 2)];
        // After 50,005 there is room for 49,995 of 50,000; of what follows only the faults are kept.
        let kept = [0, 50_002, 3, 49_995, 1, 0, 0, 2];
        for step in [1, 3, 5, 7] {
            let mut done = Done::new(sizes.len());
            // Forwards, backwards, and in two orders between.
            for number in (0..sizes.len()).map(|turn| (turn * step + step / 2) % sizes.len()) {
                let (times, faults) = sizes[number];
                let mut outcome = outcome(times, faults);
                outcome.list.trim(done.room(number));
                done.put(number, outcome);
            }
            let lengths: Vec<usize> = done.outcomes.iter().flatten().map(|outcome| outcome.list.list.len()).collect();
            assert_eq!(lengths, kept, "every {step}th");
            assert_eq!(done.lengths.into_iter().collect::<Vec<_>>(), [(1, 50_002), (2, 3), (3, 49_995)]);
        }
    }
}
