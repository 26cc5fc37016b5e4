//! What is likely to differ in the next build of an image, as far as one image alone shows it.
//!
//! Files and build steps are looked up in the table of [`crate::causes`]; what can be said of the image as a whole
//! is added here.

use std::collections::{BTreeMap, BTreeSet};

use crate::causes::{self, Cause, Class};
use crate::error::printable;
use crate::inspect::form::Form;
use crate::inspect::report::{Attached, AttachedKind, Example, Finding, ImageReport, LayerReport, Span};
use crate::stamp::is_no_time;

/// Places that are named of each cause.
const EXAMPLES: usize = 3;
/// What mends times and compression.
const REWRITE: &str = "rewrite";

/// What was found of one cause.
#[derive(Debug)]
struct Found {
    cause: &'static Cause,
    count: u64,
    examples: Vec<Example>,
}

impl Found {
    fn add(&mut self, count: u64, examples: impl IntoIterator<Item = Example>) {
        self.count = self.count.saturating_add(count);
        for example in examples {
            if self.examples.len() < EXAMPLES {
                self.examples.push(example);
            }
        }
    }
}

/// What was found in one layer.
#[derive(Debug, Default)]
pub(super) struct InLayer {
    found: BTreeMap<&'static str, (&'static Cause, u64, Vec<String>)>,
}

impl InLayer {
    /// A file of this cause.
    pub(super) fn add(&mut self, cause: &'static Cause, name: &[u8]) {
        let (_, count, examples) = self.found.entry(cause.id).or_insert((cause, 0, Vec::new()));
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(printable(name));
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: BTreeMap<&'static str, Found>,
    /// Steps that were looked at: platforms have theirs in common.
    steps: BTreeSet<String>,
    whole: Vec<Finding>,
}

impl Findings {
    fn of(&mut self, cause: &'static Cause) -> &mut Found {
        self.found.entry(cause.id).or_insert_with(|| Found { cause, count: 0, examples: Vec::new() })
    }

    /// Adds what was found in a layer.
    pub(super) fn layer(&mut self, number: usize, layer: InLayer) {
        for (cause, count, examples) in layer.found.into_values() {
            let examples = examples.into_iter().map(|place| Example { layer: Some(number), place });
            self.of(cause).add(count, examples);
        }
    }

    /// Looks at what was run by a step of the build.
    pub(super) fn step(&mut self, step: &str) {
        if !self.steps.insert(step.to_owned()) {
            return;
        }
        let example = Example { layer: None, place: printable(step.as_bytes()) };
        for cause in causes::find_in_command(step) {
            self.of(cause).add(1, [example.clone()]);
        }
    }

    /// Looks at all of it.
    pub(super) fn image(&mut self, images: &[ImageReport], layers: &[LayerReport], attached: &[Attached]) {
        let spans = images.iter().flat_map(|image| [image.documents, image.files]).flatten();
        if let Some(span) = spans.reduce(Span::joined).filter(|span| span.first != span.last) {
            let what = format!("times from {} to {}", span.first, span.last);
            let count = images.len() as u64;
            self.add(
                "times",
                Class::Time,
                what,
                ("restamp rewrite sets all of them to one time", REWRITE),
                count,
                Vec::new(),
            );
        }
        let place = |(number, layer): (usize, &LayerReport)| Example {
            layer: Some(number),
            place: layer.digest.unwrap_or(layer.diff_id).to_string(),
        };
        let contents = || layers.iter().enumerate().filter_map(|pair| Some((pair, pair.1.content.as_ref()?)));
        let other: Vec<_> = contents().filter(|(_, c)| c.form == Form::Other).map(|(pair, _)| place(pair)).collect();
        let what = "layers compressed by another program: their bytes depend on its version, and perhaps on the CPU";
        let advice = "restamp rewrite encodes them in a form that stays the same";
        self.add("compressor", Class::Compression, what.to_owned(), (advice, REWRITE), other.len() as u64, other);
        let clocks = contents().filter(|(_, content)| content.gzip_mtime.is_some_and(|mtime| !is_no_time(mtime)));
        let clocks: Vec<_> = clocks.map(|(pair, _)| place(pair)).collect();
        let what = "layers with the time of the build in their gzip header";
        let advice = "restamp rewrite leaves the time out";
        self.add("gzip-layer", Class::Compression, what.to_owned(), (advice, REWRITE), clocks.len() as u64, clocks);
        let of_kind = |kind| attached.iter().filter(move |attached| attached.kind == kind);
        let places = of_kind(AttachedKind::Attestation).map(|a| Example { layer: None, place: a.digest.to_string() });
        let places: Vec<_> = places.collect();
        let what = "attestations, which hold the times and the circumstances of one build, and change the digest of \
                    the index";
        let advice = "compare the digests of the images, or restamp rewrite --attestations drop";
        let how = (advice, "rewrite --attestations drop");
        self.add("attestation", Class::Content, what.to_owned(), how, places.len() as u64, places);
    }

    fn add(
        &mut self,
        cause: &'static str,
        class: Class,
        what: String,
        (advice, mends): (&str, &'static str),
        count: u64,
        mut examples: Vec<Example>,
    ) {
        if count > 0 {
            examples.truncate(EXAMPLES);
            let advice = advice.to_owned();
            self.whole.push(Finding { cause, class, what, advice, mends: Some(mends), count, examples });
        }
    }

    /// All of it, by class.
    pub(super) fn finish(self) -> Vec<Finding> {
        let found = self.found.into_values().map(|found| Finding {
            cause: found.cause.id,
            class: found.cause.class,
            what: found.cause.what.to_owned(),
            advice: found.cause.advice.to_owned(),
            mends: found.cause.mends,
            count: found.count,
            examples: found.examples,
        });
        let mut all: Vec<Finding> = found.chain(self.whole).collect();
        all.sort_by_key(|finding| (finding.class, std::cmp::Reverse(finding.count)));
        all
    }
}
