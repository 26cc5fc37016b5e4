"""What a run costs, and what one leaves that is killed."""

import hashlib
import importlib.machinery
import importlib.util
import os
import statistics
import subprocess
import sys
import time

import checks
from made import MIB, Image, Layer, mostly_zeros, noise
from wire import Counting


def again(work, who, kind):
    """A second run uploads no blob: what is there is asked for, and the registry's log counts what is put."""
    def uploads():
        return [uri for method, uri in kind.server.requests() if method == "PUT" and "/blobs/uploads/" in uri]
    checks.seed(work, who, kind, "src/again", checks.IMAGES[1][1])
    uploads()
    work.rewrite("--dry-run", kind.image("src/again:1"), kind.image("new/again:1"))
    asked = {method for method, _ in kind.server.requests()}
    work.check(f"{kind.name}: a dry run only asks", asked == {"GET", "HEAD"}, asked)
    work.rewrite(kind.image("src/again:1"), kind.image("new/again:1"))
    work.check(f"{kind.name}: the first run uploads blobs", uploads(), "none")
    _, said = work.rewrite(kind.image("src/again:1"), kind.image("new/again:1"))
    work.same(f"{kind.name}: a second run uploads none", [], uploads())
    work.check(f"{kind.name}: and says so", "\n0 blobs sent" in said, said)


def base(work, kind, mebibytes):
    """Layers of a base cross the wire neither way, counted between restamp and the registry."""
    below, above = noise(work.new("base"), mebibytes), noise(work.new("layer"), 5, seed=2)
    Image([below], "base").put(kind.client, "load/base", "1")
    kind.client.mount("load/app", below.digest, "load/base")
    above.put(kind.client, "load/app")
    app = Image([below, above])
    kind.client.put_bytes("load/app", app.config)
    kind.client.put_manifest("load/app", "1", app.manifest)
    layout = work.new("layout")
    app.write_layout(layout)
    proxy = Counting(kind.address)
    image = f"docker://{proxy.address}/load/"
    limit, digests = 10 * MIB, set()
    kind.server.requests()
    for name, source, to, expected in [("to another repository", image + "app:1", "stamped:1", 1),
                                       ("a second run", image + "app:1", "stamped:1", 0),
                                       ("to the same repository", image + "app:1", "app:stamped", 0),
                                       ("from a folder", "oci:" + layout, "from-folder:1", 1)]:
        proxy.take()
        digest, _ = work.rewrite("--base", image + "base:1", source, image + to)
        sent, received = proxy.take()
        figures = f"{sent / MIB:.2f} MiB sent, {received / MIB:.2f} MiB received"
        work.check(f"base of {mebibytes} MiB, 5 MiB on it, {name}: {figures}", sent < limit and received < limit, "limit: 10 MiB each")
        requests = kind.server.requests()
        mounts = [uri for method, uri in requests if method == "POST" and "mount=" in uri and below.digest.split(":")[1] in uri]
        reads = [uri for method, uri in requests if method == "GET" and below.digest in uri]
        work.same(f"base, {name}: its layer is not read", 0, len(reads))
        work.same(f"base, {name}: its layer is mounted {expected} times", expected, len(mounts))
        digests.add(digest)
    work.same("base: one digest of all", 1, len(digests))
    found = kind.client.manifest("load/stamped", "1")
    work.same("base: its layer is in the image as it was", below.digest, found["layers"][0]["digest"])
    os.unlink(below.path)


def killed(work, kind, rounds):
    """kill -9 at random times and at random requests: the tag is the old or the new digest, and the next run does the rest."""
    old = Image([noise(work.new("layer"), 2, seed) for seed in range(3, 7)])
    old.put(kind.client, "killed/seed", "1")
    proxy = Counting(kind.address)

    def arguments(repository, is_in_place):
        to = f"docker://{proxy.address}/{repository}:1"
        return ["--in-place", to] if is_in_place else [f"docker://{proxy.address}/killed/seed:1", to]

    requests = []
    for is_in_place in (False, True):
        old.mount(kind.client, f"killed/whole-{is_in_place:d}", "1", "killed/seed")
        proxy.watch()
        start = time.monotonic()
        new, _ = work.rewrite(*arguments(f"killed/whole-{is_in_place:d}", is_in_place))
        length = time.monotonic() - start
        requests.append(proxy.requests)
    states = {old.digest: 0, new: 0}
    others, unfinished = [], []
    for number in range(rounds):
        repository, is_in_place = f"killed/{number}", number % 4 > 1
        old.mount(kind.client, repository, "1", "killed/seed")
        command = [work.program, "rewrite", "-q", *arguments(repository, is_in_place)]
        # The last request moves the tag.
        last = requests[is_in_place]
        point = last - number // 8 if number < 16 else work.random.randint(1, last)
        proxy.watch()
        process = subprocess.Popen(command, env=work.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if number % 2 == 0:
            proxy.watch(point, process.kill, is_before=number % 8 < 4)
        else:
            time.sleep(work.random.uniform(0, length))
            process.kill()
        process.wait()
        # What was sent before still arrives.
        time.sleep(0.2)
        proxy.watch()
        found = kind.client.tag(repository, "1")
        if found in states:
            states[found] += 1
        else:
            others.append(found)
        work.run(command)
        # An image in place that is the new one already stays that.
        if kind.client.tag(repository, "1") != new:
            unfinished.append(repository)
    counts = f"{states[old.digest]} old, {states[new]} new"
    work.same(f"killed {rounds} times within {length:.1f} s and {last} requests: the tag is old or new ({counts})", [], others)
    work.same("killed: the next run makes the tag the new one", [], unfinished)
    work.same("killed: no temporary file is left", [], os.listdir(work.path("tmp")))


# A process counts the memory of the one that it was forked from as its own, and this one is large: a small one is between.
PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def peak(command, environment):
    """Runs a command; its peak resident memory in MiB."""
    done = subprocess.run([sys.executable, "-c", PEAK, *command], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr[-800:]!r}")
    return int(done.stdout) / 1024


def memory(work, kind, mebibytes, limit):
    """The peak memory from registry to registry is bounded, whatever the size of a layer."""
    jobs = os.cpu_count() or 1
    limit = limit or 64 + 8 * jobs
    for count, size in [(1, 64), (1, mebibytes), (8, mebibytes // 8)]:
        layers = [mostly_zeros(work.new("layer"), size, seed) for seed in range(count)]
        repository = f"load/zeros-{count}-{size}"
        Image(layers).put(kind.client, repository, "1")
        for layer in layers:
            os.unlink(layer.path)
        command = [work.program, "rewrite", "-q", "-j", str(jobs), kind.image(repository + ":1"), kind.image(repository + "-new:1")]
        start = time.monotonic()
        used = peak(command, work.environment)
        took = time.monotonic() - start
        what = f"{count} x {size} MiB ({sum(layer.size for layer in layers) / MIB:.0f} MiB as gzip, {took:.1f} s)"
        work.check(f"memory: {used:.0f} MiB with layers of {what}", used <= limit, f"limit: {limit} MiB")


def real_layer(work, tar, mebibytes):
    """A tar that is given, or one of Debian's packages as benches/compare makes it, as a gzip layer."""
    if not tar:
        path = os.path.join(os.path.dirname(__file__), "..", "..", "benches", "compare")
        spec = importlib.util.spec_from_loader("compare", importlib.machinery.SourceFileLoader("compare", path))
        compare = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(compare)
        tar = compare.make_layer("rootfs", os.path.dirname(work.new("made")), mebibytes)
    packed = work.new("layer.gz")
    with open(packed, "wb") as file:
        subprocess.run(["gzip", "-nc6", tar], stdout=file, check=True)
    with open(tar, "rb") as file:
        return Layer(packed, "sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def speed(work, kind, tar, mebibytes, runs, ratio):
    """From registry to registry against the same from folder to folder, in turn; the ratio of the medians counts."""
    image = Image([real_layer(work, tar, mebibytes)])
    image.put(kind.client, "speed/src", "1")
    layout = work.new("layout")
    image.write_layout(layout)
    times = {"folder": [], "registry": []}
    for number in range(runs):
        for name, source, to in [("folder", "oci:" + layout, "oci:" + work.new("out")),
                                 ("registry", kind.image("speed/src:1"), kind.image(f"speed/{number}:1"))]:
            start = time.monotonic()
            work.restamp("rewrite", "-q", source, to)
            times[name].append(time.monotonic() - start)
    found = statistics.median(times["registry"]) / statistics.median(times["folder"])
    print(f"speed: layer of {image.layers[0].size / MIB:.0f} MiB as gzip; seconds from folder to folder {shown(times['folder'])}, "
          f"from registry to registry {shown(times['registry'])}")
    work.check(f"speed: {found:.2f} times a run from folder to folder", found <= ratio, f"limit: {ratio}")


def shown(times):
    return ", ".join(f"{one:.2f}" for one in times)
