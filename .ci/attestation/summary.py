"""`restamp verify --vsa`: what was verified as one statement, which everybody takes."""

import json
import os

import bundles
import judged
import statements
from program import Rebuilder, folder_of, read, trust
from verifying import merged

RESOURCE = "docker://example.org/app:1"
PROVENANCE = "https://slsa.dev/provenance/v1"
LEVEL = "SLSA_BUILD_REPRODUCED"


def summary(work, restamp, who, evidence):
    a, b = evidence.rebuilders[:2]
    both = trust(work, [a, b])
    files = merged(evidence.good["a"], evidence.good["b"])
    gate = Rebuilder("gate", a.key)
    read_back, path, statement = run(work, restamp, gate, evidence.pairs.one, both, files, "two of two", 0)
    if read_back is None:
        return
    predicate = read_back["predicate"]
    work.same("VSA: type and subject", [statements.STATEMENT, statements.VSA, statements.digest(evidence.pairs.app.digest)],
              [read_back["_type"], read_back["predicateType"], read_back["subject"][0]["digest"]])
    work.same("VSA: verifier, resource, result, levels", [gate.id, RESOURCE, "PASSED", ["RESTAMP_REPRODUCED_2_OF_2"]],
              [predicate["verifier"]["id"], predicate["resourceUri"], predicate["verificationResult"], predicate["verifiedLevels"]])
    work.same("VSA: the policy is trust.toml", statements.digest(bundles.sha256(read(both))), predicate["policy"]["digest"])
    counted = {bundles.sha256(data) for data in files.values()}
    named = {one["digest"]["sha256"] for one in predicate["inputAttestations"]}
    work.same("VSA: the bundles that count, each with its digest", counted, named)
    judged.accepts(work, who, "VSA", path, a.key, evidence.pairs.app.digest, statement)

    read_back, _, _ = run(work, restamp, gate, evidence.pairs.one, both, evidence.good["a"], "one of two", 1)
    if read_back:
        predicate = read_back["predicate"]
        work.same("VSA of a failure", ["FAILED", ["FAILED"]], [predicate["verificationResult"], predicate["verifiedLevels"]])
    levels(work, restamp, gate, evidence, both, files)


def run(work, restamp, gate, target, trusted, files, name, status):
    """The statement that a run wrote, the file of its bundle, and its bytes; the key decides which of both is written."""
    folder, given = folder_of(work, "vsa", {}), folder_of(work, "bundles", files)
    plain, bundle = (os.path.join(folder, each) for each in ("vsa.json", "vsa.sigstore.json"))
    for path, with_key in ((plain, []), (bundle, ["--key", gate.key.private])):
        done = restamp.verify(target, trusted, given, more=[
            "--vsa", path, "--verifier-id", gate.id, "--resource-uri", RESOURCE, "--at", statements.TIME, *with_key])
        if not restamp.ends(f"--vsa, {name}: {status}", done, status):
            return None, None, None
    statement = read(plain)
    work.same(f"--vsa, {name}: with a key, the bundle that the maker has made", bundles.compact(bundles.bundle(statement, gate.key)),
              read(bundle))
    return json.loads(statement), bundle, statement


def levels(work, restamp, gate, evidence, both, files):
    """SLSA's level is for two operators who each say how they have built; restamp's own is for all others."""
    a, b = evidence.rebuilders[:2]
    for name, signers, has_level in (("one provenance", [a], False), ("two provenances of one operator", [a, a], False),
                                     ("a provenance of each operator", [a, b], True)):
        made = {f"{number}-provenance.sigstore.json": provenance(one, number, evidence.pairs.app.digest)
                for number, one in enumerate(signers)}
        read_back, _, _ = run(work, restamp, gate, evidence.pairs.one, both, files | made, name, 0)
        if read_back:
            work.same(f"VSA with {name}: {LEVEL}", has_level, LEVEL in read_back["predicate"]["verifiedLevels"])
    made = {f"{one.operator}-provenance.sigstore.json": provenance(one, 0, statements.OTHER) for one in (a, b)}
    read_back, _, _ = run(work, restamp, gate, evidence.pairs.one, both, files | made, "provenances of another image", 0)
    if read_back:
        work.same(f"VSA with provenances of another image: {LEVEL}", False, LEVEL in read_back["predicate"]["verifiedLevels"])


def provenance(rebuilder, number, subject):
    """A signed SLSA provenance, as little as its specification lets one say."""
    statement = statements.statement(PROVENANCE, {
        "buildDefinition": {"buildType": "https://example.org/build/v1", "externalParameters": {"run": number}, "resolvedDependencies": []},
        "runDetails": {"builder": {"id": rebuilder.id}},
    }, subject)
    return bundles.compact(bundles.bundle(bundles.compact(statement), rebuilder.key))
