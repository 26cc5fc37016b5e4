//! Texts that run, or are compiled into what runs: any difference in them is content, even of a date alone.

use crate::diff::layer::programs::Head;

/// Endings of scripts, of source code, and of settings that name commands.
const ENDINGS: [&str; 77] = [
    "asp", "awk", "bash", "bat", "bc", "c", "cc", "cgi", "cjs", "clj", "cmake", "cmd", "coffee", "cpp", "csh", "cts",
    "cxx", "dart", "el", "erb", "erl", "ex", "exs", "fish", "go", "gradle", "groovy", "gyp", "gypi", "h", "hh", "hpp",
    "hs", "inc", "java", "jl", "js", "jsp", "jsx", "ksh", "kt", "kts", "lisp", "lua", "m4", "mjs", "mk", "ml", "mts",
    "nix", "path", "phar", "php", "phtml", "pl", "pm", "ps1", "psm1", "pth", "py", "pyi", "pyw", "pyx", "r", "rb",
    "rs", "rules", "scala", "scm", "sed", "service", "sh", "socket", "sql", "tcl", "timer", "zsh",
];
/// More of them.
const MORE_ENDINGS: [&str; 24] = [
    "ts", "tsx", "vbs", "vue", "svelte", "swift", "wat", "desktop", "postinst", "preinst", "cs", "fs", "f90", "html",
    "htm", "svg", "j2", "jinja", "twig", "tf", "vim", "xsl", "xslt", "vimrc",
];
/// Endings of files that are compressed: what is before them counts.
const PACKED: [&str; 5] = ["gz", "xz", "zst", "bz2", "lzma"];
/// Files that a program runs by their name; without the dot before it.
const NAMES: [&str; 25] = [
    "anacrontab",
    "sudoers",
    "vimrc",
    "makefile",
    "gnumakefile",
    "dockerfile",
    "containerfile",
    "rakefile",
    "gemfile",
    "procfile",
    "justfile",
    "vagrantfile",
    "jenkinsfile",
    "crontab",
    "profile",
    "bash_profile",
    "bash_login",
    "bash_logout",
    "bashrc",
    "bash.bashrc",
    "zshrc",
    "zshenv",
    "zprofile",
    "inittab",
    "rc.local",
];
/// Folders whose files are run or read by a shell.
const FOLDERS: [&str; 18] = [
    "at",
    "conf.d",
    "crontabs",
    "sudoers.d",
    "supervisor",
    "update-motd.d",
    "bin",
    "sbin",
    "init.d",
    "rc.d",
    "profile.d",
    "cron.d",
    "cron.daily",
    "cron.hourly",
    "cron.weekly",
    "cron.monthly",
    "hooks",
    "libexec",
];

/// May a file of this name and content run?
pub(super) fn runs(path: &[u8], content: &[u8]) -> bool {
    if Head::default().add(content) {
        return true;
    }
    let mut parts = path.rsplit(|byte| matches!(byte, b'/' | 0)).map(<[u8]>::to_ascii_lowercase);
    let mut name = parts.next().unwrap_or_default();
    if let Some(dot) = name.iter().rposition(|byte| *byte == b'.')
        && name.get(dot + 1..).is_some_and(|ending| PACKED.iter().any(|packed| packed.as_bytes() == ending))
    {
        name.truncate(dot);
    }
    let is_in = |list: &[&str], word: &[u8]| list.iter().any(|entry| entry.as_bytes() == word);
    if is_in(&NAMES, name.strip_prefix(b".").unwrap_or(&name))
        || parts.next().is_some_and(|part| is_in(&FOLDERS, &part))
    {
        return true;
    }
    let ending = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    ending.is_some_and(|ending| is_in(&ENDINGS, ending) || is_in(&MORE_ENDINGS, ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_sources_run_and_data_does_not() {
        for path in [
            "app/x.py",
            "app/X.JS",
            "app/Makefile",
            "root/.bashrc",
            "etc/cron.d/backup",
            "a.zip\0lib/m.rb",
            "usr/bin/x",
        ] {
            assert!(runs(path.as_bytes(), b"text"), "{path}");
        }
        assert!(runs(b"app/start", b"#!/bin/sh\n"));
        for path in
            ["app/version.json", "a.jar\0META-INF/MANIFEST.MF", "opt/R/DESCRIPTION", "x/perllocal.pod", "doc/py"]
        {
            assert!(!runs(path.as_bytes(), b"text"), "{path}");
        }
    }
}
