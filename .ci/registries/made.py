"""Images of a size that a check needs, made from generated data."""

import hashlib
import json
import os
import random
import tarfile
import zlib

from wire import INDEX, MANIFEST, sha256

MIB = 1 << 20
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TIME = 1_760_000_000
CREATED = "2025-10-09T08:53:20Z"


class Layer:
    """A gzip layer in a file."""

    def __init__(self, path, diff_id):
        self.path, self.diff_id, self.size = path, diff_id, os.path.getsize(path)
        with open(path, "rb") as file:
            self.digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()

    def put(self, client, repository):
        with open(self.path, "rb") as file:
            client.put_blob(repository, self.digest, self.size, file)


def header(name, size):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, TIME
    return info.tobuf(tarfile.GNU_FORMAT)


def layer_of_pieces(path, pieces, level):
    """A layer of one file per piece of whole blocks."""
    packer, hashed = zlib.compressobj(level, zlib.DEFLATED, 31), hashlib.sha256()
    with open(path, "wb") as file:
        def write(data):
            hashed.update(data)
            file.write(packer.compress(data))
        for name, data in pieces:
            write(header(name, len(data)) + data)
        write(bytes(1024))
        file.write(packer.flush())
    return Layer(path, "sha256:" + hashed.hexdigest())


def noise(path, mebibytes, seed=1):
    """A layer that does not become smaller by compression; a file for each MiB."""
    source = random.Random(seed)
    return layer_of_pieces(path, ((f"{seed}/{number}", source.randbytes(MIB)) for number in range(mebibytes)), 0)


def mostly_zeros(path, mebibytes, seed=0):
    """A layer of one large file: 15 MiB of zeros, 1 MiB of noise, and again. It is compressed once and repeated: after a full
    flush, nothing in a stream refers to what was before."""
    piece = bytes(15 * MIB) + random.Random(100 + seed).randbytes(MIB)
    count = max(mebibytes * MIB // len(piece), 1)
    parts = [(header("large", count * len(piece)), 1), (piece, count), (bytes(1024), 1)]
    checksum, length, hashed = 0, 0, hashlib.sha256()
    with open(path, "wb") as file:
        file.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")
        for number, (data, times) in enumerate(parts):
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(data) + packer.flush(zlib.Z_FINISH if number == len(parts) - 1 else zlib.Z_FULL_FLUSH)
            for _ in range(times):
                file.write(packed)
                checksum, length = zlib.crc32(data, checksum), length + len(data)
                hashed.update(data)
        file.write(checksum.to_bytes(4, "little") + (length % (1 << 32)).to_bytes(4, "little"))
    return Layer(path, "sha256:" + hashed.hexdigest())


class Image:
    """An image of such layers."""

    def __init__(self, layers, label="a"):
        self.layers = layers
        self.config = json.dumps({
            "created": CREATED, "architecture": "amd64", "os": "linux", "config": {"Labels": {"name": label}},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": CREATED, "created_by": f"COPY {number} /"} for number in range(len(layers))],
        }).encode()
        described = [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers]
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(self.config), "size": len(self.config)}, "layers": described,
        }).encode()
        self.digest = sha256(self.manifest)

    def put(self, client, repository, tag):
        for layer in self.layers:
            layer.put(client, repository)
        client.put_bytes(repository, self.config)
        return client.put_manifest(repository, tag, self.manifest)

    def mount(self, client, repository, tag, source):
        """As `put`, with what is in another repository already."""
        for digest in [sha256(self.config)] + [layer.digest for layer in self.layers]:
            client.mount(repository, digest, source)
        return client.put_manifest(repository, tag, self.manifest)

    def write_layout(self, folder):
        """The image as an OCI layout."""
        blobs = os.path.join(folder, "blobs", "sha256")
        os.makedirs(blobs)
        for layer in self.layers:
            os.link(layer.path, os.path.join(blobs, layer.digest.split(":")[1]))
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest)}]}).encode()
        files = {f"blobs/sha256/{sha256(data).split(':')[1]}": data for data in (self.config, self.manifest)}
        for name, data in (files | {"index.json": index, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}).items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
