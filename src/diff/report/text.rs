//! The table for people: what matters first, repetition folded.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::causes::{Cause, Class};
use crate::diff::model::{Difference, Report, Verdict};
use crate::diff::report::fold::{Group, Shown, groups};
use crate::diff::report::remedy_line;
use crate::diff::report::window::shown;
use crate::error::{escaped, printable, printable_whole, thousands};

/// How it is printed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// Every difference on a line of its own.
    pub verbose: bool,
}

/// Groups of so many are listed one by one.
const LISTED: usize = 3;
/// Of what matters so many.
const LISTED_CONTENT: usize = 12;
/// Files that matter are listed one by one, programs first, up to so many.
const LISTED_FILES: usize = 200;
/// Of a path so much is shown of each end.
const PATH_END: usize = 500;
/// Lines of a preview, and of all previews together unless `--verbose` asks for more.
const PREVIEW: usize = 10;
const PREVIEWS: usize = 30;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// The report as text.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let mut printer = Printer { out: &mut out, style, report, previews: PREVIEWS };
    printer.run();
    out
}

struct Printer<'o, 'r> {
    out: &'o mut String,
    style: Style,
    report: &'r Report,
    previews: usize,
}

impl Printer<'_, '_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.style.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn run(&mut self) {
        let report = self.report;
        let verdict = report.verdict();
        let color = match verdict {
            Verdict::Identical | Verdict::Accepted | Verdict::SameAfterRestamping => GREEN,
            Verdict::Explainable => YELLOW,
            Verdict::Different => RED,
        };
        // In the order in which they follow.
        let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
        for difference in &report.differences {
            *counts.entry(difference.class).or_default() += 1;
        }
        let counts: Vec<String> =
            counts.iter().map(|(class, count)| format!("{} {class}", thousands(*count))).collect();
        let count = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let verdict = self.paint(&verdict.to_string(), color);
        self.line(&format!("{verdict}{count}"));
        if !report.differences.is_empty() {
            let names = report.names.clone().map(|name| printable(name.as_bytes()));
            self.line(&self.paint(&format!("A {}\nB {}", names[0], names[1]), DIM));
        }
        if let Some(options) = &report.restamped_with {
            self.line(&format!("both rewritten with: {}", printable_whole(options.as_bytes())));
        }
        if let Some(remedy) = &report.remedy {
            let text = remedy_line(remedy, !report.accepted.is_empty(), report.differences.len());
            self.line(&if remedy.left == 0 { self.paint(&text, GREEN) } else { text });
        }
        for text in &report.explanations {
            self.line(&escaped(text));
        }
        let images = report.places.iter().map(|place| place.image.as_str()).collect::<std::collections::BTreeSet<_>>();
        let with_image = images.len() > 1;
        let shown = Shown::of(report.differences.iter());
        self.groups(&shown.first, with_image);
        self.files(&shown.files, with_image);
        self.groups(&shown.rest, with_image);
        self.tail();
    }

    fn groups(&mut self, groups: &[Group<'_>], with_image: bool) {
        let mut next = groups.iter().skip(1);
        for group in groups {
            self.group(group, with_image);
            // Groups of one cause follow each other, and it is explained after the last of them.
            let is_last = next.next().is_none_or(|next| (next.class, next.cause) != (group.class, group.cause));
            if let Some(cause) = group.cause.filter(|_| is_last) {
                self.cause(cause);
            }
        }
    }

    fn cause(&mut self, cause: &Cause) {
        let mut text = format!("{:14}{}: {}; to avoid it: {}", "", cause.id, cause.what, cause.advice);
        if let Some(mended) = cause.mended() {
            let _ = write!(text, "; in an image that is built: {mended}");
        }
        self.line(&self.paint(&text, DIM));
    }

    /// Files one by one, and each cause of them once after all.
    fn files(&mut self, files: &[&Difference], with_image: bool) {
        let limit = if self.style.verbose { files.len() } else { LISTED_FILES.min(files.len()) };
        let (listed, more) = files.split_at_checked(limit).unwrap_or((files, &[]));
        for difference in listed {
            self.difference(difference, with_image);
        }
        for group in groups(more.iter().copied()) {
            self.count(&group, 0, " more");
        }
        let causes: BTreeMap<&str, &Cause> =
            files.iter().filter_map(|difference| difference.cause).map(|cause| (cause.id, cause)).collect();
        for cause in causes.values() {
            self.cause(cause);
        }
    }

    fn tail(&mut self) {
        let report = self.report;
        if !report.accepted.is_empty() {
            // In the order in which they come up first.
            let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
            for (number, accepted) in report.accepted.iter().enumerate() {
                counts.entry(&accepted.reason).or_insert((number, 0)).1 += 1;
            }
            let mut reasons: Vec<_> = counts.into_iter().collect();
            reasons.sort_unstable_by_key(|(_, (first, _))| *first);
            for (reason, (_, count)) in reasons {
                let reason = printable(reason.as_bytes());
                self.line(&format!("accepted: {} ({reason})", thousands(count)));
            }
        }
        for rule in &report.unused_rules {
            self.line(&format!("unused rule: {}", printable(rule.as_bytes())));
        }
        let shown = if self.style.verbose { usize::MAX } else { 5 };
        for note in report.notes.iter().take(shown) {
            self.line(&format!("note: {}", printable(note.as_bytes())));
        }
        if report.notes.len() > shown {
            self.line(&format!("note: {} more of these (--verbose)", report.notes.len() - shown));
        }
    }

    fn label(&self, class: Class) -> String {
        let color = match class {
            Class::Content => RED,
            Class::EmbeddedTime | Class::PackageDb | Class::LogOrCache => YELLOW,
            _ => DIM,
        };
        self.paint(&format!("{class:<13}"), color)
    }

    fn group(&mut self, group: &Group<'_>, with_image: bool) {
        // What no cause explains needs a look.
        let matters = group.class == Class::Content && group.cause.is_none();
        let limit = if matters { LISTED_CONTENT } else { LISTED };
        let total = group.members.len();
        let listed = match (self.style.verbose, total <= limit) {
            (true, _) | (_, true) => total,
            (false, false) if matters => LISTED_CONTENT,
            (false, false) => 0,
        };
        for difference in group.members.iter().take(listed) {
            self.difference(difference, with_image);
        }
        if listed < total {
            self.count(group, listed, if listed > 0 { " more" } else { "" });
        }
    }

    /// A group in a line, but for those of its members that are listed.
    fn count(&mut self, group: &Group<'_>, listed: usize, more: &str) {
        let label = self.label(group.class);
        let rest = Group {
            class: group.class,
            cause: group.cause,
            field: group.field.clone(),
            members: group.members.iter().skip(listed).copied().collect(),
        };
        let summary = rest.summary();
        let summary = if summary.is_empty() { summary } else { format!(": {summary}") };
        let count = self.paint(&format!("{}{more} x", thousands(rest.members.len())), BOLD);
        let field = printable(group.field.as_bytes());
        let mut line = format!("{label} {count} {field} in {}{summary}", rest.places(self.report));
        if listed == 0
            && group.class != Class::Time
            && let Some(first) = rest.members.first().filter(|first| !first.path.is_empty())
        {
            let _ = write!(line, ", first {}", printable(&first.path));
        }
        self.line(&line);
    }

    fn difference(&mut self, difference: &Difference, with_image: bool) {
        let label = self.label(difference.class);
        let place = self.report.place(difference);
        let mut line = format!("{label} ");
        if !difference.path.is_empty() {
            let path = self.paint(&shortened(&difference.printable_path()), BOLD);
            let _ = write!(line, "{path} ");
        }
        // Whole, as the name of a label is not less than its value.
        let _ = write!(line, "{} in {}", printable_whole(difference.field.as_bytes()), place.part);
        if with_image && !place.image.is_empty() {
            let _ = write!(line, " of {}", place.image);
        }
        match &difference.values {
            [None, None] => {}
            [a, b] => {
                let [a, b] = shown([a.as_ref(), b.as_ref()]);
                let _ = write!(line, ": {a} -> {b}");
            }
        }
        if let Some(note) = &difference.note {
            let _ = write!(line, " ({})", printable(note.as_bytes()));
        }
        self.line(&line);
        if let Some(preview) = &difference.preview {
            self.preview(preview, difference.class);
        }
    }

    fn preview(&mut self, preview: &str, class: Class) {
        let limit = match (self.style.verbose, class) {
            (true, _) => usize::MAX,
            (false, Class::Content) => PREVIEW.min(self.previews),
            (false, _) => 0,
        };
        let total = preview.lines().count();
        for line in preview.lines().take(limit) {
            let color = match line.chars().next() {
                Some('-') => RED,
                Some('+') => GREEN,
                _ => DIM,
            };
            // Made of printable text already, and no longer than a line may be; a second time only keeps it so.
            let text = self.paint(&escaped(line), color);
            self.line(&format!("{:14}{text}", ""));
        }
        if limit > 0 && total > limit {
            self.line(&format!("{:14}…", ""));
        }
        self.previews = self.previews.saturating_sub(total.min(limit));
    }
}

/// A path in a line: of a long one, as archives in archives have them, both ends.
fn shortened(path: &str) -> Cow<'_, str> {
    let count = path.chars().count();
    if count <= 2 * PATH_END {
        return path.into();
    }
    let from: String = path.chars().take(PATH_END).collect();
    let to: String = path.chars().skip(count - PATH_END).collect();
    format!("{from}…{to} ({} characters)", thousands(count)).into()
}
