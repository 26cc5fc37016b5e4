"""What restamping makes of two builds, as tables in Markdown: for `published`."""

import collections
import json
import os
import platform
import resource
import subprocess
import sys
import time

import images
from images import say
from measuring import EPOCH, differing, rewrite, stale, table

ALL = ["--repair", "all", "--omit", "logs,caches"]
WAYS = (("none", ["--repair", "none"]), ("default", []), ("all", ALL))
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


def left_over(restamp, pair, options):
    """What would be left after rewriting both: for each cause and class, its text and paths."""
    command = [restamp, "diff", "--json", "--restamp", " ".join(options), "--epoch", EPOCH, *pair]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"restamp diff --restamp: exit status {done.returncode}")
    found = {}
    for difference in json.loads(done.stdout)["differences"]:
        if difference["part"] in ("layer", "rootfs") and not difference["path"]:
            continue
        cause = difference.get("cause") or {}
        what = difference["path"] or f"{difference['part']}: {difference['field']}"
        key = cause.get("id") or difference["class"]
        found.setdefault(key, (cause.get("what", difference.get("note") or ""), cause.get("advice", ""), []))[2].append(what)
    return found


def timed(restamp, source, out, options):
    """True if that worked; the seconds that passed, and those of the CPU."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = rewrite(restamp, source, out, options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Pair:
    """Two builds of an image, and what they become in each way."""

    def __init__(self, restamp, name, builds, scratch):
        self.restamp, self.name, self.builds, self.scratch = restamp, name, builds, scratch
        self.stale = {"built": stale(restamp, builds[0])}
        self.verdict, self.digests = {"built": self.compare(builds)}, {"built": [digest(restamp, build) for build in builds]}
        self.seconds = None
        for way, options in WAYS:
            outs = [f"{scratch}/{number}" for number in (1, 2)]
            done = [timed(restamp, build, out, options) for build, out in zip(builds, outs)]
            if not all(worked for worked, _, _ in done):
                self.verdict[way] = "refused"
                continue
            if way == "default":
                self.seconds = done[0][1:]
            self.verdict[way] = self.compare(outs)
            self.digests[way] = [digest(restamp, out) for out in outs]
            if way != "all":
                self.stale[way] = stale(restamp, outs[0])
            images.must(["rm", "-rf", *outs])
        self.left = {} if self.verdict.get("all") == EQUAL else left_over(restamp, builds, ALL)

    def compare(self, pair):
        """Equal, or how many files differ."""
        found = len(differing(self.restamp, *pair))
        same = digest(self.restamp, pair[0]) == digest(self.restamp, pair[1])
        return EQUAL if same else DIFFERENT.format(found)


def machine():
    """The processor and the system."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/etc/os-release", encoding="utf-8") as file:
        system = next(line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME"))
    return f"{system}, {os.cpu_count()} cores of {model}"


def listed(paths, most=3):
    return ", ".join(f"`{path}`" for path in sorted(paths)[:most]) + (f" and {len(paths) - most:,} more" if len(paths) > most else "")


def report(restamp, wanted, place, is_remedied, scratch):
    """Prints the tables for the images that are there."""
    pairs = {}
    for remedied in (False, True):
        for name in wanted:
            if remedied and not is_remedied(name):
                continue
            builds = [place(name, number, remedied) for number in (1, 2)]
            if all(os.path.isfile(f"{build}/index.json") for build in builds):
                pairs[name, remedied] = Pair(restamp, name, builds, scratch)
                print(f"{name}{' with remedies' if remedied else ''}: {pairs[name, remedied].verdict}", file=sys.stderr, flush=True)
    plain = {name: pair for (name, remedied), pair in pairs.items() if not remedied}
    say(f"{images.must([restamp, '--version']).strip()}, {time.strftime('%Y-%m-%d', time.gmtime())}, {machine()}.")
    say("\nWhat two builds differ in:")
    table(["image", "layers", "size", "entries", "as built", "`--repair none`", "default", f"`{' '.join(ALL)}`", "time"],
          [[name, *count(restamp, pair.builds[0]), pair.verdict["built"], *(pair.verdict[way] for way, _ in WAYS),
            "{:.1f} s, CPU {:.1f} s".format(*pair.seconds)] for name, pair in plain.items()])
    say("\nStale copies, by `check --stale`:")
    table(["image", "as built", "`--repair none`", "default"],
          [[name, *(pair.stale.get(way, "–") for way in ("built", "none", "default"))] for name, pair in plain.items()
           if not pair.stale["built"].endswith(" of 0")])
    say(f"\nWhat is left after `{' '.join(ALL)}`:")
    table(["image", "cause", "files", "what it is", "advice"],
          [[name, cause, listed(paths), what, advice] for name, pair in plain.items()
           for cause, (what, advice, paths) in sorted(pair.left.items())])
    say("\nThe same Dockerfiles with a remedy:")
    table(["image", "remedy", "as built", "default", f"`{' '.join(ALL)}`"],
          [[name, "<br>".join(f"`{text}`" for text in wanted[name].remedies()) or "that of the base",
            *(pair.verdict[way] for way in ("built", "default", "all"))] for (name, remedied), pair in pairs.items() if remedied])
    say(f"\nManifest digests of both builds after `{' '.join(ALL)}` (with the remedy after the default):")
    table(["image", "first build", "second build"],
          [[name + (" with the remedy" if remedied else ""), *(pair.digests.get("default" if remedied else "all", ("–", "–")))]
           for (name, remedied), pair in pairs.items()])
    causes = collections.Counter(cause for pair in plain.values() for cause in pair.left)
    print(f"causes left: {dict(causes)}", file=sys.stderr)
