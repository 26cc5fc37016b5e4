"""Builds images as `docker build` does: a layer and a line of history for each step, a line of history alone for settings.

An image has a name, a base (another image, or a step that makes the first layer), and steps. The remedy of a step is what
a Dockerfile would have to say in addition so that two builds differ in time alone; it is left out unless it is asked for.
"""

import os
import time

import images

COMMENT = "buildkit.dockerfile.v0"
# Where the packages of this machine are seen by a step, as with RUN --mount=type=cache; nothing of it is in the image.
CACHE = "/mnt"


class Layout(images.Layout):
    """An OCI layout with what BuildKit writes into a config."""

    def mark(self, command, empty):
        """A line of history."""
        seconds, rest = divmod(time.time_ns(), 10**9)
        line = {"created": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09}Z", "created_by": command, "comment": COMMENT}
        self.history.append({**line, "empty_layer": True} if empty else line)

    def add(self, root, names, removed=(), command="COPY", fractions=False):
        super().add(root, names, removed, command, fractions)
        self.history.pop()
        self.mark(command, False)

    def document(self):
        return {"architecture": "amd64", "config": self.config, "created": self.history[-1]["created"], "history": self.history,
                "os": "linux", "rootfs": {"type": "layers", "diff_ids": self.diff_ids}}


class Add:
    """The first layer: a function that fills a folder."""

    def __init__(self, name, fill, remedy=None):
        self.name, self.fill, self.remedy = name, fill, remedy

    def build(self, root, cache, layout, remedied):
        self.fill(root, cache, self.remedy if remedied else None)
        layout.add(root, images.by_name(images.snapshot(root)), command=f"ADD {self.name} / # buildkit")


class Run:
    """A script that runs in the image. The remedy is more script at its end; `before` that of its beginning."""

    def __init__(self, script, remedy=None, before=None):
        self.script, self.remedy, self.before = script, remedy, before

    def text(self, remedied):
        parts = [self.before, self.script, self.remedy] if remedied else [self.script]
        return " && ".join(part for part in parts if part)

    def build(self, root, cache, layout, remedied):
        script = self.text(remedied)
        settings = dict(line.split("=", 1) for line in layout.config["Env"])
        environment = {**images.environment(), **settings, "APT_CONFIG": f"{CACHE}/apt.conf", "NODE_EXTRA_CA_CERTS": f"{CACHE}/ca.crt"}
        before = images.snapshot(root)
        images.must(images.inside(root, script, ((cache, CACHE), *names(root))), env=environment)
        new, removed = images.changed(before, images.snapshot(root))
        layout.add(root, new, removed, f"RUN /bin/sh -c {script} # buildkit")


class Cached(str):
    """The name of a file that was prepared, for Copy."""


class Copy:
    """Files by their name in the image, with their text."""

    def __init__(self, command, files, mode=0o644):
        self.command, self.files, self.mode = command, files, mode

    def build(self, root, cache, layout, _remedied):
        before = images.snapshot(root)
        for name, text in self.files.items():
            if isinstance(text, Cached):
                with open(os.path.join(cache, text), encoding="utf-8") as file:
                    text = file.read()
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, self.mode)
        new, removed = images.changed(before, images.snapshot(root))
        layout.add(root, new, removed, f"COPY {self.command} # buildkit")


class Config:
    """Settings without a layer: ENV, CMD, ENTRYPOINT, EXPOSE and so on."""

    def __init__(self, command, **settings):
        self.command, self.settings = command, settings

    def build(self, _root, _cache, layout, _remedied):
        for name, value in self.settings.items():
            layout.config[name] = [*layout.config["Env"], *value] if name == "Env" else value
        layout.mark(self.command, True)


class Image:
    """What a Dockerfile says; `base` is the name of another one or None."""

    def __init__(self, base, *steps):
        self.base, self.steps = base, steps

    def remedies(self):
        """Each of them once."""
        found = [text for step in self.steps for text in (getattr(step, "before", None), getattr(step, "remedy", None)) if text]
        return list(dict.fromkeys(found))


def names(root):
    """Files that name servers, which a builder mounts for a step where they are in the image."""
    return [(path, path) for path in ("/etc/resolv.conf", "/etc/hosts") if os.path.isfile(root + path)]


def build(image, path, base, cache, remedied):
    """Makes the layout `path` from that of its base, if it has one; the root of each image stays beside it."""
    root = f"{path}.root"
    images.must(["rm", "-rf", path, root])
    layout = Layout(path, os.path.basename(path))
    if base:
        images.must(["cp", "-a", f"{base}.root", root])
        layout.start_from(Layout.load(base))
        layout.config = images.documents_of(base)[1]["config"]
    else:
        os.makedirs(root)
    for step in image.steps:
        step.build(root, cache, layout, remedied)
    layout.finish()
