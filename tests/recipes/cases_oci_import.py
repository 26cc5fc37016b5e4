"""The recipe for Docker Official Images' builder oci-import: what it makes is taken by the rules of that builder, comes out
the same from another build, and is what a registry gets. And the rules themselves: each finds what breaks it."""

import hashlib
import json
import os
import shutil
import tarfile
import time

import fixtures
import harness
import oci_import


def project(folder):
    """A folder for each architecture with a root filesystem in a tar, as distributions have it."""
    for arch in ("amd64", "arm64"):
        root = os.path.join(folder, "root", arch)
        harness.write(f"{root}/bin/sh", f"a shell for {arch}\n", 0o755)
        harness.write(f"{root}/etc/os-release", "ID=test\n")
        os.makedirs(os.path.join(folder, arch))
        with tarfile.open(os.path.join(folder, arch, "rootfs.tar.gz"), "w:gz") as archive:
            archive.add(root, ".")
        harness.write(os.path.join(folder, arch, "Dockerfile"), 'FROM scratch\nADD rootfs.tar.gz /\nCMD ["/bin/sh"]\n')
    shutil.rmtree(os.path.join(folder, "root"))
    fixtures.commit(folder)


def tree(folder):
    """Every file of a folder with its digest."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb") as content:
                found[os.path.relpath(os.path.join(where, name), folder)] = hashlib.sha256(content.read()).hexdigest()
    return found


def recipe(place, book, results):
    origin, env = os.path.join(place.folder_for("origin"), "app"), place.environment(logged_in=True)
    project(origin)
    text, made = book.take("run", "oci-import"), []
    for attempt in ("first", "second"):
        if made:
            time.sleep(1.1)
        clone = place.clone(origin)
        status, said = place.shell(text, clone, env)
        results.expect(f"oci-import: the {attempt} build", status == 0, said)
        made.append(clone)
    for arch in ("amd64", "arm64"):
        first, second = (tree(os.path.join(clone, f"dist-{arch}")) for clone in made)
        results.same(f"oci-import: {arch} is the same in both builds, byte for byte", first, second)
        plain = [tree(os.path.join(clone, f"plain-{arch}")) for clone in made]
        results.expect(f"oci-import: the builds of {arch} were not", plain[0] != plain[1])

    # The branch is pushed, and read as the builder does: by git, out of the commit.
    bare = os.path.join(place.folder_for("bare"), "app.git")
    harness.must(["git", "clone", "-q", "--bare", f"file://{origin}", bare])
    harness.must(["git", "-C", made[0], "remote", "set-url", "origin", f"file://{bare}"])
    status, said = place.shell(book.take("run", "oci-import-branch"), made[0], env)
    results.expect("oci-import: the branch is pushed", status == 0, said)
    commit = fixtures.git(bare, "rev-parse", "refs/heads/dist").strip()
    results.same("oci-import: the branch has no history", "1", fixtures.git(bare, "rev-list", "--count", commit).strip())
    results.same("oci-import: the branch has the layouts alone", ["dist-amd64", "dist-arm64"],
                 fixtures.git(bare, "ls-tree", "--name-only", commit).split())
    library = book.take("library", "the commit is that of the branch")
    fields = dict(line.split(": ", 1) for line in library.splitlines() if line)
    results.same("oci-import: the library file", ("oci-import", "index.json", "refs/heads/dist"),
                 (fields["Builder"], fields["File"], fields["GitFetch"]))
    taken = {}
    for arch, directory in (("amd64", fields["Directory"]), ("arm64", fields["arm64v8-Directory"])):
        taken[arch] = os.path.join(place.folder_for("taken"), arch)
        os.mkdir(taken[arch])
        harness.must(["sh", "-c", 'git -C "$1" archive "$2" | tar -x -C "$3"', "-", bare, f"{commit}:{directory}", taken[arch]])
        results.same(f"oci-import: nothing is wrong with {directory}", [], oci_import.faults(taken[arch]))
        with open(os.path.join(taken[arch], "index.json"), encoding="utf-8") as index:
            digest = json.load(index)["manifests"][0]["digest"]
        results.same(f"oci-import: {directory} has the digest that was printed", digest,
                     place.must(f"restamp inspect --digest oci:{taken[arch]}", "/", env))
        place.must(f"skopeo copy -q --preserve-digests oci:{taken[arch]} docker://registry.example/base:{arch}", "/", env)
        results.same(f"oci-import: and so does a registry for {arch}", digest, place.deployed(f"base:{arch}", env))
        results.has(f"oci-import: {arch} is of that architecture",
                    place.must(f"skopeo inspect --config --raw oci:{taken[arch]}", "/", env), [f'"architecture":"{arch}"'])
    return taken["amd64"]


def rules(place, results, layout):
    """A layout that breaks one rule is found out, for each rule."""
    env = place.environment()

    def edit(change, kind="index"):
        """Changes the index, or the manifest and what points to it."""
        folder = os.path.join(place.folder_for("broken"), "layout")
        shutil.copytree(layout, folder)
        index = json.loads(harness.read(f"{folder}/index.json"))
        entry = index["manifests"][0]
        if kind == "index":
            change(index)
        else:
            manifest = json.loads(harness.read(f"{folder}/blobs/{entry['digest'].replace(':', '/')}"))
            change(manifest)
            put(folder, manifest, entry)
        harness.write(f"{folder}/index.json", json.dumps(index))
        return folder

    def put(folder, document, entry):
        text = json.dumps(document)
        entry["digest"], entry["size"] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", len(text)
        harness.write(f"{folder}/blobs/{entry['digest'].replace(':', '/')}", text)

    def nest(index):
        index["manifests"][0]["mediaType"] = oci_import.INDEX

    def blob_of(folder, change):
        manifest = json.loads(harness.read(f"{folder}/index.json"))["manifests"][0]["digest"]
        digest = json.loads(harness.read(f"{folder}/blobs/{manifest.replace(':', '/')}"))["layers"][0]["digest"]
        change(f"{folder}/blobs/{digest.replace(':', '/')}")
        return folder

    def append(path):
        with open(path, "ab") as blob:
            blob.write(b"\0")

    broken = {
        "an index within": (edit(nest), "index.json: media type"),
        "two entries": (edit(lambda index: index["manifests"].append(index["manifests"][0])), "2 entries"),
        "a field of one's own": (edit(lambda index: index.update({"x": 1})), "unknown fields ['x']"),
        "a field in the manifest": (edit(lambda manifest: manifest.update({"x": 1}), "manifest"), "unknown fields ['x']"),
        "another schema": (edit(lambda index: index.update({"schemaVersion": 1})), "schemaVersion"),
        "a manifest of Docker's": (edit(lambda manifest: manifest.update(
            {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"}), "manifest"), "media type in itself"),
        "zstd": (edit(lambda manifest: manifest["layers"][0].update(
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}), "manifest"), "layer 0: media type"),
        "urls": (edit(lambda manifest: manifest["layers"][0].update({"urls": ["https://x.example"]}), "manifest"),
                 "layer 0: urls"),
        "an artifact": (edit(lambda manifest: manifest.update({"artifactType": "x/y"}), "manifest"), "artifactType"),
        "another size": (edit(lambda index: index["manifests"][0].update({"size": 3})), "index.json: size 3"),
        "another digest": (edit(lambda manifest: manifest["config"].update({"digest": "md5:1"}), "manifest"),
                           "config: digest"),
        "a layer that is not there": (blob_of(edit(lambda index: None), os.remove), "layer 0: "),
        "a layer that was changed": (blob_of(edit(lambda index: None), append), "layer 0: the blob has another digest"),
    }
    for what, (folder, said) in broken.items():
        found = oci_import.faults(folder)
        results.expect(f"the rules find {what}", any(said in fault for fault in found), found)
    # And what the recipe avoids: an index with platforms as builders write it, zstd, an archive of docker save.
    for options, image, said in (("", "multi.oci.tar", "media type"),
                                 ("--compression zstd", "hello.oci.tar:latest", "layer 0: media type")):
        out = os.path.join(place.folder_for("other"), "layout")
        source = f"oci-archive:{fixtures.ROOT}/testdata/{image}"
        place.must(f"restamp rewrite -q --epoch 1700000000 {options} {source} oci:{out}", "/", env)
        results.has(f"the rules refuse {image} {options}", str(oci_import.faults(out)), [said])
    out = os.path.join(place.folder_for("other"), "layout")
    source = f"{fixtures.ROOT}/testdata/hello.tar"
    place.must(f"restamp rewrite -q --epoch 1700000000 --compression gzip {source} oci:{out}:1", "/", env)
    results.same("the rules take what docker save wrote", [], oci_import.faults(out))


def cases(place, book, results):
    taken = {}

    def first():
        taken["layout"] = recipe(place, book, results)
    results.group("oci-import", first)
    if taken:
        results.group("the rules of oci-import", rules, place, results, taken["layout"])
