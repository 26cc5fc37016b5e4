//! Which epochs the sides look stamped with.

use crate::causes::Class;
use crate::diff::model::Difference;
use crate::diff::overview::SideTimes;
use crate::stamp::Instant;

/// Of fewer times that differ it may be chance that they are one.
const FEWEST: usize = 3;

/// A side all of whose differing times are one, with none later in layers that differ.
struct Stamped {
    epoch: Instant,
    /// Are all others that were read the same one? Those that are not may be of a base image that was left alone.
    is_all: bool,
    /// Are there earlier ones in a layer in which setting all times would have replaced them?
    is_clamped: bool,
}

/// What all times that differ have in common.
pub(super) fn sentence(differences: &[Difference], times: &[SideTimes; 2]) -> Option<String> {
    let is_set = |difference: &&Difference| difference.class == Class::Time && difference.restamps;
    let pairs = || {
        let times = differences.iter().filter(is_set);
        times.filter_map(|difference| match &difference.values {
            [Some(a), Some(b)] => Some([a.as_time()?, b.as_time()?]),
            _ => None,
        })
    };
    pairs().nth(FEWEST - 1)?;
    let stamped = |side: usize| -> Option<Stamped> {
        let epoch = *pairs().next()?.get(side)?;
        let (first, last) = times.get(side)?.range()?;
        let is_one = epoch.nanos == 0 && pairs().all(|pair| pair.get(side) == Some(&epoch));
        // A later time in the same layer is none that a rewrite to this epoch leaves.
        (is_one && !times.get(side)?.has_layer_after(epoch)).then(|| Stamped {
            epoch,
            is_all: (first, last) == (epoch, epoch),
            is_clamped: times.get(side).is_some_and(|times| times.has_layer_clamped_to(epoch)),
        })
    };
    // Others are those of a build itself, and those under keys that rewriting does not know.
    let is_other =
        |one: &Difference| one.class == Class::Time && !one.restamps && one.values.iter().all(Option::is_some);
    let has_others = differences.iter().any(is_other);
    let every = if has_others { "every time that rewriting sets and that differs" } else { "every time that differs" };
    const KEPT: &str = ", and earlier times are kept, as --clamp does";
    let one = |stamped: Stamped, names: [&str; 2], other: usize| {
        let is_later = pairs().all(|pair| pair.get(other).is_some_and(|time| *time > stamped.epoch));
        let later = if is_later { format!(" and later in {}", names[1]) } else { String::new() };
        let kept = if is_later && stamped.is_clamped { KEPT } else { "" };
        let Stamped { epoch, .. } = stamped;
        format!(
            "{every} is {epoch} in {}{later}: {} looks stamped with the epoch {}{kept}",
            names[0], names[0], epoch.seconds
        )
    };
    match (stamped(0), stamped(1)) {
        (Some(a), Some(b)) => {
            let was_read = times.iter().all(SideTimes::is_complete);
            let what = match a.is_all && b.is_all && was_read && !has_others {
                true => format!("each side has one time throughout, {} in A and {} in B", a.epoch, b.epoch),
                false => format!("{every} is {} in A and {} in B", a.epoch, b.epoch),
            };
            let kept = if a.is_clamped && b.is_clamped { KEPT } else { "" };
            Some(format!("{what}: each looks stamped with an epoch of its own{kept}"))
        }
        (Some(a), None) => Some(one(a, ["A", "B"], 1)),
        (None, Some(b)) => Some(one(b, ["B", "A"], 0)),
        (None, None) => None,
    }
}
