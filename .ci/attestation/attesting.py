"""`restamp attest`: a folder of statements for each verdict, judged by everybody."""

import json
import os

import bundles
import images
import judged
import statements
from program import read

REPRODUCED = ("svr", "equivalence")
NOT_REPRODUCED = ("test-result",)


def cases(pairs, data, shared):
    """Name, target, candidate, options, exit status, names of the statements, and what `equal` or `result` has to be."""
    policy = ["--policy", pairs.policy]
    yield "identical", pairs.one, pairs.one, [], 0, REPRODUCED, "identical"
    yield "after restamping", pairs.one, pairs.again, [], 0, REPRODUCED, "after-restamping"
    yield "accepted", pairs.one, pairs.changed, policy, 1, NOT_REPRODUCED, "WARNED"
    yield "explainable", pairs.one, pairs.logged, [], 1, NOT_REPRODUCED, "WARNED"
    yield "different", pairs.one, pairs.changed, [], 1, NOT_REPRODUCED, "FAILED"
    yield "two platforms", pairs.two, pairs.two_again, [], 0, REPRODUCED, "after-restamping"
    hello, rebuilt = (os.path.join(data, name) for name in ("hello.oci.tar", "hello-rebuilt.oci.tar"))
    yield "testdata", hello, rebuilt, [], 0, REPRODUCED, "after-restamping"
    yield "testdata with attestations", *[os.path.join(data, "multi.oci.tar")] * 2, [], 0, REPRODUCED, "identical"
    if shared:
        first, second = (os.path.join(shared, "corpus/buildkit", run, "in-oci-gzip.tar") for run in ("run1", "run2"))
        yield "BuildKit", first, second, [], 0, REPRODUCED, "after-restamping"
        yield "BuildKit, the same", first, first, [], 0, REPRODUCED, "identical"


def every_verdict(work, restamp, who, rebuilder, pairs, data, shared):
    for name, target, candidate, options, status, names, word in cases(pairs, data, shared):
        done, out = restamp.attest(target, candidate, rebuilder, *options)
        if not restamp.ends(f"{name}: attest ends with {status}", done, status):
            continue
        digests = images.manifests(target)
        judged.issued(work, who, rebuilder, out, (digests, names))
        for platform, digest in digests.items():
            folder = os.path.join(out, platform.replace("/", "-"))
            predicates = {each: json.loads(read(folder, each + ".json"))["predicate"] for each in names}
            if names == REPRODUCED:
                reproduced(work, f"{name} {platform}", predicates, word, digest, images.manifests(candidate)[platform], rebuilder)
            else:
                not_reproduced(work, f"{name} {platform}", predicates["test-result"], word, read(folder, "diff.json"))
        again, other = restamp.attest(target, candidate, rebuilder, *options)
        work.same(f"{name}: the same again gives the same bytes", (again.status, tree(out)), (status, tree(other)))


def tree(folder):
    """The files below a folder, as far as their bytes are signed, or what was signed names them."""
    return {os.path.relpath(os.path.join(at, name), folder): read(at, name)
            for at, _, names in os.walk(folder) for name in names if name.endswith(".json")}


def reproduced(work, name, predicates, word, target, candidate, rebuilder):
    svr, equivalence = predicates["svr"], predicates["equivalence"]
    work.same(f"{name}: who, when", (rebuilder.id, statements.TIME), (svr["verifier"]["id"], svr["timeCreated"]))
    properties = {statements.STABILIZED} | ({statements.IDENTICAL} if word == "identical" else set())
    work.same(f"{name}: properties", properties, set(svr["properties"]))
    work.same(f"{name}: equal, target, candidate", (word, statements.digest(target), statements.digest(candidate)),
              (equivalence["equal"], equivalence["target"]["digest"], equivalence["candidate"]["digest"]))
    profile = {"uri": statements.PROFILE, "digest": equivalence["stabilizer"]["digest"]}
    work.same(f"{name}: one profile in both", [profile], svr["verifier"]["policies"])


def not_reproduced(work, name, predicate, word, diff):
    work.same(f"{name}: result", word, predicate["result"])
    digest = statements.digest(bundles.sha256(diff))
    work.check(f"{name}: the configuration names diff.json", any(one.get("digest") == digest for one in predicate["configuration"]),
               predicate["configuration"])
    work.check(f"{name}: classes are named", predicate["failedTests"] if word == "FAILED" else predicate["warnedTests"], predicate)


def stabilized(work, restamp, rebuilder, pairs):
    """The stabilized digest is of the target alone, and what `rewrite` makes with the options that the statement names."""
    digests = set()
    for target, candidate in ((pairs.one, pairs.one), (pairs.one, pairs.again), (pairs.again, pairs.one)):
        _, out = restamp.attest(target, candidate, rebuilder)
        predicate = json.loads(read(out, "linux-amd64", "equivalence.json"))["predicate"]
        digests.add(predicate["stabilized"]["digest"]["sha256"])
    work.check("three attestations of two builds have one stabilized digest", len(digests) == 1, digests)
    rewritten = work.new("stabilized.tar")
    done = restamp.run("rewrite", *predicate["stabilizer"]["options"], pairs.one, "oci-archive:" + rewritten)
    if restamp.ends("rewrite takes the options of the profile", done, 0):
        work.same("and makes the image of that digest", digests, set(images.manifests(rewritten).values()))


def refusals(work, restamp, rebuilder, pairs):
    """Where `attest` is to write nothing that anybody could take for a success."""
    done, out = restamp.attest(pairs.one, pairs.again, rebuilder, "--require", "identical")
    restamp.ends("--require identical: after restamping is not enough", done, 1, "after.restamping")
    for name, target, candidate in (("target", pairs.damaged, pairs.one), ("candidate", pairs.one, pairs.damaged)):
        done, out = restamp.attest(target, candidate, rebuilder)
        restamp.ends(f"a damaged {name} is an error", done, 2, "digest|sha256|match")
        left = sorted(tree(out)) if os.path.exists(out) else []
        work.same(f"a damaged {name}: nothing is issued", [], left)
    done, _ = restamp.attest(pairs.one, pairs.two, rebuilder)
    restamp.ends("a platform of one side alone is an error", done, 2, "arm64")
    done, out = restamp.attest(pairs.one, pairs.two, rebuilder, "--platform", "linux/amd64")
    restamp.ends("--platform names one", done, 0)
    os.chmod(rebuilder.key.private, 0o644)
    done, _ = restamp.attest(pairs.one, pairs.one, rebuilder)
    os.chmod(rebuilder.key.private, 0o600)
    restamp.ends("a key that others can read is an error", done, 2, "0600|mode|permission")
    done, out = restamp.attest(pairs.one, pairs.one, rebuilder, key=False)
    restamp.ends("without a key, the command that signs is printed", done, 0, "cosign attest-blob")
    if done.status == 0:
        work.same("without a key: no bundle", sorted(["svr.json", "equivalence.json", "diff.json", "diff.html"]),
                  sorted(os.listdir(os.path.join(out, "linux-amd64"))))


def mutated(work, restamp, who, rebuilders, pairs):
    """Bundles of `attest` with something changed: every verifier and `restamp verify` reject them, or count them where the change
    says nothing."""
    first, second = rebuilders[:2]
    _, out = restamp.attest(pairs.one, pairs.one, first)
    folder = os.path.join(out, "linux-amd64")
    for name in REPRODUCED:
        made = json.loads(read(folder, name + ".sigstore.json"))
        judged.mutated(work, who, name, made, (first.key, second.key), pairs.app.digest)
    for name in REPRODUCED:
        judged.forged(work, name, json.loads(read(folder, name + ".json")), judged.FORGERIES[name])
    _, out = restamp.attest(pairs.one, pairs.changed, first)
    made = json.loads(read(out, "linux-amd64", "test-result.sigstore.json"))
    judged.mutated(work, who, "test-result", made, (first.key, second.key), pairs.app.digest)
