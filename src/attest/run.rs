//! Comparing two images, platform by platform.

use super::facts::{Candidate, Facts, Policy};
use super::pair::pairs;
use super::statements::statements;
use super::verdict::verdict;
use super::{Attested, Report};
use crate::context::{RunContext, RunSettings, run_setters};
use crate::diff::filter::Filter;
use crate::diff::{self, Diff};
use crate::document::provenance::Dependency;
use crate::error::{Error, Result, quoted};
use crate::image::ImageSet;
use crate::name;
use crate::origin::Attached;
use crate::platform::Platform;
use crate::stabilizer::{StabilizedImage, stabilize};
use crate::statement::{DigestSet, Resource, Subject, is_uri};
use crate::store::location::{Location, Where};
use crate::store::open::Source;

/// Compares a published image with one that was built again, and makes statements of what that shows.
#[derive(Debug, Clone)]
#[must_use]
pub struct Attest {
    verifier_id: String,
    time: i64,
    name: Option<String>,
    platform: Option<Platform>,
    policy: Option<Policy>,
    inputs: Vec<Resource>,
    run_url: Option<String>,
    run: RunSettings,
}

impl Attest {
    /// Statements of the verifier that this URI identifies, made at this time, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If it is no URI.
    pub fn new(verifier_id: impl Into<String>, time: i64) -> Result<Self> {
        let verifier_id = verifier_id.into();
        is_uri(&verifier_id, "verifier id")?;
        Ok(Self {
            verifier_id,
            time,
            name: None,
            platform: None,
            policy: None,
            inputs: Vec::new(),
            run_url: None,
            run: RunSettings::default(),
        })
    }

    /// What statements call the target; by default, as it is named where it is.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Compares the images of this platform alone.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Accepts what a policy lists, by the name and the text of its file.
    ///
    /// # Errors
    ///
    /// If it is no policy.
    pub fn policy(mut self, name: impl Into<String>, text: impl Into<String>) -> Result<Self> {
        let policy = Policy { name: name.into(), text: text.into() };
        Filter::default().read_policy(&policy.text)?;
        self.policy = Some(policy);
        Ok(self)
    }

    /// Adds what the candidate was built from: `URI@ALGORITHM:HEX`, by the word of who has built it.
    ///
    /// # Errors
    ///
    /// If it is no such text.
    pub fn source(mut self, text: &str) -> Result<Self> {
        let expected = "URI@ALGORITHM:HEX (git+https://example.org/app@gitCommit:1f2e…)";
        let wrong = || Error::malformed("source", expected, quoted(text.as_bytes()));
        let (uri, digest) = text.rsplit_once('@').ok_or_else(wrong)?;
        let (algorithm, hex) = digest.split_once(':').ok_or_else(wrong)?;
        let is_hex = hex.len() >= 32
            && hex.len() % 2 == 0
            && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if algorithm.is_empty()
            || !algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte))
            || !is_hex
        {
            return Err(wrong());
        }
        is_uri(uri, "source")?;
        let digest = DigestSet([(algorithm.to_owned(), hex.to_owned())].into());
        self.inputs.push(Resource { name: None, uri: Some(uri.to_owned()), digest });
        Ok(self)
    }

    /// Where people can look at the run that has built the candidate.
    ///
    /// # Errors
    ///
    /// If it is no URL.
    pub fn run_url(mut self, url: impl Into<String>) -> Result<Self> {
        let url = url.into();
        is_uri(&url, "URL of the run")?;
        self.run_url = Some(url);
        Ok(self)
    }

    run_setters!();

    /// Compares both.
    ///
    /// # Errors
    ///
    /// If one of them can't be read, or is not what its digests say; if the target has no manifest that a statement could be
    /// about; if they have not the same platforms; if the stabilized digests and the list of differences disagree.
    pub fn run(&self, target: &Location, candidate: &Location) -> Result<Report> {
        let context = self.run.context(None)?;
        let sources = [Source::open(target, &context)?, Source::open(candidate, &context)?];
        let [a, b] = &sources;
        let sides = Sides {
            sources: [a, b],
            references: [target.reference.as_deref(), candidate.reference.as_deref()],
            target,
            shown: [target, candidate].map(shown),
        };
        let stabilized = |side: usize| {
            let (source, reference) = (sides.sources[side], sides.references[side]);
            stabilize(source, reference, self.platform.as_ref(), &context).map_err(|e| e.in_file(source.name()))
        };
        let both = [stabilized(0)?, stabilized(1)?];
        let set = ImageSet::load(a)?;
        let attached = Attached::of(&set);
        let mut images = Vec::new();
        for (platform, [image, other]) in pairs(both, sides.shown.each_ref().map(String::as_str))? {
            let stated = image.manifest.map(|digest| attached.complete_inputs(&set, &digest)).unwrap_or_default();
            let inputs =
                if self.inputs.is_empty() { stated.into_iter().map(input).collect() } else { self.inputs.clone() };
            images.push(self.image(platform, [&image, &other], &sides, &inputs, &context)?);
        }
        let [target, candidate] = sides.shown;
        Ok(Report { target, candidate, images })
    }

    fn image(
        &self,
        platform: Platform,
        [image, candidate]: [&StabilizedImage; 2],
        sides: &Sides<'_>,
        inputs: &[Resource],
        context: &RunContext,
    ) -> Result<Attested> {
        let digest = image.manifest.ok_or_else(|| {
            let text = "it has no manifest whose digest a statement could be about, as docker save wrote it before version 25: \
                        name the image where it is published (docker://…)";
            Error::refused(text).in_file(sides.sources[0].name())
        })?;
        let mut filter = Filter::default();
        if let Some(policy) = &self.policy {
            filter.read_policy(&policy.text)?;
        }
        let diff = Diff::new().platform(platform.clone().exactly()).filter(filter).images_only().with_context(context);
        let mut report = diff.run_on(sides.sources, sides.references)?;
        report.names.clone_from(&sides.shown);
        let verdict = verdict([image, candidate], &report)?;
        let mut diff_json = Vec::new();
        let no_files = |_: u32| [String::new(), String::new()];
        diff::report::json(&mut diff_json, &report, &no_files).map_err(|e| Error::io("cannot write the report", e))?;
        let of_registry = sides.target.as_registry().map(|name| name.full_repository());
        let name = self.name.clone().or_else(|| named(sides.target, image));
        let subject = Subject { name, digest, platform: Some(platform.to_string()) };
        let facts = Facts {
            verifier_id: &self.verifier_id,
            time: self.time,
            policy: self.policy.as_ref(),
            inputs,
            run_url: self.run_url.as_deref(),
            target_uri: of_registry.as_deref(),
        };
        let of_candidate = Candidate { name: &sides.shown[1], manifest: candidate.manifest };
        let statements = statements(&facts, &subject, (verdict, image), of_candidate, (&report, &diff_json))?;
        Ok(Attested {
            platform,
            subject,
            candidate: candidate.manifest,
            verdict,
            stabilized: [image.stabilized, candidate.stabilized],
            diff: report,
            diff_json,
            statements,
        })
    }
}

/// What is compared: the target, then the candidate.
struct Sides<'s> {
    sources: [&'s Source; 2],
    references: [Option<&'s str>; 2],
    target: &'s Location,
    /// What statements call them.
    shown: [String; 2],
}

/// What provenance says went into a build.
fn input(dependency: Dependency) -> Resource {
    let digest = DigestSet(dependency.digests.into_iter().collect());
    Resource { name: None, uri: Some(dependency.uri), digest }
}

/// What the target is called: in a registry, or by its own names.
fn named(location: &Location, image: &StabilizedImage) -> Option<String> {
    match location.as_registry() {
        Some(name) => Some(match name.tag() {
            Some(tag) => format!("{}:{tag}", name.full_repository()),
            None => name.full_repository(),
        }),
        None => {
            image.names.iter().map(|own| name::familiar(own)).max_by_key(|own| own.contains(':')).map(str::to_owned)
        }
    }
}

/// What statements and reports call a source: nothing of where it is on this machine.
fn shown(location: &Location) -> String {
    match &location.place {
        Where::Stdio => "standard input".to_owned(),
        Where::Registry(name) => format!("docker://{name}"),
        Where::Path(path) => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_else(|| "directory".to_owned());
            location.reference.as_ref().map_or(name.clone(), |reference| format!("{name}:{reference}"))
        }
    }
}
