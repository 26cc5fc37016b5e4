"""The action with `attest`: the image that it made is compared with a published one. Verdicts, outputs, what the step fails
without, and where the private key is and is not."""

import json
import os
import shutil

import fixtures
import harness
from cases_action import Bench

VERIFIER = "https://rebuild.example.org/restamp/v1"


def published(bench, job, how="rewrite -q --epoch 1700000000"):
    """An image to compare with, made of the one that is built here."""
    harness.must([bench.restamp, *how.split(), "build.tar", "published.tar"], cwd=job.workspace)
    return job


def other(job):
    """Another image than the one that is published."""
    shutil.copy(os.path.join(fixtures.ROOT, "testdata/zoo.oci.tar"), os.path.join(job.workspace, "published.tar"))
    return job


def private_key(bench):
    path = os.path.join(bench.folder, "key.pem")
    harness.must(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    harness.must(["openssl", "pkey", "-in", path, "-pubout", "-out", f"{path}.pub"])
    return harness.read(path)


def use(bench, job, **inputs):
    return bench.use(job, image="build.tar", **{"attest": "published.tar", "verifier_id": VERIFIER, **inputs}) or {}


def files(outputs):
    """What is in the folder of each platform."""
    folder = outputs.get("attestations") or "/nonexistent"
    return {platform: sorted(os.listdir(os.path.join(folder, platform))) for platform in os.listdir(folder)} if os.path.isdir(folder) else {}


def verdicts(bench):
    results = bench.results
    job = bench.job()
    outputs = bench.use(job, image="build.tar") or {"verdict": "none"}
    results.same("without attest both outputs are empty", ("", ""), (outputs.get("verdict"), outputs.get("attestations")), job.said)
    job = published(bench, bench.job())
    outputs = use(bench, job)
    results.same("the published image is the rebuilt one", "identical", outputs.get("verdict"), job.said)
    written = files(outputs)
    results.expect("there is a folder for the platform", len(written) == 1, written)
    results.same("unsigned statements", [["diff.html", "diff.json", "equivalence.json", "svr.json"]], list(written.values()))
    results.has("the command that signs is printed", job.said, ["cosign attest-blob"])
    [platform] = written or [""]
    statement = json.loads(harness.read(os.path.join(outputs["attestations"], platform, "equivalence.json")))
    results.same("the run is in the statement", {"url": f"{bench.server.url}/someone/app/actions/runs/1"}, statement["predicate"].get("run"), statement)
    job = published(bench, bench.job(), "rewrite -q --epoch 1600000000")
    results.same("other times: equal after restamping", "after-restamping", use(bench, job).get("verdict"), job.said)
    job = published(bench, bench.job(), "rewrite -q --epoch 1600000000")
    outputs = use(bench, job, attest_require="identical")
    results.expect("which fails where identical is required", not outputs, job.said)
    results.has("and says so", job.said, ["::error title=restamp::published.tar was not reproduced", "after-restamping"])
    job = other(bench.job())
    results.expect("another image fails", not use(bench, job), job.said)
    job = other(bench.job())
    outputs = use(bench, job, attest_require="nothing")
    results.same("another image, where nothing is required", "different", outputs.get("verdict"), job.said)
    names = [name for found in files(outputs).values() for name in found]
    results.expect("it has a test result, and no statement of success",
                   "test-result.json" in names and not {"svr.json", "equivalence.json"} & set(names), names)
    job = published(bench, bench.job())
    outputs = use(bench, job, attest_args="--name 'my app'")
    results.has("attest-args", harness.read(os.path.join(outputs["attestations"], platform, "svr.json")) if outputs else "", ['"my app"'])


def mistakes(bench):
    for what, said, inputs in (("no verifier-id", "verifier-id: expected a URI", {"verifier_id": ""}),
                               ("a word that is none", "attest-require: expected reproduced", {"attest_require": "yes"}),
                               ("an open quote", "attest-args: a quote is not closed", {"attest_args": "'"}),
                               ("no such image", "missing.tar", {"attest": "missing.tar"}),
                               ("a key that is none", "key", {"attest_key": "secret text"})):
        job = published(bench, bench.job())
        outputs = use(bench, job, **inputs)
        bench.results.expect(f"{what}: the action fails and says so", not outputs and said in job.said, job.said)
        bench.results.expect(f"{what}: no key is told", "secret text" not in job.said, job.said)
    for trap in ("$(touch trap)`touch trap`;touch trap", "' ; touch trap; '", "a\ntouch trap\n$(touch trap)"):
        sprung = []
        for name in ("attest", "verifier_id", "attest_key", "attest_require", "attest_args"):
            job = published(bench, bench.job())
            use(bench, job, **{name: trap})
            sprung += harness.must(["find", job.folder, "-name", "trap"]).splitlines()
        bench.results.same(f"{trap!r} as any of the inputs is not evaluated", [], sprung)


def keys(bench):
    results, key = bench.results, private_key(bench)
    job = published(bench, bench.job())
    outputs = use(bench, job, attest_key=key)
    results.same("signed statements", [["diff.html", "diff.json", "equivalence.json", "equivalence.sigstore.json", "svr.json",
                                        "svr.sigstore.json"]], list(files(outputs).values()), job.said)
    secret = key.splitlines()[1]
    results.expect("the key is not told", secret not in job.said)
    found = harness.run(["grep", "-rlF", "-e", secret, job.folder])[1].split()
    results.same("the key is not left on the disk", [], found)

    # What the program sees of the key: a file for its owner alone, and nothing in its arguments or its environment.
    job = published(bench, bench.job())
    seen = os.path.join(job.folder, "seen")
    spy = harness.write(os.path.join(job.folder, "spy"), f"""#!/bin/bash
for word; do if [ -e "$word" ] && grep -qs 'PRIVATE KEY' "$word"; then stat -c '%a %U' "$word" >{seen}-mode; fi; done
{{ env; printf '%s\\n' "$@"; }} >{seen}
exec {bench.restamp} "$@"
""", 0o755)
    harness.must([bench.restamp, "rewrite", "-q", "--epoch", "1700000000", "build.tar", "candidate.tar"], cwd=job.workspace)
    job.shell(f"umask 000; bash {fixtures.ROOT}/packaging/action/attest.sh",
              {"PROGRAM": spy, "CANDIDATE": "candidate.tar", "INPUT_ATTEST": "published.tar", "INPUT_VERIFIER_ID": VERIFIER,
               "INPUT_ATTEST_KEY": key}, job.workspace)
    results.same("while restamp runs, it is a file for its owner alone", "600 root", harness.read(f"{seen}-mode").strip())
    results.expect("it is in no argument and no variable", secret not in harness.read(seen))
    # Also where the program fails.
    job = bench.job()
    use(bench, job, attest="missing.tar", attest_key=key)
    results.same("a failure leaves no key", [], harness.run(["grep", "-rlF", "-e", secret, job.folder])[1].split())


def cases(place, _, results):
    bench = Bench(place.restamp, place.folder_for("action"), results)
    try:
        for case in (verdicts, mistakes, keys):
            results.group(case.__name__, case, bench)
    finally:
        bench.server.stop()
