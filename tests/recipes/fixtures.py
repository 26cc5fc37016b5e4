"""What the cases work on: a repository with a commit, an image to rewrite, releases on a server of this machine, the action
where a runner would unpack it."""

import functools
import hashlib
import http.server
import os
import shutil
import tarfile
import threading

import harness

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
# The commit of every test repository is of this time, 2023-11-14T22:13:20Z.
COMMITTED = 1_700_000_000
VERSION = next(line.split('"')[1] for line in harness.read(os.path.join(ROOT, "Cargo.toml")).splitlines()
               if line.startswith("version = "))


def git(folder, *arguments):
    date = f"@{COMMITTED} +0000"
    environment = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": "/dev/null"}
    return harness.must(["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", folder, *arguments],
                        env=environment)


def commit(folder):
    """Makes a repository of a folder: one commit that others follow, the last of them at COMMITTED."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "before")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "the state that is built")
    return git(folder, "rev-parse", "HEAD").strip()


def project(folder):
    """A repository with a Dockerfile that needs no other image."""
    harness.write(os.path.join(folder, "Dockerfile"),
                  'FROM scratch\nCOPY app /app\nLABEL org.opencontainers.image.title="app"\nCMD ["/app/run"]\n')
    harness.write(os.path.join(folder, "app/run"), "#!/bin/sh\necho hello\n", 0o755)
    harness.write(os.path.join(folder, "app/data"), "data\n" * 4000)
    return commit(folder)


class Server:
    """Files of a folder by HTTP, on this machine alone."""

    def __init__(self, folder):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass
        handler = functools.partial(Quiet, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()


def release(folder, restamp, version=VERSION, arch="x86_64"):
    """What a release of OWNER/restamp has for one architecture, with the tested program in it."""
    where = os.path.join(folder, "OWNER/restamp/releases/download", f"v{version}")
    os.makedirs(where, exist_ok=True)
    name = f"restamp-{version}-{arch}-linux"
    with tarfile.open(os.path.join(where, f"{name}.tar.gz"), "w:gz", compresslevel=1) as archive:
        archive.add(restamp, f"{name}/restamp")
        archive.add(os.path.join(ROOT, "README.md"), f"{name}/README.md")
    with open(os.path.join(where, f"{name}.tar.gz"), "rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    harness.write(os.path.join(where, "SHA256SUMS"), f"{'0' * 64}  another-file\n{digest}  {name}.tar.gz\n")
    return where


def action(folder, ref="v0"):
    """The action of OWNER/restamp@ref where a runner unpacks it."""
    where = os.path.join(folder, "_actions/OWNER/restamp", ref)
    for name in ("action.yml", "Cargo.toml"):
        os.makedirs(where, exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), where)
    shutil.copytree(os.path.join(ROOT, "packaging/action"), os.path.join(where, "packaging/action"))
    return where


def some_programs(folder, *more):
    """A folder for PATH with what the scripts of the action need, and nothing else but `more`."""
    os.makedirs(folder)
    for name in ("awk", "bash", "cat", "chmod", "cut", "dirname", "git", "gzip", "mkdir", "mktemp", "od", "rm", "sed",
                 "sha256sum", "tar", "tr", *more):
        os.symlink(shutil.which(name), os.path.join(folder, name))
    return folder


def cargo(folder, restamp):
    """A program called cargo that `builds` the tested restamp, so that nothing is compiled where that is not the question."""
    return harness.write(os.path.join(folder, "cargo"), f"""#!/usr/bin/env bash
set -euo pipefail
echo "stand-in for cargo: $*"
while [ "$1" != --target-dir ]; do
  if [ "$1" = --manifest-path ]; then test -e "$2"; fi
  shift
done
mkdir -p "$2/release"
cp {restamp} "$2/release/restamp"
""", 0o755)
