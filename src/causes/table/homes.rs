//! What programs leave in home directories, beside those that have a theme of their own.

use super::{Cause, Class, cache, row};

pub(super) const ROWS: &[Cause] = &[
    row(
        "model-cache",
        Class::Content,
        &["~/.cache/huggingface/**", "~/.cache/torch/**", "~/.keras/**", "~/.cache/whisper/**", "~/.ollama/**"],
        "models and data sets that were downloaded, with times and locks",
        "download them by revision and checksum into a folder of your choice, in a stage of its own",
    ),
    row(
        "vulnerability-db",
        Class::Content,
        &["~/.cache/trivy/**", "~/.cache/grype/**", "var/lib/clamav/**"],
        "a scanner's database as it was on the day of the build",
        "load it when the container starts, or a cache mount",
    ),
    row(
        "bazel-output",
        Class::Content,
        &["~/.cache/bazel/**"],
        "Bazel's output and install bases: programs and files, in folders with hashes of paths",
        "build in a stage of its own and copy the result, or a cache mount",
    ),
    row(
        "zsh-completion",
        Class::Content,
        &["~/.zcompdump*"],
        "zsh's dump of its completions: a script that depends on what is installed",
        "rm -f ~/.zcompdump* in the same RUN; zsh makes it again",
    ),
    cache(
        row(
            "ccache",
            Class::LogOrCache,
            &["~/.cache/ccache/**"],
            "ccache's results of compiling",
            "build in a stage of its own and copy the result, or a cache mount",
        ),
        "ccache(1), --clear",
    ),
    row(
        "home-cache",
        Class::LogOrCache,
        &[
            "~/.cache/mesa/**",
            "~/.cache/mesa_shader_cache/**",
            "~/.cache/mesa_shader_cache_db/**",
            "~/.cache/fontconfig/**",
            "~/.fontconfig/**",
            "~/.ccache/**",
            "~/.cache/sccache/**",
            "~/.cache/matplotlib/**",
            "~/.cache/helm/**",
            "~/.kube/cache/**",
            "~/.cache/motd.legal-displayed",
            "~/.nv/ComputeCache/**",
            "~/.java/fonts/**",
            "~/.oracle_jre_usage/**",
            "~/.ansible/tmp/**",
            "~/.ansible/galaxy_cache/**",
            "~/.local/share/recently-used.xbel",
            "~/.wget-hsts",
            "~/.*_history",
            "~/.viminfo",
            "~/.lesshst",
        ],
        "a cache or history in a home directory",
        "remove it in the RUN that writes it",
    ),
];
