"""`attest --attach` and `attach`: bundles as referrers in an OCI layout."""

import json
import os
import subprocess
import sys

import bundles
import images
from program import read, trust

BUNDLE = bundles.MEDIA_TYPE
EMPTY = "application/vnd.oci.empty.v1+json"
CONTENT, PREDICATE = "dev.sigstore.bundle.content", "dev.sigstore.bundle.predicateType"


def blob(layout, digest):
    return read(layout, "blobs", *digest.split(":"))


def referrers(layout):
    """The descriptors of bundles in index.json, and what has a name there."""
    listed = json.loads(read(layout, "index.json"))["manifests"]
    named = {one["annotations"][images.REF_NAME]: one for one in listed if images.REF_NAME in one.get("annotations", {})}
    return [one for one in listed if one.get("artifactType") == BUNDLE], named


def attached(work, restamp, rebuilder, pairs, shared):
    layout = images.unpack(pairs.one, work.new("layout"))
    done, out = restamp.attest("oci:" + layout, pairs.one, rebuilder, "--attach", "oci:" + layout)
    if restamp.ends("attest --attach: 0", done, 0):
        examine(work, restamp, rebuilder, pairs, "attest --attach", layout, out, shared)

    other = images.unpack(pairs.one, work.new("layout"))
    _, out = restamp.attest("oci:" + other, pairs.one, rebuilder)
    files = [os.path.join(out, "linux-amd64", name) for name in ("svr.sigstore.json", "equivalence.sigstore.json")]
    if restamp.ends("attach: 0", restamp.run("attach", "oci:" + other, *files), 0):
        examine(work, restamp, rebuilder, pairs, "attach", other, out, shared)
        work.same("attach and attest --attach leave the same index.json", read(layout, "index.json"), read(other, "index.json"))
        before = tree(other)
        restamp.ends("attach once more: 0", restamp.run("attach", "oci:" + other, *files), 0)
        work.same("attach once more changes nothing", before, tree(other))
    refused(work, restamp, rebuilder, pairs, other)


def tree(folder):
    return {os.path.relpath(os.path.join(at, name), folder): bundles.sha256(read(at, name))
            for at, _, names in os.walk(folder) for name in names}


def examine(work, restamp, rebuilder, pairs, name, layout, out, shared):
    found, named = referrers(layout)
    subject = "sha256:" + pairs.app.digest
    work.same(f"{name}: two descriptors without a name", [2, False],
              [len(found), any(images.REF_NAME in one.get("annotations", {}) for one in found)])
    kinds = set()
    for one in found:
        manifest = json.loads(blob(layout, one["digest"]))
        kinds.add(manifest.get("annotations", {}).get(PREDICATE))
        layers = manifest["layers"]
        work.same(f"{name}: the manifest of a bundle", [BUNDLE, EMPTY, subject, [BUNDLE], "dsse-envelope"],
                  [manifest.get("artifactType"), manifest["config"]["mediaType"], manifest["subject"]["digest"],
                   [layer["mediaType"] for layer in layers], manifest.get("annotations", {}).get(CONTENT)])
        data = blob(layout, layers[0]["digest"])
        work.check(f"{name}: its layer is a bundle of attest's", data in [read(out, "linux-amd64", each) for each in
                                                                        os.listdir(os.path.join(out, "linux-amd64"))])
        payload = json.loads(bundles.statement_of(json.loads(data)))
        work.same(f"{name}: its annotation is the predicate's type", payload["predicateType"], manifest["annotations"].get(PREDICATE))
    work.same(f"{name}: one of each kind", 2, len(kinds))
    tag = "sha256-" + pairs.app.digest
    if work.check(f"{name}: the tag for clients without the API", tag in named, list(named)):
        index = json.loads(blob(layout, named[tag]["digest"]))
        work.same(f"{name}: it lists them", {one["digest"] for one in found}, {one["digest"] for one in index["manifests"]})
    work.check(f"{name}: the image keeps its name", named.get("1", {}).get("digest") == subject, list(named))
    if shared:
        command = [sys.executable, os.path.join(shared, "tools/oracle.py"), "validate", layout]
        oracle = subprocess.run(command, capture_output=True, text=True)
        work.check(f"{name}: the layout is a valid one", oracle.returncode == 0, oracle.stdout + oracle.stderr)
    done = restamp.verify("oci:" + layout, trust(work, [rebuilder], threshold=1), "oci:" + layout)
    restamp.ends(f"{name}: verify finds them there", done, 0)
    done = restamp.verify("oci:" + layout + ":1", trust(work, [rebuilder], threshold=1))
    restamp.ends(f"{name}: and by itself", done, 0)
    original, now = tree(images.unpack(pairs.one, work.new("original"))), tree(layout)
    changed = [path for path, digest in original.items() if now.get(path) != digest]
    work.same(f"{name}: index.json is all that has changed", ["index.json"], changed)
    done, _ = restamp.attest("oci:" + layout + ":1", pairs.one, rebuilder)
    restamp.ends(f"{name}: the image is attested as before", done, 0, "identical")


def refused(work, restamp, rebuilder, pairs, layout):
    """What is no bundle about this image is not attached to it."""
    before = tree(layout)
    _, out = restamp.attest(pairs.again, pairs.again, rebuilder)
    foreign = os.path.join(out, "linux-amd64", "svr.sigstore.json")
    done = restamp.run("attach", "oci:" + layout, foreign)
    restamp.ends("a bundle about another image is an error", done, 2, "subject|about|no image|not in")
    done = restamp.run("attach", "oci:" + layout, work.file("junk", "{}"))
    restamp.ends("what is no bundle is an error", done, 2, "bundle|mediaType")
    work.same("and the layout is as it was", before, tree(layout))
