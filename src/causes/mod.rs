//! Why builds of one source differ: the known causes, as data.
//!
//! `diff` names the cause of a difference, `inspect` warns of the same in one image. The table is [`CAUSES`]; a new
//! cause is a new row in a file of `table/`. The content of a file is never read here: a row has the paths and commands
//! that show the cause, and `places.rs` knows where else the same path is found. Causes that only the content shows are
//! in [`by_content`].

use std::fmt;
use std::sync::LazyLock;

use globs::Globs;

pub mod by_content;
mod globs;
mod omit;
mod places;
#[cfg(test)]
mod probe;
mod table;

pub use omit::{Omission, Omit, omitted};
pub use table::{CAUSES, GZIP_FILE, PRIVATE_KEY};

/// Folders that every system has: programs miss them where they are not there.
const STANDING: [&str; 8] =
    ["tmp", "var/tmp", "var/log", "run/log", "var/cache", "var/backups", "var/lib/dpkg", "var/lib/rpm"];

/// How globs begin whose rest stands for random characters.
const MADE_UP: [&str; 2] = ["**/tmp.?", "**/tmp["];

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// Files, settings or permissions differ, and no other class fits.
    Content,
    /// The content differs only in timestamps inside of it.
    EmbeddedTime,
    /// The record that a package manager keeps of what it installed.
    PackageDb,
    /// A log, a cache, or something that a build step left over.
    LogOrCache,
    /// The name of an image: tags, reference names.
    Name,
    /// A whiteout that hides nothing.
    Whiteout,
    /// The spelling: tar dialect, media type, JSON.
    Format,
    /// How a layer is compressed.
    Compression,
    /// The same in another order.
    Order,
    /// A timestamp that rewriting replaces.
    Time,
}

impl Class {
    /// All of them; what matters most comes first.
    pub const ALL: [Self; 10] = [
        Self::Content,
        Self::EmbeddedTime,
        Self::PackageDb,
        Self::LogOrCache,
        Self::Name,
        Self::Whiteout,
        Self::Format,
        Self::Compression,
        Self::Order,
        Self::Time,
    ];

    /// Its name, as options and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::EmbeddedTime => "embedded-time",
            Self::PackageDb => "package-db",
            Self::LogOrCache => "log-or-cache",
            Self::Name => "name",
            Self::Whiteout => "whiteout",
            Self::Format => "format",
            Self::Compression => "compression",
            Self::Order => "order",
            Self::Time => "time",
        }
    }

    /// The class of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A known cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// Its name: stable, for reports and policies.
    pub id: &'static str,
    /// The class of a file whose content differs for this cause, where a path shows it. A command does not show which
    /// files are its own, so there the class is only used for warnings about one image.
    pub class: Class,
    /// Files it is found in: globs of paths without a leading slash; `*` stays within a directory, `**` does not, and
    /// `~/` is any home directory.
    pub paths: &'static [&'static str],
    /// Commands that cause it: the beginnings of words in one command of a history entry, in this order; a trailing
    /// space means that the word ends there.
    pub commands: &'static [&'static [&'static str]],
    /// What it is.
    pub what: &'static str,
    /// How a Dockerfile avoids it.
    pub advice: &'static str,
    /// Which option of restamp mends it in an image that is built already, if there is one: `rewrite`, or
    /// `rewrite --OPTION`. Of a file in which more differs than times, only `--omit` does.
    pub mends: Option<&'static str>,
    /// Set if an image works without these files: then `rewrite --omit` may leave them out.
    pub omit: Option<Omission>,
    /// Does such a file, in one image alone, show that the next build will differ? Not if it only depends on other
    /// files, such as a list of them: then it differs where those do.
    pub in_one_image: bool,
    /// Does the content of a file (only dates differ, for example) count more than its path?
    pub content_first: bool,
    /// Is it the cause only where the content of a file shows it, and not where anything else in the file differs?
    pub by_content_alone: bool,
}

impl Cause {
    /// Does it say that the file is a private key?
    pub fn is_of_private_keys(&self) -> bool {
        matches!(self.id, "host-key" | "private-key")
    }

    /// How restamp mends it in an image that is built already, in words.
    pub fn mended(&self) -> Option<String> {
        let option = self.mends?;
        Some(match self.omit {
            Some(_) => format!("restamp {option} leaves it out"),
            None => format!("restamp {option} sets the times in it; nothing else of it changes"),
        })
    }

    /// Is it guessed from the command of a step, so that any file of that step may be of another cause?
    pub fn is_of_commands(&self) -> bool {
        !self.commands.is_empty()
    }
}

/// The cause that a path shows, if it is a known one. The path may begin with `/` or `./`, and may lie below one of the
/// other roots that images are known to hold, such as ostree's.
pub fn find(path: &[u8]) -> Option<&'static Cause> {
    let path = relative(path);
    look_up(path).or_else(|| {
        // A deployment of ostree has a `usr/etc` in it.
        let outer = places::below_root(path)?;
        look_up(&outer).or_else(|| look_up(&places::below_root(&outer)?))
    })
}

/// The first row that fits a path below `/`.
fn look_up(path: &[u8]) -> Option<&'static Cause> {
    static TABLE: LazyLock<(Globs, Vec<(&'static str, &'static Cause)>)> = LazyLock::new(table);
    let (globs, rows) = &*TABLE;
    let first = |path: &[u8]| {
        let is_made_up = |glob: &str| MADE_UP.iter().any(|start| glob.starts_with(start));
        globs.first(path, |at| rows.get(at).is_some_and(|(glob, _)| !is_made_up(glob) || has_made_up_name(path)))
    };
    let in_home = places::below_home(path).and_then(|path| first(&path));
    let at = first(path).into_iter().chain(in_home).min()?;
    rows.get(at).map(|(_, cause)| *cause)
}

/// The cause of a folder that only one of two images has: that of whatever would be in it.
pub fn find_folder(path: &[u8]) -> Option<&'static Cause> {
    let path = relative(path);
    if is_standing(path) {
        return None;
    }
    find(&[path, b"/"].concat()).or_else(|| find(path))
}

/// Is it one of the folders of logs, caches and temporary files that every system has?
pub fn is_standing(path: &[u8]) -> bool {
    let path = relative(path);
    let is_one = |path: &[u8]| STANDING.iter().any(|folder| folder.as_bytes() == path);
    is_one(path) || places::below_root(path).is_some_and(|path| is_one(&path))
}

/// The causes that a command in a history entry shows.
pub fn find_in_command(command: &str) -> impl Iterator<Item = &'static Cause> {
    // `apt-get update && apt-get install x` are two commands, each with words of its own.
    let steps: Vec<String> = command.split(['&', ';', '|', '\n']).map(|step| format!("{step} ")).collect();
    CAUSES
        .iter()
        .filter(move |cause| cause.commands.iter().any(|words| steps.iter().any(|step| stand_in_order(words, step))))
}

/// Do all of these begin a word of the text, in this order?
fn stand_in_order(words: &[&str], text: &str) -> bool {
    let mut rest = text;
    words.iter().all(|word| {
        let found = rest.match_indices(word).find(|(at, _)| begins_word(rest, *at));
        let behind = found.and_then(|(at, word)| rest.get(at + word.len()..));
        rest = behind.unwrap_or_default();
        behind.is_some()
    })
}

/// `pip` is a word of its own in `/usr/bin/pip`, and none in `python3-pip`.
fn begins_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Does a part of the path look like what mktemp and its like make up? Words such as `tmp_storage` do not: among that
/// many random characters there is a digit or a capital letter, nearly always.
fn has_made_up_name(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').filter_map(|part| part.strip_prefix(b"tmp")).any(|rest| {
        let rest = rest.strip_prefix(b".").unwrap_or(rest);
        rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && rest.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    })
}

fn relative(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
        path = rest;
    }
    path
}

/// All globs in the order of the table, and the row of each.
fn table() -> (Globs, Vec<(&'static str, &'static Cause)>) {
    let mut globs = Globs::default();
    let mut rows = Vec::new();
    for cause in CAUSES {
        for path in cause.paths {
            globs.push(path);
            rows.push((*path, cause));
        }
    }
    (globs, rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use globset::GlobBuilder;

    use super::*;

    fn id(path: &str) -> Option<&'static str> {
        find(path.as_bytes()).map(|cause| cause.id)
    }

    #[test]
    fn every_row_is_sound() {
        for (glob, cause) in table().1 {
            assert!(GlobBuilder::new(glob).literal_separator(true).build().is_ok(), "{}: {glob}", cause.id);
            assert!(!glob.contains(['{', '\\']) && !glob.contains("**/**"), "{}: {glob}", cause.id);
        }
        let ids: BTreeSet<_> = CAUSES.iter().map(|cause| cause.id).collect();
        assert_eq!(ids.len(), CAUSES.len(), "an id is used twice");
        for cause in CAUSES {
            assert!(cause.paths.is_empty() != cause.commands.is_empty(), "{}", cause.id);
            assert!(!cause.what.is_empty() && !cause.advice.ends_with('.'), "{}", cause.id);
        }
    }

    #[test]
    fn the_special_row_comes_before_the_general_one() {
        assert_eq!(id("var/cache/ldconfig/aux-cache"), Some("ldconfig-aux-cache"));
        assert_eq!(id("/var/log/dpkg.log"), Some("dpkg-log"));
        assert_eq!(id("./var/log/apt/history.log"), Some("dpkg-log"));
        assert_eq!(id("var/log/nginx/access.log"), Some("system-log"));
        assert_eq!(id("lib/apk/db/scripts.tar"), Some("apk-scripts"));
        assert_eq!(id("lib/apk/db/installed"), Some("apk-installed"));
        assert_eq!(id("usr/lib/python3/site-packages/x-1.dist-info/direct_url.json"), Some("pip-direct-url"));
        assert_eq!(id("opt/tmp.Ab3dEfGh1j"), Some("mktemp"));
        assert_eq!(id("opt/tmp.Ab3dEfGh1j/deep/file"), Some("mktemp"));
        for path in ["usr/bin/env", "etc/machine-id/x", "etc/passwd", "opt/var/log/x", "", "/"] {
            assert_eq!(id(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_of_any_bytes_can_be_asked_for() {
        assert_eq!(find(b"\xff\xfe/\0"), None);
        assert_eq!(find(b"var/log/\xff").map(|cause| cause.id), Some("system-log"));
    }

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let folder = |path: &str| find_folder(path.as_bytes()).map(|cause| cause.id);
        assert_eq!(folder("root/.npm"), Some("npm-cache"));
        assert_eq!(folder("./var/cache/dnf"), Some("dnf-cache"));
        assert_eq!(folder("opt/tmp.Ab3dEfGh1j"), Some("mktemp"));
        for path in ["tmp", "/var/log", "var/cache", "root", "etc"] {
            assert_eq!(folder(path), None, "{path}");
        }
    }

    #[test]
    fn commands_are_known_by_their_words() {
        let ids = |text: &str| find_in_command(text).map(|cause| cause.id).collect::<Vec<_>>();
        assert_eq!(ids("RUN /bin/sh -c apt-get update && apt-get install -y curl"), ["unpinned-apt"]);
        assert_eq!(ids("RUN curl -fsSL https://example.org/x | tar x"), ["download"]);
        assert_eq!(ids("RUN |1 V=1 /bin/sh -c apk --no-cache add curl"), ["unpinned-apk"]);
        assert_eq!(ids("RUN apt-get dist-upgrade -y; microdnf install tar"), ["unpinned-apt", "unpinned-dnf"]);
        assert_eq!(ids("RUN /opt/venv/bin/pip3 install x && npm i left-pad"), ["unpinned-pip", "unpinned-npm"]);
        assert_eq!(ids("CMD [\"sh\"]"), Vec::<&str>::new());
    }

    #[test]
    fn a_package_of_that_name_is_not_the_command() {
        let ids = |text: &str| find_in_command(text).map(|cause| cause.id).collect::<Vec<_>>();
        assert_eq!(ids("RUN apt-get install -y python3-pip npm git curl libhttp-parser2"), ["unpinned-apt"]);
        assert_eq!(ids("RUN apk del pip && adduser -D app"), Vec::<&str>::new());
        assert_eq!(ids("RUN npm ci && install -m 755 x /usr/bin/x"), Vec::<&str>::new());
        assert_eq!(ids("RUN curl --version && echo http://example.org"), Vec::<&str>::new());
    }

    #[test]
    fn names_that_any_program_may_choose_are_no_cause() {
        assert_eq!(id("var/cache/man/de/index.db"), Some("man-db"));
        assert_eq!(id("usr/local/share/man/de/index.db"), Some("man-index"));
        assert_eq!(id("usr/share/fonts/truetype/.uuid"), Some("font-cache"));
        assert_eq!(id("opt/tmpab3_x9kz"), Some("mktemp"));
        for path in [
            "usr/bin/tmpl_engine",
            "opt/app/tmp_storage",
            "srv/tmp.d/tmp.conf-extra",
            "root/.composer/vendor/bin/tool",
            "root/.m2/settings.xml",
            "root/.gradle/gradle.properties",
            "root/.cache/ms-playwright/chromium/chrome",
            "var/lib/dpkg/info/openssl.postinst",
            "var/lib/dpkg/statoverride",
            "var/lib/pacman/local/x-1/install",
        ] {
            assert_eq!(id(path), None, "{path}");
        }
        for path in ["srv/shop/index.db", "srv/shop/.uuid", "usr/lib/tmpfiles-extra"] {
            assert_eq!(id(path), None, "{path}");
        }
    }

    #[test]
    fn classes_are_found_by_name() {
        for class in Class::ALL {
            assert_eq!(Class::by_name(class.name()), Some(class));
        }
        assert!(Class::ALL.is_sorted());
    }
}
