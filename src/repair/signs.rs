//! Files whose programs depend on mtimes in ways that no patch of their content mends: known by their paths.
//!
//! Compiled files that have to be newer than their sources, or are used only if they are not older, are compared by mtime
//! alone ([`Compiled`]). Caches whose copies of mtimes can't be, or are not, replaced go stale ([`Sign`]).

use crate::repair::path::normal;

/// Compiled files that a program holds against their sources by mtime alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compiled {
    /// Views of Laravel: used only if newer than the template.
    Blade,
    /// Templates of Twig, with `auto_reload`.
    Twig,
    /// Classes of Clojure.
    Clojure,
    /// Byte code of Guile: used if not older.
    Guile,
    /// Byte code of Emacs, with `load-prefer-newer`.
    Emacs,
    /// Quick load files of SWI-Prolog.
    Prolog,
}

impl Compiled {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Blade, Self::Twig, Self::Clojure, Self::Guile, Self::Emacs, Self::Prolog];

    /// What a path is: a compiled file (true), or a source.
    pub fn of_path(path: &[u8]) -> Option<(Self, bool)> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let dot = name.iter().rposition(|byte| *byte == b'.')?;
        let has = |folder: &[u8]| memchr::memmem::find(path, folder).is_some();
        match name.get(dot..)? {
            b".php" if name.ends_with(b".blade.php") => Some((Self::Blade, false)),
            b".php" if has(b"storage/framework/views/") => Some((Self::Blade, true)),
            b".php" if has(b"/twig/") && has(b"cache/") => Some((Self::Twig, true)),
            b".twig" => Some((Self::Twig, false)),
            b".class" if name.ends_with(b"__init.class") => Some((Self::Clojure, true)),
            b".clj" | b".cljc" => Some((Self::Clojure, false)),
            b".go" if has(b"/ccache/") => Some((Self::Guile, true)),
            b".scm" => Some((Self::Guile, false)),
            b".elc" => Some((Self::Emacs, true)),
            b".el" => Some((Self::Emacs, false)),
            b".qlf" => Some((Self::Prolog, true)),
            b".pl" => Some((Self::Prolog, false)),
            _ => None,
        }
    }

    /// What a file may be that a user says is a compiled one: what its path says, or else by its extension.
    pub fn of_named(path: &[u8]) -> &'static [Self] {
        if let Some((compiled, is_compiled)) = Self::of_path(path) {
            let at = Self::ALL.iter().position(|own| *own == compiled && is_compiled);
            return at.and_then(|at| Self::ALL.get(at..=at)).unwrap_or_default();
        }
        let ends = |end: &[u8]| path.ends_with(end);
        match () {
            () if ends(b".php") => &[Self::Blade, Self::Twig],
            () if ends(b".class") => &[Self::Clojure],
            () if ends(b".go") => &[Self::Guile],
            () => &[],
        }
    }

    /// What they are, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Blade => "compiled views of Laravel",
            Self::Twig => "compiled templates of Twig",
            Self::Clojure => "compiled classes of Clojure",
            Self::Guile => "compiled files of Guile",
            Self::Emacs => "byte-compiled files of Emacs",
            Self::Prolog => "compiled files of SWI-Prolog",
        }
    }

    /// Are they used only if they are newer than the source? Else they are unless they are older.
    pub fn must_be_newer(self) -> bool {
        matches!(self, Self::Blade | Self::Twig | Self::Clojure)
    }

    /// A glob that fits them.
    pub fn glob(self) -> &'static str {
        match self {
            Self::Blade => "**/storage/framework/views/*.php",
            Self::Twig => "**/cache/**/twig/**/*.php",
            Self::Clojure => "**/*.class",
            Self::Guile => "**/ccache/**/*.go",
            Self::Emacs => "**/*.elc",
            Self::Prolog => "**/*.qlf",
        }
    }
}

/// A file that a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// An archive of Java's class data sharing.
    Jsa,
    /// GStreamer's registry of plugins.
    Gstreamer,
    /// VLC's cache of plugins.
    Vlc,
    /// A cache of fontconfig.
    Fontconfig,
    /// A file that a web server gives out.
    WebRoot,
}

impl Sign {
    /// By the path of a regular file.
    pub fn of_path(path: &[u8]) -> Option<Self> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if name.ends_with(b".jsa") {
            return Some(Self::Jsa);
        }
        if name.ends_with(b".bin") && name.starts_with(b"registry.") {
            return memchr::memmem::find(path, b"gstreamer").map(|_| Self::Gstreamer);
        }
        if name == b"plugins.dat" && path.ends_with(b"vlc/plugins/plugins.dat") {
            return Some(Self::Vlc);
        }
        if crate::format::fontconfig::is_name(path) {
            return Some(Self::Fontconfig);
        }
        is_web_root(path).then_some(Self::WebRoot)
    }
}

/// Is it below a folder that web servers give out files of, and a file of the kinds that browsers ask for?
fn is_web_root(path: &[u8]) -> bool {
    let ends = [&b".html"[..], b".htm", b".css", b".js", b".mjs", b".svg", b".json"];
    if !ends.iter().any(|end| path.ends_with(end)) {
        return false;
    }
    let path = path.strip_prefix(b"./").or(path.strip_prefix(b"/")).unwrap_or(path);
    let roots =
        [&b"usr/share/nginx/html/"[..], b"var/www/", b"usr/share/caddy/", b"usr/local/apache2/htdocs/", b"srv/"];
    let folders = [&b"/public/"[..], b"/dist/", b"/htdocs/", b"/static/"];
    roots.iter().any(|root| path.starts_with(root))
        || !path.windows(14).any(|part| part == b"/node_modules/")
            && !path.starts_with(b"usr/")
            && folders.iter().any(|folder| memchr::memmem::find(path, folder).is_some())
}

/// Is its mtime never raised? By it apt asks a server for what is newer: raised, it would miss updates.
pub fn is_never_raised(path: &[u8]) -> bool {
    memchr::memmem::find(path, b"apt/lists/").is_some() && normal(path).starts_with(b"var/lib/apt/lists/")
}

/// Does its mtime say of which day the packages of the image are? Tools take a snapshot's date from it
/// (repro-sources-list.sh).
pub fn dates_packages(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").or(path.strip_prefix(b"/")).unwrap_or(path);
    path == b"etc/apt/sources.list"
        || path
            .strip_prefix(b"etc/apt/sources.list.d/")
            .is_some_and(|name| !name.contains(&b'/') && (name.ends_with(b".list") || name.ends_with(b".sources")))
        || path == b"var/log/pacman.log"
        || path.strip_prefix(b"etc/yum.repos.d/").is_some_and(|name| name.ends_with(b".repo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_files_and_their_sources_are_known() {
        let found = |path: &str| Compiled::of_path(path.as_bytes());
        for (path, expected) in [
            ("var/www/storage/framework/views/0a1b.php", Some((Compiled::Blade, true))),
            ("var/www/resources/views/a.blade.php", Some((Compiled::Blade, false))),
            ("app/var/cache/prod/twig/ab/cd.php", Some((Compiled::Twig, true))),
            ("app/classes/foo/core__init.class", Some((Compiled::Clojure, true))),
            ("app/src/foo/core.clj", Some((Compiled::Clojure, false))),
            ("usr/lib/guile/3.0/ccache/a.go", Some((Compiled::Guile, true))),
            ("go/src/a.go", None),
            ("app/a.php", None),
            ("app/Makefile", None),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
    }

    #[test]
    fn what_a_user_names_is_known_by_its_extension_at_least() {
        let found = |path: &str| Compiled::of_named(path.as_bytes());
        assert_eq!(found("srv/cache/ab/cd.php"), [Compiled::Blade, Compiled::Twig]);
        assert_eq!(found("app/storage/framework/views/a.php"), [Compiled::Blade]);
        assert_eq!(found("app/classes/foo/core.class"), [Compiled::Clojure]);
        assert_eq!(found("a.blade.php"), []);
        assert_eq!(found("a.txt"), []);
    }

    #[test]
    fn files_that_go_stale_are_known() {
        let found = |path: &str| Sign::of_path(path.as_bytes());
        for (path, expected) in [
            ("app/app.jsa", Some(Sign::Jsa)),
            ("root/.cache/gstreamer-1.0/registry.x86_64.bin", Some(Sign::Gstreamer)),
            ("usr/lib/x86_64-linux-gnu/vlc/plugins/plugins.dat", Some(Sign::Vlc)),
            ("var/cache/fontconfig/a-le64.cache-8", Some(Sign::Fontconfig)),
            ("usr/share/nginx/html/index.html", Some(Sign::WebRoot)),
            ("./var/www/html/a.css", Some(Sign::WebRoot)),
            ("app/dist/main.js", Some(Sign::WebRoot)),
            ("app/node_modules/x/dist/main.js", None),
            ("usr/lib/node_modules/npm/public/a.js", None),
            ("app/a.bin", None),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
    }

    #[test]
    fn only_lists_of_apt_are_never_raised() {
        for path in ["var/lib/apt/lists/deb_InRelease", "./var/lib/apt/lists/partial/", "/var/lib/apt/lists/a"] {
            assert!(is_never_raised(path.as_bytes()), "{path}");
        }
        for path in ["var/lib/apt/lists", "srv/var/lib/apt/lists/a", "var/lib/apt/extended_states"] {
            assert!(!is_never_raised(path.as_bytes()), "{path}");
        }
    }
}
