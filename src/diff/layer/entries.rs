//! Two lists of entries, paired by path, and every field of each pair.

use std::cmp::Ordering;

use crate::causes::{self, Cause, Class, Omit};
use crate::diff::findings::Findings;
use crate::diff::layer::links::Links;
use crate::diff::layer::moved::Moved;
use crate::diff::layer::path::normal;
use crate::diff::layer::programs::is_script_or_settings;
use crate::diff::layer::record::{PERMISSIONS, Record, Records, SET_ID};
use crate::diff::mend::{Mend, Mends};
use crate::diff::model::{Difference, Role, Value};

/// Two files of the same path whose contents differ, to be read and compared.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The index of the difference that says so.
    pub(crate) difference: usize,
    /// The numbers of both entries in their layers.
    pub(crate) numbers: [u32; 2],
    pub(crate) sizes: [u64; 2],
    /// May rewriting give them another size?
    pub(crate) are_resizable: bool,
}

/// What a comparison leaves for others.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// Contents that differ.
    pub(crate) wanted: Vec<Wanted>,
    /// Whiteouts that only one side has: the index of the difference, and the side.
    pub(crate) whiteouts: Vec<(usize, usize)>,
    /// Files that only one side has: the index of the difference, the side, and the number of the entry.
    pub(crate) lone_files: Vec<(usize, usize, u32)>,
}

/// Which fields are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All of them: layers.
    Stream,
    /// Those that a file has when it is unpacked.
    Files,
    /// All of them, of a tar that is a file itself.
    Archive,
}

/// Pairs of entries, sorted by path: of several with one path the first with the first.
fn join<'r>(a: &'r [Record], b: &'r [Record]) -> Vec<[Option<&'r Record>; 2]> {
    let sorted = |records: &'r [Record]| {
        let mut all: Vec<&Record> = records.iter().collect();
        all.sort_by(|x, y| x.path().cmp(y.path()).then(x.number.cmp(&y.number)));
        all
    };
    let (a, b) = (sorted(a), sorted(b));
    let mut pairs = Vec::with_capacity(a.len().max(b.len()));
    let (mut i, mut j) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (i.peek(), j.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => x.path().cmp(y.path()),
        };
        let x = if order.is_le() { i.next().copied() } else { None };
        let y = if order.is_ge() { j.next().copied() } else { None };
        pairs.push([x, y]);
    }
}

/// Compares two layers.
pub(crate) fn compare(findings: &mut Findings, place: usize, layers: [&Records; 2], depth: Depth) -> Open {
    let pairs = join(&layers[0].entries, &layers[1].entries);
    let links = layers.map(Links::new);
    let mut comparer = Comparer { findings, place, depth, links, open: Open::default() };
    let mut moved = Moved::default();
    for pair in &pairs {
        let before = comparer.findings.count();
        match pair {
            [Some(a), Some(b)] => comparer.pair(a, b),
            [Some(a), None] => moved.add(0, a, comparer.one_sided(a, 0)),
            [None, Some(b)] => moved.add(1, b, comparer.one_sided(b, 1)),
            [None, None] => {}
        }
        comparer.rank(*pair, before);
    }
    moved.note(comparer.findings, place);
    if depth != Depth::Files {
        comparer.order(&pairs);
        comparer.stream(layers);
    }
    comparer.open
}

pub(crate) struct Comparer<'f, 'r> {
    pub(crate) findings: &'f mut Findings,
    pub(crate) place: usize,
    pub(crate) depth: Depth,
    links: [Links<'r>; 2],
    open: Open,
}

impl Comparer<'_, '_> {
    fn push(&mut self, class: Class, record: &Record, field: &'static str, values: [Value; 2]) -> usize {
        let difference = Difference::new(class, self.place, field, values.map(Some)).at(record.shared_path());
        self.findings.push(difference);
        self.findings.count() - 1
    }

    /// Any of these makes it go away as well.
    fn mend(&mut self, at: usize, mends: Mends) {
        if let Some(difference) = self.findings.differences.get_mut(at) {
            difference.mends = difference.mends.or_all(mends);
        }
    }

    /// Which list of files that may be left out has what is at this path, where nothing keeps it there.
    pub(crate) fn omission(&self, pair: [Option<&Record>; 2]) -> Option<Mend> {
        let first = pair.into_iter().flatten().next().filter(|_| self.depth != Depth::Archive)?;
        let list = Omit::ALL.into_iter().find(|list| causes::omitted(*list, first.path()).is_some())?;
        // What a hard link leads to stays, and so do links.
        let may_go = |(record, links): (Option<&Record>, &Links<'_>)| {
            record.is_none_or(|record| record.is_file() && !record.is_sparse() && !links.lead_to(record.path()))
        };
        pair.into_iter().zip(&self.links).all(may_go).then(|| Mend::of_list(list))
    }

    /// Says of what was found since then what the file is, and of its place what packages have to do with it.
    fn rank(&mut self, pair: [Option<&Record>; 2], before: usize) {
        let rank = pair.into_iter().flatten().map(Record::rank).min().unwrap_or_default();
        let has_found = self.findings.count() > before;
        let omission = if has_found { self.omission(pair).map_or(Mends::NONE, Mends::by) } else { Mends::NONE };
        for difference in self.findings.differences.iter_mut().skip(before) {
            difference.rank = rank;
            difference.mends = difference.mends.or_all(omission);
        }
        let Some(first) = pair.into_iter().flatten().next().filter(|_| self.depth == Depth::Stream) else { return };
        let facts = pair.map(|record| record.map(|record| (record.is_file(), record.size, record.content)));
        let is_on_both = pair.iter().all(Option::is_some);
        self.findings.databases.see(self.place, first.path(), facts[0] == facts[1], is_on_both);
    }

    fn pair(&mut self, a: &Record, b: &Record) {
        self.meaning(a, b);
        if self.depth != Depth::Files {
            self.idle(a, b);
        }
        if a.mtime != b.mtime {
            self.push(Class::Time, a, "mtime", [a.mtime, b.mtime].map(Value::Time));
        }
        if self.depth == Depth::Files {
            return;
        }
        self.times(a, b);
        // Another name of an owner is another field.
        let same_owners = (&a.meta.uname, &a.meta.gname) == (&b.meta.uname, &b.meta.gname);
        let is_same =
            a.meta.spelling.0 == b.meta.spelling.0 && (!same_owners || a.meta.spelling.1 == b.meta.spelling.1);
        if !is_same && a.is_alike(b) {
            let text = "written in another way: padding of numbers, or bytes that have no meaning";
            let difference = Difference::new(Class::Format, self.place, "header", [None, None]);
            self.findings.push(difference.at(a.shared_path()).note(text));
        }
    }

    /// What a file has when it is unpacked.
    fn meaning(&mut self, a: &Record, b: &Record) {
        let is_turned = a.is_hard_link() && b.is_file() || a.is_file() && b.is_hard_link();
        if is_turned {
            self.link_turned(a, b);
        } else if a.meta.kind != b.meta.kind && !(a.is_file() && b.is_file()) && !(a.is_folder() && b.is_folder()) {
            self.push(Class::Content, a, "type", [a, b].map(|record| Value::text(record.kind_name())));
            return;
        }
        if (a.meta.mode ^ b.meta.mode) & PERMISSIONS != 0 {
            self.push(Class::Content, a, "mode", [a, b].map(|record| Value::text(format!("{:04o}", record.meta.mode))));
        }
        if a.meta.uid != b.meta.uid {
            self.push(Class::Content, a, "uid", [a, b].map(|record| Value::text(record.meta.uid.to_string())));
        }
        if a.meta.gid != b.meta.gid {
            self.push(Class::Content, a, "gid", [a, b].map(|record| Value::text(record.meta.gid.to_string())));
        }
        let is_link = matches!(a.meta.kind, b'1' | b'2') && !is_turned;
        let target = |record: &Record| {
            if record.is_hard_link() { normal(&record.extra().link).into_owned() } else { record.extra().link.to_vec() }
        };
        if is_link && target(a) != target(b) {
            let class = if a.is_hard_link() && self.same_file(a, b) { Class::Order } else { Class::Content };
            self.push(class, a, "link target", [a, b].map(|record| Value::bytes(&record.extra().link)));
        }
        if a.meta.device != b.meta.device {
            let class = if matches!(a.meta.kind, b'3' | b'4') { Class::Content } else { Class::Format };
            let text = |record: &Record| Value::text(format!("{},{}", record.meta.device.0, record.meta.device.1));
            if class == Class::Content || self.depth != Depth::Files {
                self.push(class, a, "device", [a, b].map(text));
            }
        }
        // Tar programs give attributes to the file alone, not to links to it.
        if !is_turned || !a.extra().pax.is_empty() && !b.extra().pax.is_empty() {
            self.pax(a, b);
        }
        if is_turned {
            return;
        }
        if a.extra().sparse_size != b.extra().sparse_size && a.content == b.content && a.size == b.size {
            let text = |record: &Record| record.extra().sparse_size.map_or("none".to_owned(), |size| size.to_string());
            self.push(Class::Content, a, "size of the sparse file", [a, b].map(|record| Value::text(text(record))));
        }
        if a.content != b.content || a.is_file() && a.size != b.size {
            self.content(a, b);
        }
    }

    /// One is a hard link and the other a file.
    fn link_turned(&mut self, a: &Record, b: &Record) {
        let values = [a, b].map(|record| Value::text(record.kind_name()));
        let link = if a.is_hard_link() { a } else { b };
        let class = match self.depth {
            _ if !self.same_file(a, b) || link.has_xattrs() => Class::Content,
            Depth::Stream | Depth::Archive => Class::Order,
            Depth::Files => Class::Format,
        };
        if class == Class::Content {
            self.push(class, a, "type", values);
            return;
        }
        let at = self.push(class, a, "hard link", values);
        if let Some(difference) = self.findings.differences.get_mut(at) {
            difference.note = Some("the same content, once as a file and once as a hard link to it".into());
        }
    }

    /// Do both lead to a file, and are those the same in all but their names? What lies in a lower layer is not known.
    fn same_file(&self, a: &Record, b: &Record) -> bool {
        let (Some(x), Some(y)) = (self.links[0].file(a), self.links[1].file(b)) else { return false };
        let attributes = |record: &Record| {
            (record.meta.mode & PERMISSIONS, record.meta.uid, record.meta.gid, record.extra().sparse_size)
        };
        x.content == y.content && x.size == y.size && attributes(x) == attributes(y) && x.used_pax().eq(y.used_pax())
    }

    fn content(&mut self, a: &Record, b: &Record) {
        let cause = self.cause(a);
        let is_harmless = !a.is_program() && !b.is_program();
        let class = cause.filter(|_| is_harmless).map_or(Class::Content, |cause| cause.class);
        let values = [a, b].map(|record| {
            // As many digits as a short digest has.
            let hash = record.content.map(|hash| hex(hash.get(..6).unwrap_or_default()));
            Value::text(format!("{} bytes, {}", record.size, hash.as_deref().unwrap_or("empty")))
        });
        let at = self.push(class, a, "content", values);
        if let Some(difference) = self.findings.differences.get_mut(at) {
            (difference.cause, difference.role) = (cause, Role::Content);
        }
        // Of a sparse file the bytes in the layer are not those of the file.
        if a.is_file() && b.is_file() && !a.is_sparse() && !b.is_sparse() {
            let (numbers, sizes) = ([a.number, b.number], [a.size, b.size]);
            let are_resizable = a.is_resizable() && b.is_resizable();
            self.open.wanted.push(Wanted { difference: at, numbers, sizes, are_resizable });
        }
    }

    /// What only shows in the stream.
    fn idle(&mut self, a: &Record, b: &Record) {
        if a.raw_name() != b.raw_name() {
            self.push(Class::Format, a, "name", [a, b].map(|record| Value::bytes(record.raw_name())));
        }
        let is_alike = a.is_file() && b.is_file() || a.is_folder() && b.is_folder();
        if (a.meta.mode ^ b.meta.mode) & !PERMISSIONS != 0 {
            self.push(Class::Format, a, "mode", [a, b].map(|record| Value::text(format!("{:04o}", record.meta.mode))));
        }
        if a.meta.kind != b.meta.kind && is_alike {
            self.push(Class::Format, a, "type", [a, b].map(|record| Value::text(record.kind_name())));
        }
        // Runtimes take the numbers and leave the names.
        let [owners, others] = [a, b].map(|record| [&record.meta.uname, &record.meta.gname]);
        for (field, (x, y)) in ["uname", "gname"].into_iter().zip(owners.into_iter().zip(others)) {
            if x != y {
                let at = self.push(Class::Format, a, field, [x, y].map(|name| Value::bytes(name)));
                self.mend(at, Mends::by(Mend::NumericOwner));
            }
        }
        if a.meta.kind == b.meta.kind && !matches!(a.meta.kind, b'1' | b'2') && a.extra().link != b.extra().link {
            self.push(Class::Format, a, "link target", [a, b].map(|record| Value::bytes(&record.extra().link)));
        }
        if a.meta.format != b.meta.format {
            self.push(Class::Format, a, "dialect", [a, b].map(|record| Value::text(record.dialect_name())));
        } else if a.meta.extensions != b.meta.extensions && !self.follows_from_times(a, b) {
            let list = |record: &Record| {
                let all: Vec<_> = record.meta.extensions.iter().map(ToString::to_string).collect();
                Value::text(if all.is_empty() { "none".to_owned() } else { all.join(", ") })
            };
            self.push(Class::Format, a, "extension headers", [a, b].map(list));
        } else if a.extra().unmodelled.0 != b.extra().unmodelled.0
            && a.extra().pax == b.extra().pax
            && a.raw_name() == b.raw_name()
            && a.extra().link == b.extra().link
        {
            let difference = Difference::new(Class::Format, self.place, "extension headers", [None, None]);
            let text = "written in another way: owner, mode, order or spelling of records";
            self.findings.push(difference.at(a.shared_path()).note(text));
        }
        if a.extra().unmodelled.1 != b.extra().unmodelled.1 {
            let difference = Difference::new(Class::Format, self.place, "padding", [None, None]);
            self.findings.push(
                difference.at(a.shared_path()).note("the padding of the last block differs, and is not all zeros"),
            );
        }
    }

    /// Is there a PAX header more or less because of a fraction of a second?
    fn follows_from_times(&self, a: &Record, b: &Record) -> bool {
        let others = |record: &Record| {
            let all = record.meta.extensions.iter().filter(|kind| **kind != crate::tar::ExtensionKind::Pax);
            all.copied().collect::<Vec<_>>()
        };
        a.extra().pax == b.extra().pax
            && others(a) == others(b)
            && (a.mtime != b.mtime || a.extra().times != b.extra().times)
    }

    /// The known cause for the path of an entry. Paths in an archive are no places in the image.
    fn cause(&self, record: &Record) -> Option<&'static Cause> {
        match self.depth {
            Depth::Archive => None,
            _ if record.is_folder() => causes::find_folder(record.path()),
            _ => causes::find(record.path()),
        }
    }

    fn one_sided(&mut self, record: &Record, side: usize) -> usize {
        let cause = self.cause(record);
        let base = record.path().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_whiteout = base.starts_with(b".wh.");
        let class = cause.filter(|_| is_harmless(record)).map_or(Class::Content, |cause| cause.class);
        let text = if is_whiteout {
            "whiteout".to_owned()
        } else if record.is_file() {
            format!("file of {} bytes", record.size)
        } else {
            record.kind_name().to_owned()
        };
        let mut values = [None, None];
        if let Some(value) = values.get_mut(side) {
            *value = Some(Value::text(text));
        }
        let difference = Difference::new(class, self.place, "entry", values).at(record.shared_path()).cause(cause);
        self.findings.push(difference.role(Role::Entry));
        let at = self.findings.count() - 1;
        if is_whiteout && self.depth == Depth::Stream {
            self.open.whiteouts.push((at, side));
        }
        // Of a sparse file the bytes in the layer are not those of the file.
        if record.is_file() && !record.is_sparse() && !is_whiteout {
            self.open.lone_files.push((at, side, record.number));
        }
        at
    }
}

/// A cause speaks of what is in files: not of something that can be run, that grants rights or leads elsewhere.
fn is_harmless(record: &Record) -> bool {
    let is_data = |record: &Record| !record.is_program() && !is_script_or_settings(record.path());
    let is_plain = record.is_folder() || record.is_file() && is_data(record);
    is_plain && record.meta.mode & SET_ID == 0 && !record.has_xattrs()
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
