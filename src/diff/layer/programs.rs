//! What may run: it is content wherever it lies.
//!
//! The mode and the first bytes of a file are known when its layer is read ([`Head`], `record.rs`). What configs name and
//! links lead to is known when all layers of an image are: [`Reached`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

use crate::causes::{self, Class};
use crate::diff::layer::path::{ancestors, normal};
use crate::diff::layer::record::Record;
use crate::document::json::{Json, Value};
use crate::error::Result;

/// So many of the first bytes of a file are looked at.
const HEAD: usize = 4;

/// So many paths are followed through links.
const PATHS_MAX: usize = 100_000;
/// The longest path that Linux takes.
const PATH_MAX: usize = 4096;

/// How files begin that a kernel, a loader or a virtual machine runs: ELF, a script with an interpreter, PE, Mach-O in
/// both sizes and byte orders, Java classes (and Mach-O for several processors), WebAssembly, Android's DEX, LLVM.
const MAGICS: [&[u8]; 11] = [
    b"\x7fELF",
    b"#!",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"dex\n",
    b"BC\xc0\xde",
];

/// Members of `config` that name what runs.
const COMMANDS: [&str; 5] = ["Entrypoint", "Cmd", "Healthcheck", "Shell", "OnBuild"];

/// Variables that name where programs and libraries come from.
const VARIABLES: [&str; 10] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "NODE_PATH",
    "CLASSPATH",
    "PERL5LIB",
    "RUBYLIB",
    "BASH_ENV",
];

/// Endings of scripts that a command names without them: `python3 -m app`, `node app`.
const SCRIPTS: [&[u8]; 10] = [b"py", b"js", b"mjs", b"cjs", b"rb", b"pl", b"php", b"lua", b"sh", b"jar"];

/// Endings of settings that a program reads.
const SETTINGS: [&[u8]; 4] = [b"conf", b"cfg", b"ini", b"rc"];

/// Is it the name of a script, or of settings? In a folder of caches such a file may be what is run, too.
pub(crate) fn is_script_or_settings(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    // Cargo runs it when it builds.
    if name == b"build.rs" {
        return true;
    }
    let ending = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    let more: [&[u8]; 8] = [b"pyw", b"pm", b"phar", b"bash", b"zsh", b"ps1", b"tcl", b"awk"];
    ending.is_some_and(|ending| SCRIPTS.contains(&ending) || SETTINGS.contains(&ending) || more.contains(&ending))
}

/// The first bytes of a file.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: [u8; HEAD],
    filled: usize,
}

impl Head {
    /// Takes in the next piece of the content. Are these the first bytes of a program, as far as they are known?
    pub(crate) fn add(&mut self, piece: &[u8]) -> bool {
        for (to, from) in self.bytes.iter_mut().skip(self.filled).zip(piece) {
            *to = *from;
            self.filled += 1;
        }
        let head = self.bytes.get(..self.filled).unwrap_or_default();
        MAGICS.iter().any(|magic| head.starts_with(magic))
    }
}

/// Is it a place whose files are logs, caches or records unless something runs them?
fn is_idle_place(path: &[u8]) -> bool {
    causes::find_folder(path).is_some_and(|cause| cause.class != Class::Content)
}

/// Where links of a layer lead, as far as that is an idle place.
#[derive(Debug, Default)]
pub(crate) struct LinksIn {
    /// From elsewhere: the targets.
    from_outside: Vec<Box<[u8]>>,
    /// From one idle place into one: the link and its target.
    inside: Vec<(Box<[u8]>, Box<[u8]>)>,
}

impl LinksIn {
    /// Takes in an entry, if it is a link.
    pub(crate) fn add(&mut self, kind: u8, path: &[u8], link: &[u8]) {
        // No path of that length leads anywhere (limits.h, PATH_MAX).
        if path.len() > PATH_MAX || link.len() > PATH_MAX {
            return;
        }
        let target = match kind {
            b'1' => normal(link).into_owned(),
            b'2' if link.starts_with(b"/") => normal(link).into_owned(),
            b'2' => {
                let folder = ancestors(path).next().unwrap_or_default();
                normal(&[folder, b"/", link].concat()).into_owned()
            }
            _ => return,
        };
        if !is_idle_place(&target) {
            return;
        }
        let target = target.into_boxed_slice();
        if is_idle_place(path) || causes::is_standing(path) {
            self.inside.push((path.into(), target));
        } else {
            self.from_outside.push(target);
        }
    }

    /// Those of all these entries.
    pub(crate) fn of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut links = Self::default();
        for record in records {
            links.add(record.meta.kind, record.path(), &record.extra().link);
        }
        links
    }
}

/// What configs name and links lead to.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// Names of files without their folders.
    bases: HashSet<Vec<u8>>,
    /// Files, and folders with all that is in them.
    paths: BTreeSet<Vec<u8>>,
    /// Files that a config names by their whole path, wherever they are.
    named: HashSet<Vec<u8>>,
    /// Links lead to more than can be followed: anything may run.
    is_everything: bool,
}

impl Reached {
    /// What these configs name, and what is reached from there and from outside by these links.
    pub(crate) fn new<'l>(configs: [&[u8]; 2], links: impl IntoIterator<Item = &'l LinksIn>) -> Result<Self> {
        let mut reached = Self::default();
        for config in configs {
            reached.config(config)?;
        }
        reached.follow(links);
        Ok(reached)
    }

    /// Does a config name this file by its whole path?
    pub(crate) fn names(&self, path: &[u8]) -> bool {
        self.named.contains(path)
    }

    /// May it run, wherever it lies?
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let stem = base.iter().rposition(|byte| *byte == b'.').and_then(|at| {
            let (stem, ending) = base.split_at_checked(at)?;
            SCRIPTS.contains(&ending.get(1..)?).then_some(stem)
        });
        self.is_everything
            || self.bases.contains(base)
            || stem.is_some_and(|stem| self.bases.contains(stem))
            || self.paths.contains(path)
            || ancestors(path).any(|folder| self.paths.contains(folder))
    }

    fn config(&mut self, config: &[u8]) -> Result<()> {
        let json = Json::parse(config)?;
        let Some(config) = json.root().get("config") else { return Ok(()) };
        let folder = config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
        // That `/tmp` is where a program runs does not say that all in it is run.
        let working = normal(folder.as_bytes());
        if is_idle_place(&working) {
            self.paths.insert(working.into_owned());
        }
        let mut pending: Vec<Value<'_>> = COMMANDS.iter().filter_map(|key| config.get(key)).collect();
        while let Some(value) = pending.pop() {
            pending.extend(value.elements());
            pending.extend(value.members().map(|member| member.value));
            if let Some(text) = value.as_str() {
                self.command(&text, folder.as_bytes());
            }
        }
        for variable in config.get("Env").into_iter().flat_map(Value::elements).filter_map(Value::as_str) {
            let Some((name, value)) = variable.split_once('=') else { continue };
            if VARIABLES.contains(&name) {
                value
                    .split([':', ' '])
                    .filter(|path| path.starts_with('/'))
                    .for_each(|path| self.path(path.as_bytes()));
            }
        }
        Ok(())
    }

    /// The words of a command, each of which may name a file. Of a relative one only the last part is sure.
    fn command(&mut self, text: &str, folder: &[u8]) {
        let is_between = |c: char| c.is_whitespace() || "\"'`();&|<>=,:$!{}[]\\@".contains(c);
        for word in text.split(is_between).chain([text]) {
            // `/opt/lib/*.jar` names what is in a folder.
            let word = match word.find(['*', '?']) {
                Some(at) => word.get(..at).and_then(|before| before.rsplit_once('/')).map_or("", |(folder, _)| folder),
                None => word,
            };
            if word.is_empty() {
                continue;
            }
            if word.starts_with('/') {
                self.path(word.as_bytes());
                continue;
            }
            let base = word.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            if !matches!(base, "" | "." | "..") {
                self.bases.insert(base.as_bytes().to_vec());
            }
            self.path(&[folder, b"/", word.as_bytes()].concat());
        }
    }

    /// A file, or a folder with all that is in it, be it all of `/tmp`. One above such places says nothing about those.
    fn path(&mut self, name: &[u8]) {
        let path = normal(name);
        self.named.insert(path.clone().into_owned());
        if is_idle_place(&path) || is_idle_place(&[&path, &b"/x"[..]].concat()) {
            self.paths.insert(path.into_owned());
        }
    }

    fn follow<'l>(&mut self, links: impl IntoIterator<Item = &'l LinksIn>) {
        let mut inside: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        for links in links {
            self.paths.extend(links.from_outside.iter().map(|target| target.to_vec()));
            for (from, target) in &links.inside {
                inside.entry(from).or_default().push(target);
            }
        }
        // A link that is reached reaches what it leads to; each is taken out once.
        let links = inside.clone();
        let named: Vec<&[u8]> = inside.keys().copied().filter(|from| self.has(from)).collect();
        let mut pending: Vec<Vec<u8>> = named.into_iter().map(<[u8]>::to_vec).collect();
        pending.extend(self.paths.iter().cloned());
        while let Some(path) = pending.pop() {
            // A folder on the way may be a link as well.
            for folder in ancestors(&path) {
                let rest = path.get(folder.len()..).unwrap_or_default();
                for target in links.get(folder).into_iter().flatten() {
                    let target = [target, rest].concat();
                    if target.len() <= PATH_MAX && self.paths.insert(target.clone()) {
                        pending.push(target);
                    }
                }
            }
            if self.paths.len() > PATHS_MAX {
                self.is_everything = true;
                return;
            }
            let below = [&path, &b"/"[..]].concat();
            let own = inside.contains_key(path.as_slice()).then_some(path.as_slice());
            let range = inside.range::<[u8], _>((Bound::Included(below.as_slice()), Bound::Unbounded));
            let range = range.map(|(from, _)| *from).take_while(|from| from.starts_with(&below));
            let found: Vec<Vec<u8>> = own.into_iter().chain(range).map(<[u8]>::to_vec).collect();
            for from in found {
                for target in inside.remove(from.as_slice()).into_iter().flatten() {
                    if self.paths.insert(target.to_vec()) {
                        pending.push(target.to_vec());
                    }
                }
            }
        }
    }
}
