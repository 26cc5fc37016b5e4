"""The folder, the program and the score of a run of .ci/registry."""

import os
import random
import subprocess
import tempfile
import time

EPOCH = "1700000000"
DATA = os.path.join(os.path.dirname(__file__), "..", "..", "testdata")


class Work:
    """Runs restamp without what the caller's home and environment hold, and counts what held."""

    def __init__(self, restamp, folder):
        self.program, self.folder = os.path.realpath(restamp), folder
        self.passed = self.failed = 0
        self.start = time.monotonic()
        self.random = random.Random(1)
        home = self.path("home")
        temporary = self.path("tmp")
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": temporary, "SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C.UTF-8"}
        os.mkdir(home)
        os.mkdir(temporary)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def new(self, name):
        """A path that does not exist yet."""
        return os.path.join(tempfile.mkdtemp(prefix=name + "-", dir=self.folder), name)

    def file(self, name, text):
        path = self.new(name)
        with open(path, "w" if isinstance(text, str) else "wb") as file:
            file.write(text)
        return path

    def section(self, name):
        print(f"--- {name} ({time.monotonic() - self.start:.0f} s)", flush=True)

    def check(self, name, holds, detail=""):
        """Counts and prints one check."""
        if holds:
            self.passed += 1
            print(f"ok: {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {name}", flush=True)
            for line in str(detail).rstrip().splitlines()[-12:]:
                print(f"    {line}", flush=True)
        return holds

    def same(self, name, expected, found):
        return self.check(name, expected == found, f"expected {expected!r}\nfound {found!r}")

    def run(self, command, status=0, **environment):
        """Runs a command; an error if it ends in another way. What it printed."""
        done = subprocess.run(command, env=self.environment | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != status:
            said = (done.stdout + done.stderr)[-1500:]
            raise Failed(f"{' '.join(map(str, command))}: exit status {done.returncode}, expected {status}\n{said}")
        return done

    def restamp(self, *arguments, status=0, before=(), **environment):
        return self.run([*before, self.program, *arguments], status, **environment)

    def rewrite(self, *arguments, before=(), **environment):
        """Rewrites an image; the digest to deploy, as it is written to a file, and what was printed."""
        path = self.new("digest")
        done = self.restamp("rewrite", "--digest-file", path, *arguments, before=before, **environment)
        with open(path) as file:
            return file.read().strip(), done.stderr


class Failed(Exception):
    """What stops a group of checks; it counts as one that failed."""
