//! The page of an image: who says what of it, and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::differences::differences;
use super::page::{class, end, list, standing, start, text};
use super::site;
use crate::digest::Digest;
use crate::error::{Error, Property, Result};
use crate::results::entry::{Entry, report_of};
use crate::results::folder::Folder;
use crate::results::report::{PACKED_MAX, unpack};
use crate::signing::{Bundle, bundle};
use crate::statement::{Issued, Predicate, Statement, Vsa};

/// So many lists of differences are shown, the newest ones.
const LISTS: usize = 8;

/// The page. Bundles and lists are read, and have to be what the log says.
pub(super) fn page(folder: &Folder, subject: Digest, entries: &[&Entry], title: &str) -> Result<String> {
    let mut page = String::new();
    let names: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
    let of_all = site::standing(entries);
    let name = names.first().map_or_else(|| subject.to_string(), |name| (*name).to_owned());
    start(&mut page, &format!("{}: {name}", of_all.text()));
    let _ = writeln!(page, "<header><p><a href=\"../index.html\">{}</a></p>", text(title));
    let _ = writeln!(page, "<h1><bdi>{}</bdi></h1></header>\n<main>", text(&name));
    let _ = writeln!(page, "<article class={}>\n<p class=v>{}</p>\n<dl>", class(of_all.verdict), standing(&of_all));
    let _ = writeln!(page, "<dt>Manifest<dd><code>{subject}</code>");
    list(&mut page, "Names", names.iter().copied());
    let platforms: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.platform.as_deref()).collect();
    list(&mut page, "Platform", platforms.into_iter());
    page.push_str("</dl></article>\n<section><h2>Statements, the newest first</h2>\n");
    // Lists of differences that a statement names, and so its signature, with who has signed it.
    let mut signed: BTreeMap<Digest, &Entry> = BTreeMap::new();
    for entry in entries.iter().rev() {
        if let Some(list) = statement(&mut page, folder, entry)? {
            signed.entry(list).or_insert(entry);
        }
    }
    page.push_str("</section>\n");
    let mut seen = BTreeSet::new();
    let with_list: Vec<&&Entry> =
        entries.iter().rev().filter(|entry| entry.report.is_some_and(|report| seen.insert(report))).collect();
    for entry in with_list.iter().take(LISTS) {
        let (Some(expected), Some(path)) = (entry.report, entry.report_path()) else { continue };
        let packed = folder.read(&path, PACKED_MAX)?.ok_or_else(|| Error::missing(path.clone()))?;
        let json = unpack(&packed).map_err(|e| e.in_file(&path))?;
        same(expected, Digest::sha256(&json), &path)?;
        let by = signed.get(&expected).unwrap_or(entry);
        let (operator, time) = (text(&by.operator), &by.time);
        if signed.contains_key(&expected) {
            let _ = writeln!(page, "<section><h2>Differences, {operator}, <time>{time}</time></h2>");
        } else {
            let _ = writeln!(
                page,
                "<section><h2>Differences, <time>{time}</time>: kept beside it, not signed by {operator}</h2>"
            );
        }
        differences(&mut page, &json).map_err(|e| e.in_file(&path))?;
        page.push_str("</section>\n");
    }
    if with_list.is_empty() {
        page.push_str("<section><h2>Differences</h2>\n<p>No list of differences was kept.</p></section>\n");
    } else if with_list.len() > LISTS {
        let _ = writeln!(page, "<p>And {} older lists of differences.</p>", with_list.len() - LISTS);
    }
    page.push_str("</main>\n");
    end(&mut page);
    Ok(page)
}

/// Writes a statement, and returns the list of differences that it names.
fn statement(page: &mut String, folder: &Folder, entry: &Entry) -> Result<Option<Digest>> {
    let Entry { path, verdict, .. } = entry;
    let bytes = folder.read(path, bundle::MAX as u64)?.ok_or_else(|| Error::missing(path.clone()))?;
    same(entry.bundle, bundle::digest(&bytes), path)?;
    let statement = Bundle::parse(&bytes).and_then(|bundle| Statement::parse(bundle.payload()));
    let statement = statement.map_err(|e| e.in_file(path))?;
    let class = class(*verdict);
    let _ = writeln!(page, "<article class={class}><h3>{}</h3>", text(&entry.operator));
    let _ = writeln!(
        page,
        "<p class=v><b class={class}>{}</b>, {}<time>{}</time></p>\n<dl>",
        site::word(*verdict),
        // Of others, nobody has signed when they were made.
        if matches!(statement.predicate, Predicate::Svr(_)) { "" } else { "added " },
        entry.time
    );
    let mut named = None;
    match &statement.predicate {
        Predicate::Svr(svr) => {
            page.push_str("<dt>Statement<dd>verification result (SVR)\n");
            list(page, "Verifier", [svr.verifier.id.as_str()].into_iter());
            list(page, "Properties", svr.properties.iter().map(String::as_str));
        }
        Predicate::Equivalence(equivalence) => {
            page.push_str("<dt>Statement<dd>equivalence\n");
            list(page, "Compared with", equivalence.candidate.name.as_deref().into_iter());
            digest(page, "Its manifest", equivalence.candidate.digest.only());
            digest(page, "Stabilized", equivalence.stabilized.digest.only());
            list(page, "Run", equivalence.run.iter().map(|run| run.url.as_str()));
        }
        Predicate::TestResult(result) => {
            named = report_of(result);
            page.push_str("<dt>Statement<dd>test result\n");
            list(page, "Failed for", result.failed_tests.iter().map(String::as_str));
            list(page, "Warned for", result.warned_tests.iter().map(String::as_str));
            list(page, "Run", result.url.as_deref().into_iter());
        }
        Predicate::Summary(_) => list(page, "Statement", [Vsa::TYPE].into_iter()),
        Predicate::Provenance(builder) => list(page, "Provenance", [builder.as_str()].into_iter()),
        Predicate::Other(kind) => list(page, "Statement", [kind.as_str()].into_iter()),
    }
    let _ = writeln!(page, "<dt>Bundle<dd><code>v1/{}</code>\n</dl></article>", text(path));
    Ok(named)
}

fn digest(page: &mut String, title: &str, digest: Option<Digest>) {
    if let Some(digest) = digest {
        let _ = writeln!(page, "<dt>{title}<dd><code>{digest}</code>");
    }
}

fn same(expected: Digest, found: Digest, path: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::mismatch(Property::Digest, expected, found).in_file(path))
}
