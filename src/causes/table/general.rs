//! The general rows: they count where no other row matches.

use super::{Cause, Class, row};

pub(super) const ROWS: &[Cause] = &[
    row("system-log", Class::LogOrCache, &["var/log/**", "run/log/**"], "a log", "remove it in the RUN that writes it"),
    row(
        "mktemp",
        Class::LogOrCache,
        &[
            // mktemp(1), and Python's tempfile.
            "**/tmp.??????????",
            "**/tmp.??????????/**",
            "**/tmp[a-z0-9_][a-z0-9_][a-z0-9_][a-z0-9_][a-z0-9_][a-z0-9_][a-z0-9_][a-z0-9_]",
            "tmp/**",
            "var/tmp/**",
        ],
        "a temporary file left behind, often with a random name",
        "remove it in the RUN that makes it, or --mount=type=tmpfs,target=/tmp",
    ),
    row("system-cache", Class::LogOrCache, &["var/cache/**"], "a cache", "remove it in the RUN that writes it"),
    row(
        "ld-so-cache",
        Class::Content,
        &["etc/ld.so.cache"],
        "ldconfig's cache, which says which library a program loads; it depends on the libraries and on their order \
         in the directory",
        "compare the libraries first; ldconfig at the end of the last RUN that installs one",
    ),
];
