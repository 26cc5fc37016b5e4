"""What the builder `oci-import` of Docker Official Images asks of an OCI layout.

From the public sources of both programs that read one:
- bashbrew: docker-library/bashbrew, cmd/bashbrew/oci-builder.go, commit d662ff01570964b5f648df009c9269f388285692.
  It decodes oci-layout, the index and the manifest with unknown fields forbidden, wants version 1.0.0, exactly one entry in
  index.json and the media type of an OCI manifest there, and reads blobs with their size and digest.
- meta-scripts: docker-library/meta-scripts, oci.jq, helpers/oci-import.sh and helpers/oci-validate.sh, commit
  205031aee2fdfbbd449038afd58f0f0a6915c217. They limit media types of configs and layers, sizes of manifests, `urls`,
  `artifactType` and the digests' form. They set `platform` and the annotations of the entry themselves.
"""

import gzip
import hashlib
import json
import os
import re

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LAYERS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
          "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip")
# The fields that the types of image-spec 1.1 have in Go. bashbrew has a release candidate of it, which knows no more.
DESCRIPTOR_FIELDS = {"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"}
PLATFORM_FIELDS = {"architecture", "os", "os.version", "os.features", "variant"}
INDEX_FIELDS = {"schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations"}
MANIFEST_FIELDS = {"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"}
MANIFEST_SIZE = 4 * 1024 * 1024


def faults(layout, file="index.json"):
    """Everything that keeps the layout from being taken; an empty list if it would be."""
    found = []

    def fault(is_one, text):
        if is_one:
            found.append(text)
        return is_one

    def document(path, fields):
        try:
            with open(os.path.join(layout, path), encoding="utf-8") as text:
                value = json.load(text)
        except (OSError, ValueError) as error:
            found.append(f"{path}: {error}")
            return {}
        fault(set(value) - fields, f"{path}: unknown fields {sorted(set(value) - fields)}")
        return value

    def blob(where, entry, media_types):
        """Path of a descriptor's blob, or None."""
        fault(set(entry) - DESCRIPTOR_FIELDS, f"{where}: unknown fields {sorted(set(entry) - DESCRIPTOR_FIELDS)}")
        fault(set(entry.get("platform") or {}) - PLATFORM_FIELDS, f"{where}: unknown fields of the platform")
        fault(entry.get("mediaType") not in media_types, f"{where}: media type {entry.get('mediaType')}")
        fault(entry.get("urls"), f"{where}: urls")
        fault(entry.get("artifactType"), f"{where}: artifactType")
        digest = entry.get("digest", "")
        if fault(not re.fullmatch(r"sha256:[0-9a-f]{64}", digest), f"{where}: digest {digest!r}"):
            return None
        path = os.path.join("blobs", *digest.split(":"))
        try:
            with open(os.path.join(layout, path), "rb") as content:
                data = content.read()
        except OSError as error:
            found.append(f"{where}: {error}")
            return None
        fault(len(data) != entry.get("size"), f"{where}: size {entry.get('size')}, but the blob has {len(data)}")
        fault(f"sha256:{hashlib.sha256(data).hexdigest()}" != digest, f"{where}: the blob has another digest")
        return path

    header = document("oci-layout", {"imageLayoutVersion"})
    fault(header.get("imageLayoutVersion") != "1.0.0", "oci-layout: version")
    index = document(file, INDEX_FIELDS)
    fault(index.get("schemaVersion") != 2, f"{file}: schemaVersion")
    fault(index.get("mediaType", INDEX) != INDEX, f"{file}: media type")
    entries = index.get("manifests") or []
    if fault(len(entries) != 1, f"{file}: {len(entries)} entries"):
        return found
    path = blob(file, entries[0], (MANIFEST,))
    fault(not 2 < entries[0].get("size", 0) <= MANIFEST_SIZE, "manifest: size")
    if path is None or entries[0].get("mediaType") != MANIFEST:
        return found
    manifest = document(path, MANIFEST_FIELDS)
    fault(manifest.get("schemaVersion") != 2, "manifest: schemaVersion")
    # meta-scripts wants it said, which the specification does not.
    fault(manifest.get("mediaType") != MANIFEST, "manifest: media type in itself")
    fault(manifest.get("artifactType"), "manifest: artifactType")
    config = blob("config", manifest.get("config") or {}, CONFIGS)
    layers = [blob(f"layer {number}", layer, LAYERS) for number, layer in enumerate(manifest.get("layers") or [])]
    fault(not layers, "manifest: no layers")
    if config and all(layers):
        with open(os.path.join(layout, config), encoding="utf-8") as text:
            diff_ids = (json.load(text).get("rootfs") or {}).get("diff_ids")
        fault(diff_ids != [diff_id(os.path.join(layout, layer)) for layer in layers], "config: diff_ids")
    return found


def diff_id(path):
    """The digest of a layer without its compression."""
    with open(path, "rb") as blob:
        data = blob.read()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
