//! Reading a layer without writing one, for the verbs that look: every entry and its content goes by.

use crate::digest::Algorithm;
use crate::error::Result;
use crate::layer::blocks;
use crate::layer::gather::{Gather, passes, split_off};
use crate::layer::{Expect, Facts, Pool, Source};
use crate::tar::{Entry, Framer, Stats, Step, Want};

/// What comes next in a layer.
#[derive(Debug)]
pub enum Event<'a> {
    /// An entry, headers complete; its content follows.
    Entry(&'a Entry),
    /// A global PAX header.
    Global(&'a Entry),
    /// A block of the last entry's sparse map, beyond what its header holds.
    Map(&'a [u8]),
    /// A piece of the last entry's content, without padding.
    Content(&'a [u8]),
    /// A piece of what fills up the last block of the last entry's content.
    Padding(&'a [u8]),
    /// The end marker, or the end of a layer without one. The extension headers in it, if there are any, belong to
    /// no entry.
    End(&'a Entry),
    /// A piece of what follows the end marker's first block: more zeros as a rule.
    Rest(&'a [u8]),
}

/// Reads a layer to its end, verifies it, and shows all that is in it.
///
/// An error of `visit` ends it. In the facts, only the number of entries is counted.
pub fn scan(
    source: &dyn Source,
    expect: &Expect,
    pool: &Pool,
    visit: &mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<Facts> {
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        let mut scanner = Scanner::default();
        while let Some(block) = blocks.next() {
            scanner.push(block, visit)?;
        }
        scanner.finish(visit)?;
        Ok(((), Stats { entries: scanner.entries, ..Stats::default() }))
    })?;
    facts.ok_or_else(crate::Error::interrupted)
}

/// Reads a blob to its end and verifies it, its diff_id as well; what is in it is not looked at, and need be no tar.
pub fn measure(source: &dyn Source, expect: &Expect, pool: &Pool) -> Result<Facts> {
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        while blocks.next().is_some() {}
        Ok(((), Stats::default()))
    })?;
    facts.ok_or_else(crate::Error::interrupted)
}

#[derive(Default)]
struct Scanner {
    framer: Framer,
    gather: Gather,
    entries: u64,
    /// Content of the last entry that is still to come, padding not counted.
    content: u64,
    is_ended: bool,
    is_held: bool,
}

type Visit<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<()>;

impl Scanner {
    fn push(&mut self, mut bytes: &[u8], visit: Visit<'_>) -> Result<()> {
        while !bytes.is_empty() {
            match self.framer.want() {
                Want::Feed(n) => {
                    let Some(fed) = self.gather.take(n, &mut bytes) else { break };
                    let step = self.framer.feed(fed)?;
                    Self::step(step, fed, &self.framer, &mut self.is_ended, visit)?;
                    self.is_held = step == Step::Held;
                    if step == Step::Entry {
                        self.entries += 1;
                        self.content = self.framer.entry().size();
                    }
                }
                want => {
                    let mut passed = split_off(&mut bytes, passes(want));
                    self.framer.pass(passed.len() as u64);
                    if want == Want::Rest {
                        visit(Event::Rest(passed))?;
                        continue;
                    }
                    let content = split_off(&mut passed, self.content);
                    self.content -= content.len() as u64;
                    if !content.is_empty() {
                        visit(Event::Content(content))?;
                    }
                    if !passed.is_empty() {
                        visit(Event::Padding(passed))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn step(step: Step, fed: &[u8], framer: &Framer, is_ended: &mut bool, visit: Visit<'_>) -> Result<()> {
        match step {
            Step::Held => Ok(()),
            Step::Entry => visit(Event::Entry(framer.entry())),
            Step::Global => visit(Event::Global(framer.entry())),
            Step::End => {
                *is_ended = true;
                visit(Event::End(framer.entry()))
            }
            Step::More if *is_ended => visit(Event::Rest(fed)),
            Step::More => visit(Event::Map(fed)),
        }
    }

    fn finish(&mut self, visit: Visit<'_>) -> Result<()> {
        let rest = self.gather.rest();
        if !rest.is_empty() {
            let step = self.framer.feed(rest)?;
            Self::step(step, rest, &self.framer, &mut self.is_ended, visit)?;
        }
        self.framer.end()?;
        if !self.is_ended {
            let none = Entry::default();
            visit(Event::End(if self.is_held { self.framer.entry() } else { &none }))?;
        }
        Ok(())
    }
}
