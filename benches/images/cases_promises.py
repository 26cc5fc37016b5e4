"""What holds for every repair: nothing but the copies changes, the second time nothing does, and the bytes are always the same."""

import hashlib
import json
import os
import shlex
import stat
import subprocess
import tarfile

import cases_copies
import cases_python
import cases_times
import images
from cases import BUILT, EPOCH, Build, files, put, read

# Where a copy of a mtime may lie, by the name of its file: (begin, end) of what may differ by default.
COPIES = {".pyc": ((4, 16),), ".cache-": ((48, 52), (56, 64)), "compile-cache-": ((24, 32),)}
OPTIONS = ([], ["--clamp"], ["--repair", "none"], ["--repair", "all"], ["--repair", "all", "--omit", "logs,caches"],
           ["--repair", "all", "--order", "name"])


def mixed(root, mtime):
    """Something of everything."""
    os.makedirs(f"{root}/srv", exist_ok=True)
    cases_times.archives(root, mtime)
    for number in range(30):
        put(root, f"srv/app/m{number}.py", f"PORT = {8000 + number}\n", mtime)
    put(root, "srv/app/conf.py", "PORT = 8080\n", mtime)
    cases_python.compiled(root)
    cases_copies.font_base(root)
    cases_copies.ruby_base(root)
    put(root, "var/log/dpkg.log", f"{mtime} status installed\n", mtime)


def replaced(root, mtime):
    """The source of a copy in the layer below, at the same size."""
    put(root, "srv/app/conf.py", "PORT = 9090\n", mtime + 5000)


def builds(bench):
    """Two builds of the mixed image, which all groups share."""
    return bench.once("mixed", make_builds)


def make_builds(bench):
    return [Build(bench, "mixed").step(lambda root, mtime=mtime: mixed(root, mtime)).step(lambda root, mtime=mtime: replaced(root, mtime)).finish()
            for mtime in (BUILT, BUILT + 3600)]


def blobs(layout):
    """The names of the blobs, which are their digests."""
    return sorted(os.listdir(f"{layout}/blobs/sha256"))


def only_copies_change(bench):
    """By default no byte of a file changes but copies of mtimes; with --repair none, none at all."""
    image = builds(bench)[0]
    before = bench.unpack(image)
    for options in ([], ["--clamp"], ["--repair", "none"]):
        root = bench.stamped(image, *options)
        if not root:
            continue
        wrong, changes = [], 0
        for name in cases_times.trees_differ(before, root):
            one, other = read(before, name), read(root, name)
            allowed = next((ranges for mark, ranges in COPIES.items() if mark in name), ()) if options != ["--repair", "none"] else ()
            differing = [at for at, pair in enumerate(zip(one, other)) if pair[0] != pair[1]]
            changes += 1
            if len(one) != len(other) or any(not any(begin <= at < end for begin, end in allowed) for at in differing):
                wrong.append((name, differing[:4]))
        text = " ".join(options) or "the default"
        bench.same(f"bytes that change with {text}", [], wrong)
        if options != ["--repair", "none"]:
            bench.expect(f"copies follow with {text}", changes > 30, changes)
        state = [[(name, stat.S_IMODE(os.lstat(f"{top}/{name}").st_mode)) for name in files(top)] for top in (before, root)]
        bench.expect(f"names and modes with {text}", state[0] == state[1])


def contents(layer):
    """What each regular file of a layer holds."""
    with tarfile.open(layer) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def replayed(edits, old):
    """The files of a layer with the edits of the report made to them, and what of the report is not true of them."""
    made, wrong = dict(old), []
    for edit in edits:
        name = edit["entry"]
        if "omitted_size" in edit:
            if len(made.pop(name, b"")) != edit["omitted_size"]:
                wrong.append(edit)
        elif "new_digest" in edit:
            if sha256(old[name]) != edit["old_digest"] or len(old[name]) != edit["old_size"]:
                wrong.append(edit)
            made[name] = edit["new_digest"]
        elif "at" in edit:
            before, after, at = bytes.fromhex(edit["old"]), bytes.fromhex(edit["new"]), edit["at"]
            if made[name][at:at + len(before)] != before or len(before) != len(after):
                wrong.append(edit)
            made[name] = made[name][:at] + after + made[name][at + len(after):]
    return made, wrong


def report_is_complete(bench):
    """The edits of the report, made to the old files, give the new ones: nothing else was done to any."""
    image = builds(bench)[0]
    for options in OPTIONS:
        report = bench.path("report")
        out = bench.rewrite(image, *options, "--report", report)
        if not out:
            continue
        with open(report, encoding="utf-8") as file:
            layers = json.load(file)["layers"]
        text = " ".join(options) or "the default"
        for number, (layer, old, new) in enumerate(zip(layers, images.layers_of(image), images.layers_of(out))):
            made, wrong = replayed(layer["edits"], contents(old))
            bench.same(f"edits of layer {number} are true with {text}", [], wrong[:3])
            found = contents(new)
            other = [name for name in {*made, *found} if name not in made or name not in found
                     or (found[name] != made[name] if isinstance(made[name], bytes) else sha256(found[name]) != made[name])]
            bench.same(f"and all that was done to it with {text}", [], sorted(other)[:3])


def twice(bench):
    """A second run changes no byte, and `check` finds nothing."""
    image = builds(bench)[0]
    for options in OPTIONS:
        once = bench.rewrite(image, *options)
        again = once and bench.rewrite(once, *options)
        if again:
            text = " ".join(options) or "the default"
            bench.expect(f"the same bytes the second time with {text}", blobs(once) == blobs(again), (blobs(once), blobs(again)))
            found, status = bench.run("check", "--epoch", str(EPOCH), *(["--clamp"] if "--clamp" in options else []), once)
            bench.expect(f"check with {text}", status == 0, found)


def same_bytes(bench):
    """One job or four, a file or a pipe, no cache, an empty one or a full one."""
    image = builds(bench)[0]
    archive = bench.path("in.tar")
    images.must(["tar", "-C", image, "-cf", archive, "oci-layout", "index.json", "blobs"])
    for options in ([], ["--repair", "all"], ["--repair", "all", "--omit", "logs", "--order", "name"]):
        text = " ".join(options) or "the default"
        first = ["rewrite", "-q", "--epoch", str(EPOCH), *options]
        cache = bench.path("cache")
        ways = [("1 job", ["--jobs", "1"]), ("4 jobs", ["--jobs", "4"]), ("an empty cache", ["--cache", cache]), ("a full cache", ["--cache", cache])]
        outs = []
        for name, way in ways:
            out = bench.path("out.tar")
            said, status = bench.run(*first, *way, archive, out)
            if not bench.expect(f"{name}, {text}", status == 0, "\n".join(said.splitlines()[:3])):
                break
            outs.append(out)
        else:
            out = bench.path("piped.tar")
            line = f"cat {archive} | {shlex.join([bench.restamp, *first])} > {out}"
            status = subprocess.run(["sh", "-c", line], check=False, stderr=subprocess.DEVNULL).returncode
            bench.same(f"a pipe, {text}", 0, status)
            bytes_of = [open(name, "rb").read() for name in (*outs, out)]
            bench.expect(f"all five are the same, {text}", len(set(bytes_of)) == 1, [len(data) for data in bytes_of])


def two_builds_equal(bench):
    """Two builds that differ in times, archives and logs come out equal, and diff knew it."""
    # A copy that is stale keeps its old time, so that there is none in these.
    one, other = [Build(bench, "mixed").step(lambda root, mtime=mtime: mixed(root, mtime)).finish() for mtime in (BUILT, BUILT + 3600)]
    options = ["--repair", "all", "--omit", "logs,caches"]
    outs = [bench.rewrite(image, *options) for image in (one, other)]
    if all(outs):
        roots = [bench.unpack(out) for out in outs]
        bench.same("no file differs", [], cases_times.trees_differ(*roots))
        text, status = bench.run("diff", *outs)
        bench.expect("restamp diff of the results", status == 0, text)
    text, status = bench.run("diff", "--restamp", f"--epoch {EPOCH} {' '.join(options)}", one, other)
    bench.expect("diff --restamp says so beforehand", status == 0, f"exit status {status}\n{text}")
    text, status = bench.run("diff", "--restamp", f"--epoch {EPOCH} --repair none", one, other)
    bench.expect("and that --repair none would not do", status == 1, f"exit status {status}\n{text}")


def stale_counts(bench):
    """check --stale and inspect count copies."""
    image = builds(bench)[0]
    text, status = bench.run("check", "--stale", image)
    bench.expect("check --stale of the build", status == 1 and "conf" in text, f"exit status {status}\n{text}")
    for options, expected in (([], 1), (["--clamp"], 1), (["--repair", "none"], 1)):
        out = bench.rewrite(image, *options)
        if out:
            text, status = bench.run("check", "--stale", out)
            bench.expect(f"check --stale after {' '.join(options) or 'the default'}", status == expected, f"exit status {status}\n{text}")
    text, status = bench.run("inspect", image)
    bench.expect("inspect counts them", status == 0 and "stale" in text, text)


QUICK = [only_copies_change, report_is_complete, twice, same_bytes, two_builds_equal, stale_counts]
