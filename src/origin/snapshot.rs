//! Which date of an archive the packages were taken from, as far as an image shows it.

use serde::Serialize;

use crate::origin::{Bound, Candidate, How, time};

/// The date, and what there is to say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The date, as far as one is known: one that is stated, else the earliest that is possible, else a guess.
    pub date: Option<String>,
    /// How it is known.
    pub how: Option<How>,
    /// Where it was read.
    pub from: Option<String>,
    /// It is not earlier: a package is as young as that.
    pub not_before: Option<String>,
    /// It is not later: the image is as old as that.
    pub not_after: Option<String>,
    /// Every date that says something of it, the surest first.
    pub candidates: Vec<Candidate>,
    /// Which of them contradict each other.
    pub contradictions: Vec<String>,
    /// The date in seconds.
    #[serde(skip)]
    pub seconds: Option<i64>,
}

impl Snapshot {
    /// Decides by all dates that were found.
    pub fn of(mut candidates: Vec<Candidate>) -> Self {
        candidates.sort();
        candidates.dedup();
        let of = |bound: Bound| candidates.iter().filter(move |candidate| candidate.bound == bound);
        let lower = of(Bound::NotBefore).max_by_key(|candidate| candidate.seconds).cloned();
        let upper = of(Bound::NotAfter).min_by_key(|candidate| candidate.seconds).cloned();
        let stated: Vec<&Candidate> = of(Bound::At).filter(|candidate| candidate.how == How::Stated).collect();
        // One in a comment is what a base was made of; what counts is the youngest.
        let latest = stated.iter().max_by_key(|candidate| candidate.seconds).copied();
        let guess = of(Bound::At).find(|candidate| candidate.how == How::Guess);
        let chosen = latest.or(lower.as_ref()).or(guess);
        let mut contradictions = Vec::new();
        let mut later = |a: &Candidate, b: &Candidate, why: &str| {
            let texts = (&a.from, time(a.seconds), &b.from, time(b.seconds));
            contradictions.push(format!("{} ({}) is later than {} ({}): {why}", texts.0, texts.1, texts.2, texts.3));
        };
        if let (Some(first), Some(last)) = (stated.iter().min_by_key(|candidate| candidate.seconds), latest)
            && first.seconds < last.seconds
        {
            later(last, first, "two snapshots are stated, and the later one counts");
        }
        if let (Some(lower), Some(stated)) = (&lower, latest)
            && lower.seconds > stated.seconds
        {
            later(lower, stated, "a package is younger than the snapshot that is stated");
        }
        if let (Some(lower), Some(upper)) = (&lower, &upper)
            && lower.seconds > upper.seconds
        {
            later(lower, upper, "a package is younger than the image; `created` may have been set");
        }
        let guesses = candidates.iter().filter(|candidate| candidate.how == How::Guess);
        for guess in guesses {
            if let Some(lower) = lower.as_ref().filter(|lower| lower.seconds > guess.seconds) {
                later(lower, guess, "the guess is too early for that package");
            }
            if let Some(upper) = upper.as_ref().filter(|upper| upper.seconds < guess.seconds) {
                later(guess, upper, "the guess is too late for the image");
            }
        }
        let text = |candidate: &Option<Candidate>| candidate.as_ref().map(|candidate| time(candidate.seconds));
        Self {
            date: chosen.map(|candidate| time(candidate.seconds)),
            how: chosen.map(|candidate| candidate.how),
            from: chosen.map(|candidate| candidate.from.clone()),
            seconds: chosen.map(|candidate| candidate.seconds),
            not_before: text(&lower),
            not_after: text(&upper),
            contradictions,
            candidates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::CandidateKind;

    fn candidate(seconds: i64, how: How, bound: Bound) -> Candidate {
        let from = format!("{how:?} {bound:?} {seconds}");
        Candidate { seconds, how, kind: CandidateKind::Changelog, bound, from }
    }

    #[test]
    fn what_is_stated_comes_before_what_is_derived_and_guessed() {
        let (guess, lower) = (candidate(150, How::Guess, Bound::At), candidate(100, How::Derived, Bound::NotBefore));
        let (upper, stated) = (candidate(200, How::Derived, Bound::NotAfter), candidate(120, How::Stated, Bound::At));
        let all = vec![guess.clone(), lower.clone(), upper.clone(), stated.clone()];
        let found = Snapshot::of(all);
        assert_eq!((found.seconds, found.how, found.contradictions.len()), (Some(120), Some(How::Stated), 0));
        assert_eq!(found.candidates.len(), 4);
        let found = Snapshot::of(vec![guess.clone(), lower, upper.clone()]);
        assert_eq!((found.seconds, found.how), (Some(100), Some(How::Derived)));
        assert_eq!(
            (found.not_before.as_deref(), found.not_after.as_deref()),
            (Some("1970-01-01T00:01:40Z"), Some("1970-01-01T00:03:20Z"))
        );
        let found = Snapshot::of(vec![guess, upper]);
        assert_eq!((found.seconds, found.how), (Some(150), Some(How::Guess)));
        assert_eq!(Snapshot::of(Vec::new()), Snapshot::default());
    }

    #[test]
    fn contradictions_are_said() {
        let lower = candidate(300, How::Derived, Bound::NotBefore);
        let upper = candidate(200, How::Derived, Bound::NotAfter);
        let stated = candidate(120, How::Stated, Bound::At);
        let other = candidate(110, How::Stated, Bound::At);
        let guess = candidate(250, How::Guess, Bound::At);
        let found = Snapshot::of(vec![lower, upper, stated, other, guess]);
        assert_eq!(found.contradictions.len(), 5, "{:#?}", found.contradictions);
        assert_eq!(found.seconds, Some(120));
    }
}
