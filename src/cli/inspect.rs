//! `restamp inspect`

use std::io::{self, Write};

use anyhow::Result;
use indicatif::HumanBytes;
use restamp::Compression;
use restamp::Platform;
use restamp::error::printable;
use restamp::error::thousands;
use restamp::inspect::Inspect;
use restamp::inspect::form::Form;
use restamp::inspect::histogram::Histogram;
use restamp::inspect::report::{
    Attached, AttachedKind, Blob, Content, DocumentTime, Finding, ImageReport, LayerReport, NameKind, Report, Span,
};
use restamp::internals::shown_names;

use super::context::{self, RunOptions};
use super::origin;
use super::output;
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;

/// Show what is in an image, and which times it has
///
/// Lists images, layers, the times in both, and attestations and signatures, and names what is likely to differ between
/// builds: logs, caches, random identities, private keys, unpinned packages. Of where an image comes from (base, sources,
/// distribution, packages, date of their archive) it says how it is known. Every byte is verified, so with --quiet the
/// exit status shows whether the image is sound. No epoch is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  docker save app | restamp inspect
  restamp inspect --json oci:build:v1 | jq '.images[].created'
  restamp inspect --digest oci-archive:app.tar:app:1

Exit status: 0 done, 2 the image can't be read, or is not sound.

Limits of documents, statements and lists of descriptors: docs/limits.md.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The image to look at: `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`, a path, or `-`
    #[arg(default_value = "-", value_name = "SOURCE")]
    source: String,

    /// Print JSON (schema 2) instead of text
    #[arg(long)]
    json: bool,

    /// Print only the digest by which to deploy SOURCE: that of its index or manifest, or the image ID where an archive
    /// has no manifest. SOURCE:REF chooses one of several names. No layer is read
    #[arg(long, conflicts_with = "json")]
    digest: bool,

    /// Only images of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Don't read the layers: documents only
    #[arg(long)]
    no_layers: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let location = context::source(&arguments.source, "inspect")?;
    context::keep_clear_of_stdout(&location)?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let mut inspect = Inspect::new().skip_layers(arguments.no_layers || arguments.digest);
    if let Some(platform) = &arguments.platform {
        inspect = inspect.platform(platform.clone());
    }
    let report = inspect.with_context(&context).run(&location)?;
    drop(progress);
    if arguments.digest {
        let names = report.names.iter().map(|name| (name.name.as_deref(), name.digest));
        let digest = output::one_digest(names, "--digest")?;
        output::print(|out| writeln!(out, "{digest}"))?;
    } else if arguments.json {
        output::print_json(&report)?;
    } else if !arguments.running.quiet {
        let mut page = Page { report: &report, shown: vec![false; report.layers.len()] };
        output::print(|out| page.print(out))?;
    }
    Ok(super::DONE)
}

/// The longest step of a build that is shown.
const STEP: usize = 100;
/// Labels and annotations of one image, or of all indexes, that are shown.
const TIMES: usize = 12;
/// The longest bar of a histogram.
const BAR: u64 = 24;

/// The text for people. Whatever comes from the image is made printable.
struct Page<'r> {
    report: &'r Report,
    /// Layers that an image above has shown.
    shown: Vec<bool>,
}

impl Page<'_> {
    fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        let (images, kind) = (count(report.images.len() as u64, "image"), report.source.kind.name());
        writeln!(out, "{} ({kind}): {images}, {}", report.source.name, count(report.layers.len() as u64, "layer"))?;
        for index in report.names.iter().filter(|name| name.kind == NameKind::Index) {
            let name = index.name.as_deref().map_or("untagged".to_owned(), safe);
            writeln!(out, "\n{name}  index of {}", count(index.images as u64, "platform"))?;
            writeln!(out, "  digest     {}", index.digest)?;
        }
        for image in &report.images {
            self.image(out, image)?;
        }
        if !report.times.is_empty() {
            writeln!(out, "\nIndexes")?;
            times(out, report.times.iter())?;
        }
        if !report.attached.is_empty() {
            writeln!(out, "\nAttached")?;
            report.attached.iter().try_for_each(|attached| attachment(out, attached))?;
        }
        if !report.findings.is_empty() {
            writeln!(out, "\nLikely to differ between builds")?;
            report.findings.iter().try_for_each(|finding| self::finding(out, finding))?;
        }
        for note in &report.notes {
            writeln!(out, "note: {}", safe(&note.message))?;
        }
        Ok(())
    }

    fn image(&mut self, out: &mut dyn Write, image: &ImageReport) -> io::Result<()> {
        let names: Vec<String> = shown_names(&image.names).into_iter().map(safe).collect();
        let names = if names.is_empty() { "untagged".to_owned() } else { names.join(", ") };
        writeln!(out, "\n{names}  {}", safe(&image.platform.to_string()))?;
        if let Some(manifest) = &image.manifest {
            writeln!(out, "  manifest   {manifest}")?;
        }
        writeln!(out, "  config     {}", image.config)?;
        writeln!(out, "  created    {}", image.created.as_deref().map_or("not said".to_owned(), safe))?;
        if let Some(span) = image.documents {
            writeln!(out, "  documents  {}, {}", count(image.times.len() as u64, "time"), spelled(span))?;
        }
        if let Some(span) = image.files {
            writeln!(out, "  files      {}", spelled(span))?;
        }
        for (kind, counts) in image.copies.iter().flatten() {
            let faults = match (counts.stale, counts.wrongly_fresh) {
                (0, 0) => "all up to date".to_owned(),
                (stale, 0) => format!("{} stale", thousands(stale)),
                (stale, wrong) => {
                    format!("{} stale, {} taken for up to date by mistake", thousands(stale), thousands(wrong))
                }
            };
            writeln!(out, "  copies     {} of mtimes in {}: {faults}", thousands(counts.copies), kind.what())?;
        }
        origin::print(out, &image.origin)?;
        times(out, image.times.iter().filter(|time| !time.is_created))?;
        for (number, layer) in image.layers.iter().enumerate() {
            let Some(content) = self.report.layers.get(layer.layer) else { continue };
            let seen = self.shown.get_mut(layer.layer).is_some_and(|shown| std::mem::replace(shown, true));
            let name = short(&layer.digest.unwrap_or(layer.diff_id).to_string());
            writeln!(out, "  layer {number}  {name}  {}", if seen { "as above".to_owned() } else { size(content) })?;
            if let Some(step) = &layer.created_by {
                writeln!(out, "    {}", cut(&safe(step)))?;
            }
            if let Some(content) = content.content.as_ref().filter(|_| !seen) {
                self::content(out, content)?;
            }
        }
        Ok(())
    }
}

/// Labels, annotations and commands that hold a time.
fn times<'r>(out: &mut dyn Write, times: impl Iterator<Item = &'r DocumentTime>) -> io::Result<()> {
    let all: Vec<&DocumentTime> = times.collect();
    for time in all.iter().take(TIMES) {
        let document = if time.document.len() > STEP / 2 { short(&time.document) } else { time.document.clone() };
        writeln!(out, "  {document}: {} = {}", safe(&time.path), safe(&time.text))?;
    }
    match all.len().saturating_sub(TIMES) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more, listed by --json"),
    }
}

fn size(layer: &LayerReport) -> String {
    let size = HumanBytes(layer.size);
    match (&layer.content, layer.blob) {
        (Some(content), _) if content.compression == Compression::None => format!("{size}, not compressed"),
        (Some(content), _) => {
            let form = match content.form {
                Form::One => " in restamp's form 1",
                _ => "",
            };
            format!("{size} {}{form}, {} unpacked", content.compression.name(), HumanBytes(content.uncompressed_size))
        }
        (None, Blob::Foreign) if layer.is_here => format!("{size}, foreign"),
        (None, Blob::Foreign) => format!("{size}, not in the image"),
        (None, Blob::Opaque) => {
            format!("{size}, {}", safe(layer.media_type.as_deref().unwrap_or("not a layer format")))
        }
        (None, _) => size.to_string(),
    }
}

fn content(out: &mut dyn Write, content: &Content) -> io::Result<()> {
    let entries = content.entries;
    let kinds = [
        (entries.files, "file"),
        (entries.directories, "directory"),
        (entries.symlinks, "symlink"),
        (entries.hard_links, "hard link"),
        (entries.whiteouts, "whiteout"),
        (entries.others, "other"),
    ];
    let kinds: Vec<String> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| count(*n, kind)).collect();
    writeln!(out, "    {}", if kinds.is_empty() { "no entries".to_owned() } else { kinds.join(", ") })?;
    histogram(out, &content.mtimes)?;
    let others = [(content.fractions, "with a fraction of a second"), (content.other_times, "with atime or ctime")];
    for (number, what) in others.iter().filter(|(number, _)| *number > 0) {
        writeln!(out, "    {number} {what}")?;
    }
    Ok(())
}

fn histogram(out: &mut dyn Write, histogram: &Histogram) -> io::Result<()> {
    let most = histogram.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(1).max(1);
    let width = histogram.buckets.iter().map(|bucket| bucket.label.len()).max().unwrap_or(0);
    for bucket in &histogram.buckets {
        let length = (u128::from(bucket.count) * u128::from(BAR)).div_ceil(u128::from(most));
        let bar = "#".repeat(usize::try_from(length).unwrap_or(0));
        writeln!(out, "    {:width$}  {bar} {}", bucket.label, bucket.count)?;
    }
    Ok(())
}

fn attachment(out: &mut dyn Write, attached: &Attached) -> io::Result<()> {
    let kind = match attached.kind {
        AttachedKind::Attestation => "attestation",
        AttachedKind::Signature => "signature",
        _ => "referrer",
    };
    write!(out, "  {kind}  {}", short(&attached.digest.to_string()))?;
    if let Some(about) = &attached.about {
        write!(out, "  about {}", short(&about.to_string()))?;
    }
    let kinds =
        attached.predicates.iter().chain(attached.artifact_type.iter().filter(|_| attached.predicates.is_empty()));
    let kinds: Vec<String> = kinds.map(|text| safe(text)).collect();
    writeln!(out, "  {}", kinds.join(", "))
}

fn finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    writeln!(out, "  {} ({}): {}", finding.cause, finding.class, safe(&finding.what))?;
    let shown = finding.examples.iter().map(|example| match example.layer {
        Some(_) if example.place.starts_with("sha") && example.place.contains(':') => short(&example.place),
        _ => cut(&safe(&example.place)),
    });
    let shown: Vec<String> = shown.collect();
    let more = finding.count.saturating_sub(shown.len() as u64);
    if !shown.is_empty() {
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "    {}{more}", shown.join(", "))?;
    }
    writeln!(out, "    -> {}", safe(&finding.advice))
}

fn spelled(span: Span) -> String {
    if span.first == span.last { format!("all {}", span.first) } else { format!("{} to {}", span.first, span.last) }
}

/// `1 file`, `2 files`, `3 directories`.
fn count(number: u64, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// Enough of a digest to recognise it.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn safe(text: &str) -> String {
    printable(text.as_bytes())
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(STEP) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
