//! A [`Report`] as JSON, for programs. Fields are added, never renamed or removed, while `schema` is 1.

use std::io;

use serde::Serialize;

use super::{Attested, Report, SCHEMA, Verdict, folder_name};
use crate::json_writer;

#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    target: &'r str,
    candidate: &'r str,
    verdict: Option<Verdict>,
    images: Vec<Image<'r>>,
}

#[derive(Serialize)]
struct Image<'r> {
    platform: String,
    name: Option<&'r str>,
    verdict: Verdict,
    target: String,
    candidate: Option<String>,
    stabilized: Pair,
    differences: usize,
    accepted: usize,
    statements: Vec<Statement>,
}

#[derive(Serialize)]
struct Pair {
    target: String,
    candidate: String,
}

#[derive(Serialize)]
struct Statement {
    predicate_type: &'static str,
    file: String,
    bundle: Option<String>,
}

/// Writes it; `is_signed` says that each statement has a bundle beside it.
///
/// # Errors
///
/// The writer's own.
pub fn json(out: &mut dyn io::Write, report: &Report, is_signed: bool) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        target: &report.target,
        candidate: &report.candidate,
        verdict: report.verdict(),
        images: report.images.iter().map(|image| self::image(image, is_signed)).collect(),
    };
    json_writer::write(&document, out)
}

fn image(image: &Attested, is_signed: bool) -> Image<'_> {
    let folder = folder_name(&image.platform);
    let [target, candidate] = image.stabilized.map(|digest| digest.to_string());
    let statements = image.statements.iter().map(|statement| Statement {
        predicate_type: statement.predicate_type,
        file: format!("{folder}/{}.json", statement.name),
        bundle: is_signed.then(|| format!("{folder}/{}.sigstore.json", statement.name)),
    });
    Image {
        platform: image.platform.to_string(),
        name: image.subject.name.as_deref(),
        verdict: image.verdict,
        target: image.subject.digest.to_string(),
        candidate: image.candidate.map(|digest| digest.to_string()),
        stabilized: Pair { target, candidate },
        differences: image.diff.differences.len(),
        accepted: image.diff.accepted.len(),
        statements: statements.collect(),
    }
}
