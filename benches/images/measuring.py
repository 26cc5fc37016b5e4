"""What `measure` and `published` share: restamp's own answers about images, CPU time, tables in Markdown."""

import collections
import json
import resource
import statistics
import subprocess
import sys

import images
from images import say

EPOCH = "1700000000"


def rewrite(restamp, source, out, options):
    """True if that worked."""
    command = [restamp, "rewrite", "-q", "--epoch", EPOCH, *options, source, f"oci:{out}"]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print("\n".join(done.stderr.splitlines()[:2]), file=sys.stderr)
    return done.returncode == 0


def differing(restamp, one, other):
    """The paths of files that differ in their bytes or are on one side alone, with the cause of each."""
    done = subprocess.run([restamp, "diff", "--json", one, other], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"restamp diff: exit status {done.returncode}")
    found = {}
    for difference in json.loads(done.stdout)["differences"]:
        # Times in headers are none of a file's bytes.
        if difference["part"] in ("layer", "rootfs") and difference["path"] and difference["class"] != "time":
            found[difference["path"]] = (difference.get("cause") or {}).get("id", difference["class"])
    return found


def stale(restamp, image):
    """What `check --stale` counts."""
    done = subprocess.run([restamp, "check", "--stale", "--json", image], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode not in (0, 1):
        return "–"
    sums = collections.Counter()
    for found in json.loads(done.stdout)["images"]:
        for counts in found["counts"].values():
            sums.update(counts)
    mistaken = f", {sums['wrongly_fresh']:,} by mistake valid" if sums["wrongly_fresh"] else ""
    return f"{sums['stale']:,} of {sums['copies']:,}{mistaken}"


def spent(command):
    """User and system seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost(restamp, source, folder, pairs):
    """Medians of what the default and --repair none spend, and of their ratio; they run in turns."""
    found = collections.defaultdict(list)
    for number in range(pairs + 1):
        both = (("none", ["--repair", "none"]), ("default", []))
        for name, options in both if number % 2 else reversed(both):
            out = f"{folder}/cost"
            seconds = spent([restamp, "rewrite", "-q", "--epoch", EPOCH, *options, source, f"oci:{out}"])
            images.must(["rm", "-rf", out])
            # The first pair fills the page cache.
            if number:
                found[name].append(seconds)
    ratios = [one / other for one, other in zip(found["default"], found["none"])]
    return statistics.median(found["none"]), statistics.median(found["default"]), statistics.median(ratios)


def table(head, rows):
    say("")
    say("| " + " | ".join(head) + " |")
    say("|---" * len(head) + "|")
    for row in rows:
        say("| " + " | ".join(row) + " |")
