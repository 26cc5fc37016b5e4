//! Replacing the times of members in an ar archive, those of its tables among them.

use super::fields;
use super::held::Held;
use crate::error::Result;
use crate::format::ar::Times;
use crate::stamp::Stamp;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// Patches the headers of all members.
#[derive(Debug)]
pub(super) struct ArPatcher {
    stamp: Stamp,
    times: Times,
    held: Held,
    /// Why the archive is left as it is, once that is known.
    reason: Option<&'static str>,
}

impl ArPatcher {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self { stamp, times: Times::new(), held: Held::default(), reason: None }
    }
}

impl ContentPatcher for ArPatcher {
    fn label(&self) -> &'static str {
        "ar"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        let Self { stamp, times, held, reason } = self;
        held.push(bytes);
        if reason.is_none() {
            let mut found = Vec::new();
            *reason = times.push(bytes, &mut |place, value| found.push((place, value))).err();
            for (place, value) in found {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                // Writers put 0 where there is to be no time.
                if value != 0
                    && let Some(new) = fields::replaced(*stamp, value)
                {
                    // As long as the field: an epoch has at most ten digits.
                    held.replace(place.start, format!("{new:<12}").as_bytes(), out)?;
                }
            }
        }
        held.give_out(times.held(), out)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        self.held.give_out(0, out)?;
        let reason = self.reason.or_else(|| self.times.end().err());
        Ok(reason.map_or(Verdict::Patched, |reason| Verdict::LeaveIt(reason.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked::{EPOCH, becomes, patched, stamp, stays};
    use super::*;
    use crate::stamp::Rule;
    use proptest::prelude::*;

    const LATE: &str = "1760000000";

    fn new(rule: Rule) -> impl Fn() -> Box<dyn ContentPatcher> {
        move || Box::new(ArPatcher::new(stamp(rule)))
    }

    fn header(name: &str, time: &str, size: usize) -> Vec<u8> {
        format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644").into_bytes()
    }

    fn member(name: &str, time: &str, content: &[u8]) -> Vec<u8> {
        let padding = if content.len() % 2 == 1 { &b"\n"[..] } else { b"" };
        [&header(name, time, content.len()), content, padding].concat()
    }

    /// An archive whose members have this time.
    fn archive(time: &str) -> Vec<u8> {
        let inner = member("no-member/", LATE, b"x");
        [
            &b"!<arch>\n"[..],
            &member("/", time, &[0, 0, 0, 0]),
            &member("//", "", b"a_name_of_more_than_16.o/\n"),
            &member("/0", time, &inner),
            &member("#1/8", time, b"bsd_nameodd"),
            &member("empty/", time, b""),
            &member("odd", time, b"x"),
        ]
        .concat()
    }

    #[test]
    fn every_member_has_its_time_replaced() {
        let epoch = EPOCH.to_string();
        for rule in [Rule::Set, Rule::Clamp] {
            becomes(&new(rule), &archive(LATE), &archive(&epoch));
            becomes(&new(rule), &archive("999999999999"), &archive(&epoch));
            becomes(&new(rule), b"!<arch>\n", b"!<arch>\n");
        }
        becomes(&new(Rule::Set), &archive("  42"), &archive(&epoch));
        becomes(&new(Rule::Set), &archive("0"), &archive("0"));
        for stays in ["0", "  42", "", "-1", "1 2"] {
            becomes(&new(Rule::Clamp), &archive(stays), &archive(stays));
        }
        // The padding of the last member may be missing.
        let cut = |time| archive(time).split_last().map(|(_, rest)| rest.to_vec()).unwrap();
        becomes(&new(Rule::Set), &cut(LATE), &cut(&epoch));
    }

    #[test]
    fn only_the_tables_of_a_thin_archive_have_content() {
        let archive = |time: &str| {
            [
                &b"!<thin>\n"[..],
                &member("/", time, &[0, 0, 0, 0]),
                &member("//", "", b"folder/a.o/\n"),
                &header("/0", time, 1234),
                &header("b.o/", time, 7),
            ]
            .concat()
        };
        becomes(&new(Rule::Set), &archive(LATE), &archive(&EPOCH.to_string()));
    }

    #[test]
    fn what_is_not_sound_is_left() {
        let sound = archive(LATE);
        let with = |at: usize, new: u8| {
            let mut bytes = sound.clone();
            bytes[at] = new;
            bytes
        };
        for (content, reason) in [
            (with(3, b'x'), "does not begin"),
            (with(8 + 48, b'x'), "header of a member"),
            (with(8 + 48, b'9'), "header of a member"),
            (with(8 + 58, b'x'), "header of a member"),
            (sound[..7].to_vec(), "ends within"),
            (sound[..30].to_vec(), "ends within"),
            (sound[..sound.len() - 2].to_vec(), "ends within"),
            ([&sound[..], b"\n"].concat(), "ends within"),
        ] {
            stays(&new(Rule::Set), &content, reason);
        }
    }

    proptest! {
        #[test]
        fn damage_is_left_or_patched_soundly(at in 0usize..400, byte: u8, cut in 0usize..600) {
            let mut bytes = archive(LATE);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            patched(&new(Rule::Set), &bytes);
        }
    }
}
