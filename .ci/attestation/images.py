"""Images of a few files, written as OCI layouts in a tar: pairs for every verdict."""

import gzip
import hashlib
import io
import json
import os
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
REF_NAME = "org.opencontainers.image.ref.name"

FIRST, SECOND = 1_790_000_000, 1_790_086_400
FILES = {"app/run": b"#!/bin/sh\necho hello\n", "app/data.txt": b"data\n" * 100, "var/log/build.log": b"step 1\n"}


class Image:
    """One platform's manifest and what it names."""

    def __init__(self, files=None, time=FIRST, architecture="amd64"):
        self.blobs = {}
        packed = tar_of(files or FILES, time)
        created = "2026-09-%02dT00:00:00Z" % (1 + time % 27)
        config = self.add(CONFIG, as_json({
            "created": created, "architecture": architecture, "os": "linux", "config": {"Cmd": ["/app/run"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(packed).hexdigest()]},
            "history": [{"created": created, "created_by": "COPY . /"}],
        }))
        layer = self.add(LAYER, gzip.compress(packed, mtime=0))
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        self.descriptor = self.add(MANIFEST, as_json(document)) | {"platform": {"architecture": architecture, "os": "linux"}}

    def add(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    @property
    def digest(self):
        """The hex of the manifest's digest: what statements are about."""
        return self.descriptor["digest"].split(":")[1]


def as_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def tar_of(files, time):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), time, 0o755 if name.endswith("run") else 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(path, *images, damaged=False):
    """A layout in a tar, the name `app:1` for its only image, or for an index of several. A damaged one has a byte of its
    layer changed, and no digest with it."""
    blobs = {}
    for image in images:
        blobs |= image.blobs
    root = images[0].descriptor
    if len(images) > 1:
        index = as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.descriptor for image in images]})
        blobs[hashlib.sha256(index).hexdigest()] = index
        root = {"mediaType": INDEX, "digest": "sha256:" + hashlib.sha256(index).hexdigest(), "size": len(index)}
    if damaged:
        digest = max((digest for digest in blobs if blobs[digest].startswith(b"\x1f\x8b")), key=lambda one: len(blobs[one]))
        blobs[digest] = blobs[digest][:-12] + bytes([blobs[digest][-12] ^ 1]) + blobs[digest][-11:]
    files = {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}),
             "index.json": as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [root | {"annotations": {REF_NAME: "1"}}]})}
    files |= {"blobs/sha256/" + digest: data for digest, data in sorted(blobs.items())}
    with open(path, "wb") as file:
        file.write(tar_of(files, FIRST))
    return path


def unpack(archive, folder):
    """The same layout as a directory."""
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    return folder


def manifests(path):
    """The digests of an image's platforms: each by `os/architecture` or so, read from a layout in a tar."""
    with tarfile.open(path) as archive:
        def document(name):
            return json.load(archive.extractfile(archive.getmember(name)))

        def walk(descriptors):
            for one in descriptors:
                inner = document("blobs/" + one["digest"].replace(":", "/"))
                if "manifests" in inner:
                    yield from walk(inner["manifests"])
                elif inner["config"]["mediaType"].endswith("image.config.v1+json") or "container.image" in inner["config"]["mediaType"]:
                    config = document("blobs/" + inner["config"]["digest"].replace(":", "/"))
                    if config.get("architecture") not in (None, "unknown", ""):
                        # A variant that goes without saying is not part of the name.
                        said = {"amd64": "v1", "arm64": "v8"}.get(config["architecture"])
                        variant = config.get("variant") if config.get("variant") != said else None
                        parts = [config["os"], config["architecture"], variant]
                        yield "/".join(part for part in parts if part), one["digest"].split(":")[1]
        names = {name.removeprefix("./") for name in archive.getnames()}
        index = "index.json" if "index.json" in names else "./index.json"
        return dict(walk(document(index)["manifests"]))


class Pairs:
    """The images that the checks use."""

    def __init__(self, folder):
        def path(name):
            return os.path.join(folder, name + ".tar")

        self.app = Image()
        self.one = write(path("one"), self.app)
        self.again = write(path("again"), Image(time=SECOND))
        self.logged = write(path("logged"), Image(FILES | {"var/log/build.log": b"step 2\n"}))
        self.changed = write(path("changed"), Image(FILES | {"app/run": b"#!/bin/sh\necho hell\n"}))
        self.damaged = write(path("damaged"), self.app, damaged=True)
        self.arm = Image(architecture="arm64")
        self.two = write(path("two"), self.app, self.arm)
        self.two_again = write(path("two-again"), Image(time=SECOND), Image(time=SECOND, architecture="arm64"))
        self.policy = os.path.join(folder, "accepted.toml")
        with open(self.policy, "w") as file:
            file.write('[[accept]]\npath = "app/run"\nreason = "a word less is known"\n')
