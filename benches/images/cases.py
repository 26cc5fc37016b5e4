"""What the checks of `tools` share: small images below /srv, restamp, and programs of this machine that look at the result.

An image of a check has everything below /srv, so that caches which hold absolute paths can be tried with the programs of
this machine: the unpacked folder is mounted at /srv, for one command alone.
"""

import os
import shutil
import struct

import images

EPOCH = 1700000000
BUILT = 1760000000
EVERY = ("set", "clamp")


def rule(mode):
    """The options of a mode."""
    return ["--clamp"] if mode == "clamp" else []


class Missing(Exception):
    """A program that a check needs is not there."""


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=images.PATH):
            raise Missing(program)


class Results:
    def __init__(self):
        self.passed = self.failed = 0
        self.group = ""

    def expect(self, what, good, detail=""):
        if good:
            self.passed += 1
            images.say(f"ok: {self.group}: {what}")
        else:
            self.failed += 1
            images.say(f"FAILED: {self.group}: {what}" + "".join(f"\n    {line}" for line in str(detail).strip().splitlines()[-8:]))
        return good

    def same(self, what, expected, found):
        return self.expect(what, expected == found, f"expected {expected!r}, found {found!r}")


class Bench:
    """One run: the program, a folder, and what was found."""

    def __init__(self, restamp, folder, results, made, large=None):
        self.restamp, self.folder, self.results, self.made, self.images = restamp, folder, results, made, large
        self.expect, self.same = results.expect, results.same
        self.count = 0

    def once(self, name, make):
        """What `make` returned the first time, for several groups; what it makes has to be outside of this one's folder."""
        if name not in self.made:
            group = Bench(self.restamp, os.path.join(os.path.dirname(self.folder), name), self.results, self.made)
            os.makedirs(group.folder)
            self.made[name] = make(group)
        return self.made[name]

    def path(self, name):
        self.count += 1
        return f"{self.folder}/{self.count}.{name}"

    def run(self, *arguments, **options):
        """Runs restamp; its text and exit status."""
        return images.run([self.restamp, *arguments], env={"PATH": images.PATH}, **options)

    def rewrite(self, source, *options, epoch=EPOCH, what="rewrite"):
        """A restamped layout, or None where that failed, which is a failed check."""
        out = self.path("out")
        text, status = self.run("rewrite", "--epoch", str(epoch), *options, source, f"oci:{out}")
        if status == 0:
            return out
        first = "\n".join(text.splitlines()[:3])
        self.expect(f"{what} {' '.join(options)}", False, f"exit status {status}\n{first}")
        return None

    def unpack(self, layout):
        root = self.path("root")
        images.unpack(layout, root)
        return root

    def stamped(self, source, *options, epoch=EPOCH):
        """The unpacked root of a restamped image, or None."""
        out = self.rewrite(source, *options, epoch=epoch)
        return out and self.unpack(out)


class Build:
    """An image that grows by steps, from nothing or from a layout that is there."""

    def __init__(self, bench, name, base=None, fractions=False):
        self.bench, self.path, self.root, self.fractions = bench, bench.path(name), bench.path(name + ".root"), fractions
        self.layout = images.Layout(self.path, name)
        if base:
            self.layout.start_from(images.Layout.load(base))
            images.unpack(base, self.root)
        else:
            os.makedirs(self.root)

    def step(self, work):
        before = images.snapshot(self.root)
        work(self.root)
        new, removed = images.changed(before, images.snapshot(self.root))
        self.layout.add(self.root, new, removed, work.__name__, self.fractions)
        return self

    def finish(self):
        self.layout.finish()
        return self.path


def put(root, name, content, mtime=BUILT):
    """Writes a file, with an mtime of its own."""
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.utime(path, (mtime, mtime))


def here(root, script, **more):
    """Runs a shell script of this machine with the image's /srv; its text and exit status."""
    line = 'mount --bind "$1/srv" /srv; exec sh -ec "$2"'
    return images.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", line, "sh", root, script],
                      env=images.environment(**more))


def do(root, script, **more):
    """As `here`, for a script that has to succeed."""
    text, status = here(root, script, **more)
    if status != 0:
        raise RuntimeError(f"{script}: exit status {status}\n{text}")
    return text


def read(root, name):
    with open(os.path.join(root, name), "rb") as file:
        return file.read()


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def files(root):
    """Relative names of all regular files."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found.append(os.path.relpath(path, root))
    return sorted(found)
