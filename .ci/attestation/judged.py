"""The verifiers that others wrote: on bundles of the maker, and on those of `restamp attest`."""

import os

import bundles
import forgeries
import mutations
import statements
import verifiers

FORGERIES = {"svr": forgeries.SVR, "equivalence": forgeries.EQUIVALENCE, "test-result": forgeries.TEST_RESULT}


def accepts(work, who, name, path, key, subject, statement):
    """Every verifier accepts this bundle and gives back the bytes of its statement; in-toto-attestation takes these."""
    for verifier in who:
        verdict = verifier.judge(path, key, subject)
        work.check(f"{name}: {verifier.name} accepts it, and returns the statement", verdict.accepted and verdict.statement == statement,
                   verdict if not verdict.accepted else "it returns other bytes")
    against = verifiers.in_toto(statement)
    work.check(f"{name}: in-toto-attestation takes the statement", against is None, against)


def mutated(work, who, name, made, keys, subject):
    """Each verifier rejects each change of a bundle that it covers, and none for a change that it does not see."""
    for mutation in [*mutations.REJECTED, *mutations.HARMLESS]:
        path = work.file("mutated", mutation.apply(made, keys))
        verdicts = {verifier.name: verifier.judge(path, keys[mutation.with_key], subject) for verifier in who}
        wrong = [f"{by}: {verdict}" for by, verdict in verdicts.items() if verdict.accepted != (by in mutation.accepted_by)]
        rejecting = len(verdicts) - sum(verdict.accepted for verdict in verdicts.values())
        work.check(f"{name}, {mutation.name}: {rejecting} of {len(verdicts)} reject it", not wrong, "\n".join(wrong))


def forged(work, name, statement, more):
    """What of a statement in-toto-attestation judges."""
    wrong = []
    for forgery in [*forgeries.ANY, *more]:
        against = verifiers.in_toto(forgery.apply(statement))
        if (against is not None) != forgery.in_toto:
            wrong.append(f"{forgery.name}: {against}")
    refused = sum(forgery.in_toto for forgery in [*forgeries.ANY, *more])
    work.check(f"{name}: in-toto-attestation refuses {refused} of {len(forgeries.ANY) + len(more)} forgeries", not wrong, "\n".join(wrong))


def reference(work, who, keys):
    """The verifiers judge, so that what they say of restamp's bundles means something."""
    subject = statements.SUBJECT
    for name, statement in statements.all_of_them().items():
        made = bundles.bundle(statement, keys[0])
        accepts(work, who, f"reference {name}", work.file(name, bundles.compact(made)), keys[0], subject, statement)
    mutated(work, who, "reference", bundles.bundle(statements.all_of_them()["svr"], keys[0]), keys, subject)
    for name, make in (("svr", statements.svr), ("equivalence", statements.equivalence), ("test-result", statements.test_result)):
        forged(work, f"reference {name}", make(), FORGERIES[name])
    by_subject(work, who, keys)


def by_subject(work, who, keys):
    path = work.file("svr", bundles.compact(bundles.bundle(statements.all_of_them()["svr"], keys[0])))
    for verifier in who:
        if isinstance(verifier, verifiers.Timestamped):
            work.check(f"{verifier.name} rejects a good bundle about another image",
                       not verifier.judge(path, keys[0], statements.OTHER).accepted)
            work.check(f"{verifier.name} rejects a bundle without a log entry or a timestamp, whatever is asked of it",
                       "timestamp" in verifier.judge_as_it_is(path, keys[0], statements.SUBJECT).reason)


def issued(work, who, rebuilder, out, expected):
    """What `restamp attest` wrote into a folder, by image: the files of a verdict, and each bundle as everybody has to take it.
    `expected` is the digest of each platform and the names of the statements."""
    digests, names = expected
    folders = sorted(os.listdir(out))
    work.same(f"folders in {os.path.basename(out)}", sorted(platform.replace("/", "-") for platform in digests), folders)
    for platform, digest in digests.items():
        folder = os.path.join(out, platform.replace("/", "-"))
        if not os.path.isdir(folder):
            continue
        files = {"diff.json", "diff.html"} | {name + kind for name in names for kind in (".json", ".sigstore.json")}
        work.same(f"files of {platform}", sorted(files), sorted(os.listdir(folder)))
        for name in names:
            issued_one(work, who, rebuilder, os.path.join(folder, name), platform, digest)


def issued_one(work, who, rebuilder, path, platform, digest):
    name = f"{platform} {os.path.basename(path)}"
    with open(path + ".json", "rb") as file:
        statement = file.read()
    with open(path + ".sigstore.json", "rb") as file:
        bundle = file.read()
    read = bundles.parsed(statement)
    subject = [{"name": statements.NAME, "digest": statements.digest(digest), "annotations": {"platform": platform}}]
    work.same(f"{name}: type, subject and predicate's type", [statements.STATEMENT, subject, statements.TYPES[os.path.basename(path)]],
              [read.get("_type"), read.get("subject"), read.get("predicateType")])
    work.same(f"{name}: compact, members in order", (["_type", "subject", "predicateType", "predicate"], bundles.compact(read)),
              (list(read), statement))
    work.same(f"{name}: the bundle has the bytes that the maker's has", bundles.compact(bundles.bundle(statement, rebuilder.key)), bundle)
    accepts(work, who, name, path + ".sigstore.json", rebuilder.key, digest, statement)
