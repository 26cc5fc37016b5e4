"""restamp as the checks run it: `attest`, `verify`, `attach`, and the file that says who is trusted."""

import json
import os
import re
import subprocess

import statements

# More lines than this, and nobody sees why at a glance.
SCREEN = 40


class Rebuilder:
    """One that attests: an operator, its URI, and a key. `place` is the folder of all keys."""

    def __init__(self, operator, key, uri=None):
        self.operator, self.key = operator, key
        self.id = uri or f"https://{operator}.example.org/restamp/v1"


class Done:
    """How a run ended, and everything that it printed."""

    def __init__(self, process):
        self.status, self.stdout, self.output = process.returncode, process.stdout, process.stdout + process.stderr

    def lines_with(self, pattern):
        return [line for line in self.output.splitlines() if re.search(pattern, line, re.IGNORECASE)]


class Restamp:
    def __init__(self, work):
        self.work = work
        # The time of statements is `--time` alone.
        self.environment = {name: value for name, value in work.environment.items() if name != "SOURCE_DATE_EPOCH"}

    def run(self, *arguments):
        return Done(subprocess.run([self.work.program, *arguments], env=self.environment, capture_output=True, text=True,
                                   stdin=subprocess.DEVNULL, errors="replace"))

    def attest(self, target, candidate, rebuilder, *more, out=None, key=True):
        """A run, and the folder that it wrote into."""
        out = out or self.work.new("attested")
        with_key = ["--key", rebuilder.key.private] if key else []
        return self.run("attest", target, candidate, "--verifier-id", rebuilder.id, "--out", out, "--name", statements.NAME,
                        "--time", statements.TIME, *with_key, *more), out

    def verify(self, target, trust, *sources, more=()):
        named = [word for source in sources for word in ("--from", source)]
        return self.run("verify", target, "--trust", trust, *named, *more)

    def ends(self, name, done, status, *patterns, screen=True):
        """Counts whether a run ended with a status, said what it has to in some line, and took one screen for it."""
        wrong = []
        if done.status != status:
            wrong.append(f"exit status {done.status}, expected {status}")
        wrong += [f"no line has {pattern}" for pattern in patterns if not done.lines_with(pattern)]
        if screen and len(done.output.splitlines()) > SCREEN:
            wrong.append(f"{len(done.output.splitlines())} lines are more than a screen")
        if "panicked at" in done.output:
            wrong.append("it panicked")
        return self.work.check(name, not wrong, "\n".join([*done.output.splitlines()[-10:], *wrong]))


def trust(work, rebuilders, threshold=2, accept=("identical",), **require):
    """A file that trusts these, beside their keys."""
    lines = ["[require]", f"threshold = {threshold}", f"accept = {json.dumps(list(accept))}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in require.items()]
    for one in rebuilders:
        lines += ["[[rebuilder]]", f'operator = "{one.operator}"', f'id = "{one.id}"',
                  f"keys = {json.dumps([os.path.basename(one.key.public)])}"]
    trust.count += 1
    path = os.path.join(os.path.dirname(rebuilders[0].key.public), f"trust-{trust.count}.toml")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


trust.count = 0


def folder_of(work, name, files):
    """A new folder with these files: their bytes by name."""
    folder = work.new(name)
    os.mkdir(folder)
    for file_name, data in files.items():
        with open(os.path.join(folder, file_name), "wb") as file:
            file.write(data)
    return folder


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()
