"""Many images of many repositories, by several processes, one of which is killed."""

import collections
import json
import os
import signal
import subprocess
import time

from made import MIB, Image, noise
from wire import Counting


def put_all(work, kind, repositories, tags):
    """So many tags in each of so many repositories: a layer that those of a repository share, and one of its own for each."""
    for number in range(repositories):
        shared = noise(work.new("layer"), 2, seed=1000 + number)
        for tag in range(tags):
            own = noise(work.new("layer"), 1, seed=2000 + number * tags + tag)
            Image([shared, own], f"{number}-{tag}").put(kind.client, f"bulk/old/app-{number}", f"v{tag}")
            os.unlink(own.path)
        os.unlink(shared.path)


def start(work, plan, index, shards):
    command = [work.program, "bulk", "run", plan, "--shard", f"/{shards}", "--state", work.path("bulk-state"), "-j", "1",
               "--cache", work.path(f"bulk-cache-{index}")]
    environment = work.environment | {"JOB_COMPLETION_INDEX": str(index)}
    with open(work.path(f"bulk-{index}.log"), "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)


def bulk(work, kind, repositories=10, tags=20, shards=4):
    """Four shards as an Indexed Job runs them, the largest killed in the middle and begun again: each tag once."""
    put_all(work, kind, repositories, tags)
    proxy = Counting(kind.address)
    host = f"docker://{proxy.address}"
    sources = [f"{host}/bulk/old/app-{number}" for number in range(repositories)]
    planned = work.restamp("bulk", "plan", "--to", f"{host}/new/{{repo}}:{{tag}}-stamped", *sources, "--", "--epoch", "1700000000")
    plan = work.file("work.jsonl", planned.stdout)
    lines = [json.loads(line) for line in planned.stdout.splitlines()[1:-1]]
    work.same("bulk: the plan has every tag", repositories * tags, len(lines))
    kind.server.requests()
    proxy.take()
    begun = time.monotonic()
    running = {index: start(work, plan, index, shards) for index in range(shards)}
    time.sleep(2)
    # Whichever still has work.
    victim = next((index for index, process in running.items() if process.poll() is None), None)
    if work.check("bulk: a shard is still at work when it is killed", victim is not None):
        running[victim].send_signal(signal.SIGKILL)
        running[victim].wait()
        running[victim] = start(work, plan, victim, shards)
    statuses = {index: process.wait(600) for index, process in running.items()}
    seconds = time.monotonic() - begun
    sent, received = proxy.take()
    for index, status in statuses.items():
        with open(work.path(f"bulk-{index}.log")) as log:
            work.check(f"bulk: shard {index} ends well", status == 0, log.read())
    puts = collections.Counter(uri for method, uri in kind.server.requests() if method == "PUT" and "/manifests/v" in uri)
    work.same("bulk: each tag is moved once", ([1], repositories * tags), (sorted(set(puts.values())), len(puts)))
    first = lines[0]
    digest, _ = work.rewrite("--epoch", "1700000000", f"docker://{first['src']}", f"{host}/bulk/alone:1")
    repository, tag = first["dst"].split("/", 1)[1].rsplit(":", 1)
    work.same("bulk: an image is as it is alone", digest, kind.client.tag(repository, tag))
    again = work.restamp("bulk", "run", plan, "--state", work.path("bulk-state"))
    expected = f"{repositories * tags} images: 0 done, {repositories * tags} there already, 0 failed"
    work.check("bulk: a run of all of it does nothing more", expected in again.stderr, again.stderr)
    print(f"bulk: {repositories * tags} images of {repositories} repositories in {seconds:.1f} s by {shards} processes, "
          f"{repositories * tags / seconds * 60:.0f} a minute; {sent / MIB:.1f} MiB sent, {received / MIB:.1f} MiB received")
