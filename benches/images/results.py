"""What restamping makes of two builds, as tables in Markdown: for `published`."""

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time

import images
from images import say
from measuring import rewrite, stale, table

ALL = ["--repair", "all", "--omit", "logs,caches"]
WAYS = {"none": ["--repair", "none"], "default": [], "all": ALL}
EQUAL, DIFFERENT = "equal", "{:,} differ"


def count(restamp, layout):
    """Layers, MiB of their blobs, and entries."""
    done = subprocess.run([restamp, "inspect", "--json", layout], check=True, stdout=subprocess.PIPE, text=True)
    layers = images.layers_of(layout)
    entries = sum(layer["content"]["entries"]["total"] for layer in json.loads(done.stdout)["layers"])
    return str(len(layers)), f"{sum(map(os.path.getsize, layers)) / 2**20:.0f} MiB", f"{entries:,}"


def digest(restamp, layout):
    """What a registry calls the image."""
    return images.must([restamp, "inspect", "--digest", layout]).strip()


def left_over(restamp, pair):
    """What two images differ in but for times in headers: for each cause or class, what it is, advice, and the paths."""
    done = subprocess.run([restamp, "diff", "--json", *pair], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"restamp diff: exit status {done.returncode}")
    found = {}
    for difference in json.loads(done.stdout)["differences"]:
        if difference["part"] not in ("layer", "rootfs") or not difference["path"] or difference["class"] == "time":
            continue
        cause = difference.get("cause") or {}
        what, advice = cause.get("what", difference.get("note") or ""), cause.get("advice", "")
        paths = found.setdefault(cause.get("id") or difference["class"], (what, advice, []))[2]
        if difference["path"] not in paths:
            paths.append(difference["path"])
    return found


def timed(restamp, source, out, options):
    """True if that worked; the seconds that passed, and those of the CPU."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = rewrite(restamp, source, out, options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Pair:
    """Two builds of an image, and what they become in each way. What is found is kept in a file, as long as neither the
    builds nor restamp are other ones."""

    def __init__(self, restamp, builds, ways, kept, scratch):
        self.restamp, self.builds = restamp, builds
        self.key = hashlib.sha256(b"".join(read(path) for path in (restamp, *(f"{build}/index.json" for build in builds)))).hexdigest()
        try:
            found = json.loads(read(kept))
        except FileNotFoundError:
            found = {}
        if found.get("key") != self.key:
            found = self.measure(ways, scratch)
            with open(kept, "w", encoding="utf-8") as file:
                json.dump(found, file)
        self.verdict, self.digests, self.stale = found["verdict"], found["digests"], found["stale"]
        self.seconds, self.left, self.size = found["seconds"], found["left"], found["size"]

    def measure(self, ways, scratch):
        restamp, builds = self.restamp, self.builds
        verdict, _ = self.compare(builds)
        verdicts, stales, digests, seconds, left = {"built": verdict}, {"built": stale(restamp, builds[0])}, {}, None, {}
        for way in ways:
            outs = [f"{scratch}/{number}" for number in (1, 2)]
            done = [timed(restamp, build, out, WAYS[way]) for build, out in zip(builds, outs)]
            verdicts[way] = "refused"
            if all(worked for worked, _, _ in done):
                (verdicts[way], left), digests[way] = self.compare(outs), [digest(restamp, out) for out in outs]
                if way != "all":
                    stales[way] = stale(restamp, outs[0])
                if way == "default":
                    seconds = done[0][1:]
            images.must(["rm", "-rf", *outs])
        return {"key": self.key, "verdict": verdicts, "digests": digests, "stale": stales, "seconds": seconds, "left": left,
                "size": count(restamp, builds[0])}

    def compare(self, pair):
        """Equal, or how many files differ, and what they are."""
        if digest(self.restamp, pair[0]) == digest(self.restamp, pair[1]):
            return EQUAL, {}
        left = left_over(self.restamp, pair)
        return DIFFERENT.format(len({path for _, _, paths in left.values() for path in paths})), left


def read(path):
    with open(path, "rb") as file:
        return file.read()


def machine():
    """The processor and the system."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/etc/os-release", encoding="utf-8") as file:
        system = next(line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME"))
    return f"{system}, {os.cpu_count()} cores of {model}"


def short(name):
    """The first digits of a digest: enough to compare two."""
    return f"`{name.removeprefix('sha256:')[:16]}`"


def listed(paths, most=3):
    return ", ".join(f"`{path}`" for path in sorted(paths)[:most]) + (f" and {len(paths) - most:,} more" if len(paths) > most else "")


def report(restamp, wanted, place, is_remedied, out, scratch):
    """Prints the tables for the images that are there."""
    pairs = {}
    os.makedirs(f"{out}/.results", exist_ok=True)
    for remedied, ways in ((False, ("none", "default", "all")), (True, ("default",))):
        for name in wanted:
            builds = [place(name, number, remedied) for number in (1, 2)]
            if (remedied and not is_remedied(name)) or not all(os.path.isfile(f"{build}/index.json") for build in builds):
                continue
            kept = f"{out}/.results/{name}{'.remedied' if remedied else ''}.json"
            pair = pairs[name, remedied] = Pair(restamp, builds, ways, kept, scratch)
            print(f"{name}{' with the remedy' if remedied else ''}: {pair.verdict}, {pair.left}", file=sys.stderr, flush=True)
    plain = {name: pair for (name, remedied), pair in pairs.items() if not remedied}
    better = {name: pair for (name, remedied), pair in pairs.items() if remedied}
    options = f"`{' '.join(ALL)}`"
    say(f"{images.must([restamp, '--version']).strip()}, {time.strftime('%Y-%m-%d', time.gmtime())}, {machine()}.")
    say("\nWhat two builds differ in:")
    table(["image", "layers", "size", "entries", "as built", "`--repair none`", "default", options, "time of the default"],
          [[name, *pair.size, *(pair.verdict[way] for way in ("built", *WAYS)), "{:.1f} s, CPU {:.1f} s".format(*pair.seconds)]
           for name, pair in plain.items()])
    say("\nStale copies, by `check --stale`:")
    table(["image", "as built", "`--repair none`", "default"],
          [[name, *(pair.stale.get(way, "–") for way in ("built", "none", "default"))] for name, pair in plain.items()
           if not pair.stale["built"].endswith(" of 0")])
    say(f"\nWhat is left after {options}:")
    table(["image", "cause", "files", "what it is", "advice"],
          [[name, cause, listed(paths), what or "no cause is known", advice or "–"] for name, pair in plain.items()
           for cause, (what, advice, paths) in sorted(pair.left.items())])
    say("\nThe same Dockerfiles with a remedy:")
    table(["image", "what is added to its steps", "as built", "default"],
          [[name, "<br>".join(f"`{text}`" for text in wanted[name].remedies()) or "nothing, but its base has its remedy",
            pair.verdict["built"], pair.verdict["default"]] for name, pair in better.items()])
    say(f"\nManifest digests of both builds after {options}:")
    table(["image", "first build", "second build"],
          [[name, *map(short, pair.digests.get("all", ("–", "–")))] for name, pair in plain.items()])
    say("\nAnd with the remedy, after the default:")
    table(["image", "first build", "second build"],
          [[name, *map(short, pair.digests.get("default", ("–", "–")))] for name, pair in better.items()])
