//! What holds for every stream: shown on random ones, in all dialects.

use proptest::collection::vec;
use proptest::prelude::*;

use super::sites::times_of;
use super::*;

/// One entry of a random stream, as a writer has it in mind.
#[derive(Debug, Clone)]
pub(super) struct Model {
    dialect: Dialect,
    kind: u8,
    name: String,
    content: Vec<u8>,
    mtime: u64,
    atime: Option<u64>,
    /// PAX records that are no times, and times.
    others: Vec<(String, String)>,
    times: Vec<(&'static str, String)>,
    /// The process id and the clock of GNU tar.
    process: u32,
    clock: u64,
    sparse_blocks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Dialect {
    V7,
    Ustar,
    Gnu,
    Star,
    Pax,
    Global,
}

impl Model {
    /// The bytes of the entry.
    fn bytes(&self) -> Vec<u8> {
        let size = if matches!(self.kind, b'1'..=b'6') { 0 } else { self.content.len() as u64 };
        let size = if self.dialect == Dialect::Global { 0 } else { size };
        let magic = match self.dialect {
            Dialect::V7 => V7,
            Dialect::Gnu => GNU,
            Dialect::Ustar | Dialect::Star | Dialect::Pax | Dialect::Global => USTAR,
        };
        let short: String = self.name.chars().filter(char::is_ascii).take(90).collect();
        let mut header = block(magic, self.kind, &short, size, self.mtime);
        let mut before = Vec::new();
        let mut map = Vec::new();
        match self.dialect {
            Dialect::V7 | Dialect::Ustar => {}
            Dialect::Gnu => {
                if self.name.len() > 90 {
                    before = extension(b'L', "././@LongLink", &[self.name.as_bytes(), b"\0"].concat(), self.clock);
                }
                header = self.with_atime(header, 345);
                if self.sparse_blocks > 0 && self.kind == b'0' {
                    header = with(with(header, 156, b"S"), 482, b"\x01");
                    map = vec![b'1'; self.sparse_blocks * BLOCK];
                    let last = map.len() - BLOCK;
                    map[last + 504] = 0;
                }
            }
            Dialect::Star => header = self.with_atime(with(header, 508, b"tar\0"), 476),
            Dialect::Pax | Dialect::Global => {
                let mut list = vec![("path", self.name.as_str())];
                list.extend(self.others.iter().map(|(key, value)| (key.as_str(), value.as_str())));
                list.extend(self.times.iter().map(|(key, value)| (*key, value.as_str())));
                let is_global = self.dialect == Dialect::Global;
                let name = match is_global {
                    true => format!("/tmp/GlobalHead.{}.1", self.process),
                    false => format!("PaxHeaders.{}/{}", self.process, self.name),
                };
                // Without a path the record list may become empty.
                let list = if is_global { &list[1..] } else { &list[..] };
                before = extension(if is_global { b'g' } else { b'x' }, &name, &records(list), self.clock);
                if is_global {
                    return before;
                }
            }
        }
        [&before, &header[..], &map, &padded(&self.content[..size as usize])].concat()
    }

    fn with_atime(&self, header: Block, at: usize) -> Block {
        match self.atime {
            Some(atime) => with(header, at, format!("{atime:011o}\0").as_bytes()),
            None => header,
        }
    }

    /// What a writer would have had in mind if its clock stood still at the epoch.
    fn stamped(&self) -> Self {
        let mut times = self.times.clone();
        times.retain(|(key, _)| *key != "mtime");
        for (_, value) in &mut times {
            *value = EPOCH.to_string();
        }
        Self { mtime: EPOCH, atime: self.atime.map(|_| EPOCH), times, process: 0, clock: 0, ..self.clone() }
    }
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(EPOCH), Just(EPOCH + 1), 0..2 * EPOCH, Just(Epoch::MAX)]
}

fn time_text() -> impl Strategy<Value = String> {
    prop_oneof![time().prop_map(|time| time.to_string()), "-?[0-9]{1,18}\\.[0-9]{0,12}", "-[0-9]{1,18}",]
}

pub(super) fn model() -> impl Strategy<Value = Model> {
    use Dialect::{Global, Gnu, Pax, Star, Ustar, V7};
    let dialect = prop::sample::select(vec![V7, Ustar, Gnu, Star, Pax, Pax, Pax, Global]);
    let kind = prop::sample::select(b"00000071234560".to_vec());
    let content = prop_oneof![vec(any::<u8>(), 0..3), vec(any::<u8>(), 500..1100)];
    let others = vec(("[a-zA-Z.]{1,20}", "[ -~é\n=]{1,40}"), 0..3)
        .prop_map(|list| list.into_iter().map(|(key, value)| (format!("X.{key}"), value)).collect());
    let keys = prop_oneof![Just("mtime"), Just("atime"), Just("ctime"), Just("LIBARCHIVE.creationtime")];
    (
        (dialect, kind, "[a-z]{1,60}|[a-zé]{60,120}", content),
        (time(), proptest::option::of(time()), others, vec((keys, time_text()), 0..4)),
        (0..100_000u32, time(), 0..3usize),
    )
        .prop_map(
            |((dialect, kind, name, content), (mtime, atime, others, times), (process, clock, sparse_blocks))| {
                let name =
                    if dialect == Pax { name.replace('é', "e").get(..80).map_or(name, str::to_owned) } else { name };
                // Plain and short, so that Go's rules for the name of a PAX header need not be written down twice.
                let plain = || name.replace('é', "e").chars().take(80).collect();
                let name = if dialect == Pax { plain() } else { name };
                Model { dialect, kind, name, content, mtime, atime, others, times, process, clock, sparse_blocks }
            },
        )
}

pub(super) fn stream_of(models: &[Model]) -> Vec<u8> {
    let mut bytes: Vec<u8> = models.iter().flat_map(Model::bytes).collect();
    bytes.extend(END);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Set mode gives the bytes that a writer without a clock would have written.
    #[test]
    fn set_is_what_a_writer_without_a_clock_writes(models in vec(model(), 0..6), piece in 1..2000usize) {
        let before = stream_of(&models);
        // A global header that held nothing but an mtime goes.
        let is_left = |model: &&Model| {
            let is_mtime_alone = !model.times.is_empty() && model.times.iter().all(|(key, _)| *key == "mtime");
            model.dialect != Dialect::Global || !model.others.is_empty() || !is_mtime_alone
        };
        let stamped: Vec<_> = models.iter().filter(is_left).map(Model::stamped).collect();
        let (found, stats) = patch_in_pieces(&before, stamp(Rule::Set), piece).unwrap();
        assert_same(&found, &stream_of(&stamped), "stamped");
        prop_assert_eq!(stats.changed, found != before);
        let entries = models.iter().filter(|model| model.dialect != Dialect::Global).count();
        prop_assert_eq!(stats.entries, entries as u64);
        let (again, stats) = patch_in_pieces(&found, stamp(Rule::Set), 7).unwrap();
        assert_same(&again, &found, "stamped again");
        prop_assert!(!stats.changed && stats.stamped == 0);
    }

    /// Clamp mode leaves nothing late, changes nothing that is not late, and has nothing to do afterwards.
    #[test]
    fn clamp_lowers_what_is_late_and_nothing_else(models in vec(model(), 0..6), piece in 1..2000usize) {
        let before = stream_of(&models);
        let clamp = stamp(Rule::Clamp);
        let (found, _) = patch_in_pieces(&before, clamp, piece).unwrap();
        prop_assert!(patch(&found, Rule::Clamp).unwrap() == found);
        let (was, is) = (times_of(&before), times_of(&found));
        prop_assert_eq!(was.len(), is.len());
        for ((was, was_bytes), (is, is_bytes)) in was.iter().zip(&is) {
            prop_assert!(is.iter().all(|site| site.is_accepted(clamp)));
            if was.iter().all(|site| site.is_accepted(clamp)) {
                prop_assert!(was_bytes == is_bytes, "an entry without a late time has changed");
            }
        }
        // Set after clamp is set.
        prop_assert!(patch(&found, Rule::Set).unwrap() == patch(&before, Rule::Set).unwrap());
        let never = Stamp { epoch: Epoch::from_seconds(Epoch::MAX).unwrap(), rule: Rule::Clamp };
        let is_in_range = models.iter().flat_map(|model| &model.times).all(|(_, time)| {
            time.split('.').next().unwrap().parse::<i64>().unwrap() < Epoch::MAX as i64
        });
        if is_in_range {
            let (same, stats) = patch_in_pieces(&before, never, piece).unwrap();
            prop_assert!(same == before && !stats.changed);
        }
    }

    /// Whatever a damaged stream holds, nothing panics, and what is accepted is patched for good.
    #[test]
    fn damaged_streams_are_refused_or_patched(
        models in vec(model(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = stream_of(&models);
        for (at, byte, mend) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
            // Most damage would end at the checksum.
            let start = at / BLOCK * BLOCK;
            let block: &mut Block = (&mut stream[start..start + BLOCK]).try_into().unwrap();
            if mend {
                *block = sum(*block);
            }
        }
        stream.truncate(cut.index(stream.len() + 1));
        for rule in RULES {
            if let Ok(out) = patch(&stream, rule) {
                let (again, stats) = patch_in_pieces(&out, stamp(rule), 100).unwrap();
                assert_same(&again, &out, "patched again");
                prop_assert!(!stats.changed);
                let (out, _) = owners::numeric(&stream, rule).unwrap();
                prop_assert!(!owners::has_names(&out));
                let (again, stats) = owners::numeric(&out, rule).unwrap();
                assert_same(&again, &out, "patched again, without names");
                prop_assert!(!stats.changed);
            }
        }
    }

    #[test]
    fn random_bytes_do_not_panic(stream in vec(any::<u8>(), 0..2000)) {
        for rule in RULES {
            let _ = patch(&stream, rule);
        }
    }
}
