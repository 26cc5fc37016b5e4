//! Causes that the command of a layer tells of: a file that no path explains differs in a layer that it made.

use super::{Made, app, with_command};
use crate::diff::T;
use crate::support::tarball::Entry;

/// Cause, commands as builders write them into the history, and a file that comes of them.
const STEPS: [(&str, &str, &[&str]); 7] = [
    (
        "unpinned-apt",
        "usr/bin/jq",
        &[
            "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends jq python3-pip npm git # buildkit",
            "RUN |1 VERSION=3 /bin/sh -c apt update; apt -y install jq curl # buildkit",
            "/bin/sh -c apt-get -y dist-upgrade",
        ],
    ),
    (
        "unpinned-apk",
        "usr/bin/jq",
        &["RUN /bin/sh -c apk add --no-cache jq curl git # buildkit", "/bin/sh -c apk --no-cache upgrade"],
    ),
    (
        "unpinned-dnf",
        "usr/bin/jq",
        &[
            "RUN /bin/sh -c dnf install -y jq && dnf clean all # buildkit",
            "RUN /bin/sh -c microdnf -y update # buildkit",
            "RUN /bin/sh -c yum -y install jq # buildkit",
            "RUN /bin/sh -c zypper --non-interactive install jq # buildkit",
        ],
    ),
    (
        "unpinned-pip",
        "usr/lib/python3/site-packages/flask/app.py",
        &[
            "RUN /bin/sh -c pip install --no-cache-dir flask # buildkit",
            "RUN /bin/sh -c /opt/venv/bin/pip3 install flask # buildkit",
            "RUN /bin/sh -c python3 -m pip install -U flask # buildkit",
        ],
    ),
    (
        "unpinned-npm",
        "usr/lib/node_modules/yo/cli.js",
        &[
            "RUN /bin/sh -c npm install -g yo # buildkit",
            "RUN /bin/sh -c npm i yo && npm cache clean --force # buildkit",
            "RUN /bin/sh -c yarn global add yo # buildkit",
        ],
    ),
    (
        "download",
        "usr/local/bin/tini",
        &[
            "RUN /bin/sh -c curl -fsSLo /usr/local/bin/tini https://example.org/tini # buildkit",
            "RUN /bin/sh -c wget -q \"http://example.org/tini\" -O /usr/local/bin/tini # buildkit",
        ],
    ),
    (
        "git-clone",
        "srv/app/main.c",
        &[
            "RUN /bin/sh -c git -c advice.detachedHead=false clone --depth 1 https://example.org/app /srv/app # buildkit",
        ],
    ),
];

pub fn pairs() -> Vec<Made> {
    let mut all = Vec::new();
    for (cause, path, commands) in STEPS {
        for (number, command) in commands.iter().enumerate() {
            let image = |data: &str| with_command(&app(&[Entry::file(path, data, T)]), command);
            let expected = format!("content {cause} layer1 {path} content");
            let name = format!("cause-{cause}-{}", number + 1);
            let mut made = Made::images(&name, "different", [&image("1.0\n"), &image("1.1\n")], &[&expected]);
            made.alone = Some(cause);
            all.push(made);
        }
    }
    // The names of commands are in these, and none of them is run.
    let near = "RUN /bin/sh -c apk del pip npm && adduser -D git && npm ci && curl --version # buildkit";
    let image = |data: &str| with_command(&app(&[Entry::file("opt/x", data, T)]), near);
    all.push(Made::images(
        "content-near-commands",
        "different",
        [&image("1"), &image("2")],
        &["content - layer1 opt/x content"],
    ));
    // What a path tells of is its own; the rest, and what was added, is the command's.
    let apt = |version: &str, extra: bool| {
        let status = format!("Package: jq\nStatus: install ok installed\nVersion: {version}\n");
        let mut entries = vec![Entry::file("usr/bin/jq", version, T), Entry::file("var/lib/dpkg/status", status, T)];
        entries.extend(extra.then(|| Entry::file("usr/lib/libjq.so.2", "ELF", T)));
        with_command(&app(&entries), STEPS[0].2[0])
    };
    all.push(Made::images(
        "cause-of-path-and-command",
        "different",
        [&apt("1.7", false), &apt("1.8", true)],
        &[
            "content unpinned-apt layer1 usr/bin/jq content",
            "content unpinned-apt layer1 usr/lib/libjq.so.2 entry",
            "package-db dpkg-status layer1 var/lib/dpkg/status content",
        ],
    ));
    // The command itself is another one: whichever image comes first, its layer is of a known cause.
    let copied = with_command(&app(&[Entry::file("opt/x", "1", T)]), "COPY x /opt/x # buildkit");
    let installed = with_command(&app(&[Entry::file("opt/x", "2", T)]), "RUN /bin/sh -c apk add x # buildkit");
    all.push(Made::images(
        "cause-of-one-command",
        "different",
        [&copied, &installed],
        &["name - config - history[1].created_by", "content unpinned-apk layer1 opt/x content"],
    ));
    all
}
