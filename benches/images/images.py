"""What `make`, `measure` and `tools` share: layers from a folder before and after a step, OCI layouts, unpacking.

Nothing here is restamp's own code: layers are written by Python's tarfile and unpacked by GNU tar, one after the other,
with whiteouts, as a container runtime does it. Needs root, and mounts for commands inside of an image.
"""

import contextlib
import datetime
import gzip
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def say(text):
    print(text, flush=True)


def now():
    """This second, as a config says it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# Layers


def snapshot(root):
    """The state of every file below `root` by its relative name; two states are equal if nothing touched the file."""
    state, pending = {}, [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                name = os.path.join(folder, entry.name)
                found = entry.stat(follow_symlinks=False)
                state[name] = (found.st_ino, found.st_mode, found.st_ctime_ns, found.st_mtime_ns)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
    return state


def by_name(names):
    """Names as a walk through sorted folders has them: a folder before what is in it."""
    return sorted(names, key=lambda name: name.split("/"))


def changed(before, after):
    """Names that a step made or changed, and those whose removal needs a whiteout."""
    new = [name for name, state in after.items() if before.get(name) != state]
    gone = [name for name in before if name not in after and ("/" not in name or os.path.dirname(name) in after)]
    return by_name(new), by_name(gone)


def write_layer(path, root, names, removed=(), fractions=False):
    """A gzip layer of `names` below `root`, with a whiteout for each of `removed`; its descriptor and diff_id.

    Mtimes are whole seconds, as daemons write them, unless `fractions` are asked for.
    """
    plain = hashlib.sha256()

    class Both:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            plain.update(data)
            return self.file.write(data)

    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 1, raw, 0) as packed:
        with tarfile.open(fileobj=Both(packed), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name in removed:
                folder, base = os.path.split(name)
                tar.addfile(tarfile.TarInfo(os.path.join(folder, WHITEOUT + base)))
            for name in names:
                file = os.path.join(root, name)
                if stat.S_ISSOCK(os.lstat(file).st_mode):
                    continue
                info = tar.gettarinfo(file, name)
                info.mtime = int(info.mtime)
                if fractions:
                    info.pax_headers["mtime"] = "{}.{:09}".format(*divmod(os.lstat(file).st_mtime_ns, 10**9))
                info.uname = info.gname = ""
                if info.isreg():
                    with open(file, "rb") as content:
                        tar.addfile(info, content)
                else:
                    tar.addfile(info)
    return describe(path, LAYER), "sha256:" + plain.hexdigest()


def describe(path, media_type):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": os.path.getsize(path)}


# Layouts


class Layout:
    """An OCI layout that grows by one layer a step."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.blobs = os.path.join(path, "blobs", "sha256")
        self.layers, self.diff_ids, self.history, self.config = [], [], [], {"Env": ["PATH=" + PATH]}
        os.makedirs(self.blobs)

    @classmethod
    def load(cls, path):
        """A layout that is there, with one image."""
        manifest, config = documents_of(path)
        found = cls.__new__(cls)
        found.path, found.blobs, found.layers = path, os.path.join(path, "blobs", "sha256"), manifest["layers"]
        found.diff_ids, found.history = config["rootfs"]["diff_ids"], config["history"]
        return found

    def add(self, root, names, removed=(), command="COPY", fractions=False):
        """One more layer, of `names` below `root`, with a whiteout for each of `removed`."""
        blob = os.path.join(self.path, "new")
        descriptor, diff_id = write_layer(blob, root, names, removed, fractions)
        os.replace(blob, os.path.join(self.blobs, descriptor["digest"].removeprefix("sha256:")))
        self.layers.append(descriptor)
        self.diff_ids.append(diff_id)
        self.history.append({"created": now(), "created_by": command})

    def start_from(self, other):
        """Has the layers of another layout below its own, as FROM does; the files are the same."""
        for name in os.listdir(other.blobs):
            if "sha256:" + name in [layer["digest"] for layer in other.layers]:
                os.link(os.path.join(other.blobs, name), os.path.join(self.blobs, name))
        self.layers, self.diff_ids, self.history = [*other.layers], [*other.diff_ids], [*other.history]

    def put(self, document, media_type):
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.blobs, digest), "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def document(self):
        """The config."""
        return {
            "created": now(), "architecture": "amd64", "os": "linux", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids}, "history": self.history,
        }

    def finish(self):
        config = self.put(self.document(), CONFIG)
        manifest = self.put({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": self.layers}, MANIFEST)
        manifest["annotations"] = {"org.opencontainers.image.ref.name": self.name}
        for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                               ("index.json", {"schemaVersion": 2, "manifests": [manifest]})):
            with open(os.path.join(self.path, name), "w", encoding="utf-8") as file:
                json.dump(document, file)


def blob_path(layout, descriptor):
    return os.path.join(layout, "blobs", *descriptor["digest"].split(":"))


def documents_of(layout):
    """The manifest and the config of the only image of a layout."""
    def read(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    manifest = read(blob_path(layout, read(os.path.join(layout, "index.json"))["manifests"][0]))
    return manifest, read(blob_path(layout, manifest["config"]))


def layers_of(layout):
    """The paths of the layers of the only image of a layout, the lowest first."""
    return [blob_path(layout, layer) for layer in documents_of(layout)[0]["layers"]]


def unpack(layout, root):
    """Unpacks the layers one after the other with GNU tar, with their whiteouts, the mtimes as they are."""
    os.makedirs(root, exist_ok=True)
    for layer in layers_of(layout):
        listed = subprocess.run(["tar", "--quoting-style=literal", "-tf", layer], stdout=subprocess.PIPE, check=True)
        for name in [os.fsdecode(name) for name in listed.stdout.splitlines() if WHITEOUT.encode() in name]:
            folder, base = os.path.split(name)
            if base == OPAQUE:
                with contextlib.suppress(FileNotFoundError):
                    for inner in os.listdir(os.path.join(root, folder)):
                        remove(os.path.join(root, folder, inner))
            elif base.startswith(WHITEOUT):
                remove(os.path.join(root, folder, base.removeprefix(WHITEOUT)))
        subprocess.run(["tar", "-xp", "--numeric-owner", "--warning=no-timestamp", "--exclude=" + WHITEOUT + "*", "-f", layer, "-C", root], check=True)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


# Commands


def run(command, **options):
    """Runs a command; what it printed on both outputs, as text, and its exit status."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          check=False, errors="replace", **options)
    return done.stdout, done.returncode


def must(command, **options):
    """As `run`, for a command that has to succeed."""
    text, status = run(command, **options)
    if status != 0:
        raise SystemExit(f"{' '.join(command)[:300]}: exit status {status}\n{text[-3000:]}")
    return text


def environment(**more):
    """What a command in an image gets: no locale, no settings of this machine but its proxies."""
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **kept, **more}


def inside(root, script, binds=(), arguments=()):
    """The command that runs a shell script in `root` as a container has it: /proc, /dev and `binds` (from, to) mounted
    for it alone. Nothing that is mounted counts as a change of the root."""
    mounts = [("/dev", "/dev"), *binds]
    lines = ["set -e", 'root=$1; script=$2; shift 2', 'mount -t proc proc "$root/proc"']
    lines += [f'mount --rbind {source} "$root{target}"' for source, target in mounts]
    lines += ['exec chroot "$root" /bin/sh -ec "$script" sh "$@"']
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines), "sh", root, script, *arguments]


def run_inside(root, script, binds=(), **more):
    return run(inside(root, script, binds), env=environment(**more))


@contextlib.contextmanager
def scratch(name):
    """A folder for this run alone; it is removed at the end."""
    folder = tempfile.mkdtemp(prefix=f"restamp-{name}.", dir=os.environ.get("RESTAMP_SCRATCH"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
