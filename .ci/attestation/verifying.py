"""`restamp verify`: what counts, what does not and why, and that nothing which is withheld makes it pass."""

import concurrent.futures
import itertools
import json
import os

import bundles
import forgeries
import judged
import mutations
from program import Rebuilder, folder_of, read, trust

# A bundle that does not count has a line that begins with this.
IGNORED = "^ignored: "


def because(why):
    """Such a line, with a pattern in what it says after the name of the file."""
    return IGNORED + rf".*\.sigstore\.json: .*({why})"


class Evidence:
    """The bundles of every operator about the images of the checks, by name, as attest and the maker made them."""

    def __init__(self, restamp, rebuilders, pairs):
        self.rebuilders, self.pairs = rebuilders, pairs
        self.statements = {}
        self.good, self.later, self.after, self.failed, self.warned = ({} for _ in range(5))
        for one in rebuilders:
            for kind, target, candidate in (("good", pairs.one, pairs.one), ("later", pairs.again, pairs.again),
                                            ("after", pairs.one, pairs.again), ("failed", pairs.one, pairs.changed),
                                            ("warned", pairs.one, pairs.logged)):
                _, out = restamp.attest(target, candidate, one)
                folder = os.path.join(out, "linux-amd64")
                names = [name for name in sorted(os.listdir(folder)) if name.endswith(".sigstore.json")]
                getattr(self, kind)[one.operator] = {f"{one.operator}-{kind}-{name}": read(folder, name) for name in names}
        first = rebuilders[0].operator
        for name in ("svr", "equivalence"):
            self.statements[name] = bundles.statement_of(json.loads(self.good[first][f"{first}-good-{name}.sigstore.json"]))
        self.statements["test-result"] = bundles.statement_of(json.loads(self.failed[first][f"{first}-failed-test-result.sigstore.json"]))


def merged(*folders):
    return {name: data for folder in folders for name, data in folder.items()}


class Scenarios:
    """Runs of `verify` against one image; those that fail are remembered, with what they were given."""

    def __init__(self, work, restamp, evidence):
        self.work, self.restamp, self.evidence = work, restamp, evidence
        self.failures = []

    def run(self, name, files, trusted, status, *patterns, target=None, more=(), may_pass=False):
        target = target or self.evidence.pairs.one
        done = self.restamp.verify(target, trusted, folder_of(self.work, "bundles", files), more=more)
        self.restamp.ends(f"{name}: {status}", done, status, *patterns)
        if status != 0 and not may_pass:
            self.failures.append((name, files, trusted, target, more))
        return done

    def withheld(self):
        """Every subset of what made a run fail makes it fail."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            for name, files, trusted, target, more in self.failures:
                subsets = [some for size in range(len(files)) for some in itertools.combinations(sorted(files), size)]

                def status(some):
                    folder = folder_of(self.work, "some", {each: files[each] for each in some})
                    return self.restamp.verify(target, trusted, folder, more=more).status
                passing = [some for some, ended in zip(subsets, threads.map(status, subsets)) if ended == 0]
                self.work.check(f"{name}: nothing that is withheld makes it pass ({len(subsets)} ways)", not passing, passing)


def operators(scenarios):
    """Who counts, and how often."""
    evidence, work = scenarios.evidence, scenarios.work
    a, b, c = evidence.rebuilders[:3]
    good = evidence.good
    both = trust(work, [a, b])
    scenarios.run("two operators of two", merged(good["a"], good["b"]), both, 0, "2 of 2|a.*b")
    scenarios.run("one operator of two", good["a"], both, 1, "1 of 2|1 operator")
    scenarios.run("no bundle at all", {}, both, 1, "0 of 2|no ")
    shared = Rebuilder("b", a.key)
    scenarios.run("one key of two operators is an error", good["a"], trust(work, [a, shared]), 2, "key|single|operator")
    second = Rebuilder("a", b.key, a.id)
    second_files = signed_again(good["a"], b.key, "second")
    scenarios.run("two keys of one operator count once", merged(good["a"], second_files), trust(work, [a, second, c]), 1,
                  "1 of 2|1 operator")
    scenarios.run("a threshold that nobody can reach is an error", good["a"], trust(work, [a], threshold=2), 2, "threshold")
    scenarios.run("an operator that is trusted no more", merged(good["a"], good["b"]), trust(work, [a, c]), 1, "1 of 2|1 operator", IGNORED)
    stranger = signed_again(good["a"], b.key, "as-a")
    scenarios.run("the URI of one operator with the key of another", stranger, trust(work, [a, b], threshold=1), 1, IGNORED)
    scenarios.run("three operators where two are enough", merged(good["a"], good["b"], good["c"]), trust(work, [a, b, c]), 0)


def signed_again(files, key, name):
    return {f"{name}-{old}": bundles.compact(bundles.bundle(bundles.statement_of(json.loads(data)), key)) for old, data in files.items()}


def about_the_image(scenarios):
    """The statement is about the image that is there, and about nothing else."""
    evidence, work = scenarios.evidence, scenarios.work
    a, b = evidence.rebuilders[:2]
    good, pairs, both = evidence.good, evidence.pairs, trust(work, [a, b])
    files = merged(good["a"], good["b"])
    scenarios.run("an image with a file changed", files, both, 1, IGNORED, target=pairs.changed)
    scenarios.run("the same build later", files, both, 1, IGNORED, target=pairs.again)
    scenarios.run("a damaged image is an error", files, both, 2, "digest|match", target=pairs.damaged)
    scenarios.run("a replayed statement, about another image", merged(good["a"], evidence.later["b"]), both, 1, IGNORED)
    files = merged(evidence.after["a"], evidence.after["b"])
    scenarios.run("after restamping, where identical is asked for", files, both, 1, "after.restamping|identical")
    either = trust(work, [a, b], accept=("identical", "after-restamping"))
    scenarios.run("after restamping, where that is enough", files, either, 0, "after.restamping")
    scenarios.run("identical, where after restamping is enough", merged(good["a"], good["b"]), either, 0)


def both_statements(scenarios):
    """An equivalence needs an SVR of the same key beside it."""
    evidence = scenarios.evidence
    svr, equivalence = ({operator: {name: data for name, data in files.items() if kind in name}
                         for operator, files in evidence.good.items()} for kind in ("-svr", "-equivalence"))
    any_one = trust(scenarios.work, evidence.rebuilders[:2], threshold=1)
    scenarios.run("an equivalence alone", equivalence["a"], any_one, 1)
    scenarios.run("an SVR alone", svr["a"], any_one, 1)
    scenarios.run("an SVR of one operator, an equivalence of another", merged(svr["a"], equivalence["b"]), any_one, 1)
    scenarios.run("both of one operator", merged(svr["a"], equivalence["a"]), any_one, 0)


def dissent(scenarios):
    """Somebody trusted found a difference: shown, and blocking only where that is asked for."""
    evidence, work = scenarios.evidence, scenarios.work
    a, b, c = evidence.rebuilders[:3]
    agreeing = merged(evidence.good["a"], evidence.good["b"])
    shown = trust(work, [a, b, c])
    blocking = trust(work, [a, b, c], no_dissent=True)
    for kind, files in (("FAILED", evidence.failed["c"]), ("WARNED", evidence.warned["c"])):
        scenarios.run(f"dissent ({kind}) is shown", merged(agreeing, files), shown, 0, f"dissent.*|{kind}")
        # What is withheld here is the dissent itself: verify can't know of it, so that this one may pass.
        scenarios.run(f"dissent ({kind}) with no_dissent", merged(agreeing, files), blocking, 1, "dissent", may_pass=True)
    scenarios.run("no dissent with no_dissent", agreeing, blocking, 0)
    scenarios.run("dissent of somebody who is not trusted", merged(agreeing, evidence.failed["c"]),
                  trust(work, [a, b], no_dissent=True), 0, IGNORED)
    key = c.key
    for forgery in [*forgeries.ANY, *forgeries.TEST_RESULT]:
        data = bundles.compact(bundles.bundle(forgery.apply(json.loads(evidence.statements["test-result"])), key))
        scenarios.run(f"forged test-result, {forgery.name}", merged(agreeing, {"forged.sigstore.json": data}), blocking, 0, IGNORED)


def age(scenarios):
    evidence, work = scenarios.evidence, scenarios.work
    a, b = evidence.rebuilders[:2]
    files = merged(evidence.good["a"], evidence.good["b"])
    limited = trust(work, [a, b], max_age="90d")
    scenarios.run("30 days old of 90", files, limited, 0, more=("--at", "2026-12-01T00:00:00Z"))
    scenarios.run("a day too old", files, limited, 1, because("old"), more=("--at", "2027-01-31T00:00:01Z"))
    scenarios.run("made later than now", files, limited, 1, because("later"), more=("--at", "2026-10-31T23:59:59Z"))
    scenarios.run("no limit of the age", files, trust(work, [a, b]), 0, more=("--at", "2036-12-01T00:00:00Z"))
    scenarios.run("a malformed --at", files, limited, 2, "--at|time", more=("--at", "tomorrow"))


def sources(scenarios):
    """Files, folders, and what else is in them."""
    evidence, work, restamp = scenarios.evidence, scenarios.work, scenarios.restamp
    a, b = evidence.rebuilders[:2]
    both = trust(work, [a, b])
    folders = [folder_of(work, name, evidence.good[name]) for name in ("a", "b")]
    one = evidence.pairs.one
    restamp.ends("two folders", restamp.verify(one, both, *folders), 0)
    files = [os.path.join(folder, name) for folder in folders for name in os.listdir(folder)]
    restamp.ends("four files", restamp.verify(one, both, *files), 0)
    restamp.ends("the same folder twice counts once", restamp.verify(one, both, folders[0], folders[0]), 1)
    _, out = restamp.attest(one, one, a)
    restamp.ends("what attest has written, as it is", restamp.verify(one, trust(work, [a], threshold=1), out), 0)
    junk = {"junk.sigstore.json": b"{}", "large.sigstore.json": b" " * (5 << 20), "text.sigstore.json": b"hello\n"}
    scenarios.run("a folder with what is no bundle", merged(evidence.good["a"], evidence.good["b"], junk), both, 0, IGNORED, "junk",
                  "large")
    scenarios.run("a folder that is not there is an error", {}, both, 2, more=("--from", "/nowhere"))
    many = {f"{number}.sigstore.json": b"{}" for number in range(1001)}
    restamp.ends("more bundles than are read are an error", restamp.verify(one, both, folder_of(work, "many", many)), 2, "1000")
    done = restamp.verify(one, both, *folders, more=("--json",))
    restamp.ends("--json", done, 0, screen=False)
    try:
        bundles.parsed(done.stdout)
        is_json = True
    except ValueError:
        is_json = False
    work.check("--json prints JSON", is_json, done.stdout[:500])


def platforms(scenarios):
    """Each platform has to be reproduced."""
    evidence, work, restamp = scenarios.evidence, scenarios.work, scenarios.restamp
    a, pairs = evidence.rebuilders[0], evidence.pairs
    any_one = trust(work, [a], threshold=1)
    _, out = restamp.attest(pairs.two, pairs.two, a)
    files = {platform: {f"{platform}-{name}": read(out, platform, name) for name in os.listdir(os.path.join(out, platform))
                        if name.endswith(".sigstore.json")} for platform in ("linux-amd64", "linux-arm64")}
    scenarios.run("two platforms", merged(*files.values()), any_one, 0, "amd64", "arm64", target=pairs.two)
    scenarios.run("one platform of two", files["linux-amd64"], any_one, 1, "arm64", target=pairs.two)
    scenarios.run("the one that is asked for", files["linux-amd64"], any_one, 0, target=pairs.two, more=("--platform", "linux/amd64"))
    scenarios.run("the other one", files["linux-amd64"], any_one, 1, target=pairs.two, more=("--platform", "linux/arm64"))


def ed25519(scenarios, key):
    """A key of another kind, which `verify` takes and `attest` does not."""
    evidence, work = scenarios.evidence, scenarios.work
    a = evidence.rebuilders[0]
    other = Rebuilder(a.operator, key, a.id)
    files = signed_again(evidence.good["a"], key, "ed25519")
    scenarios.run("a key of Ed25519", files, trust(work, [other], threshold=1), 0)
    scenarios.run("a signature of Ed25519 by another key", files, trust(work, [a], threshold=1), 1, IGNORED)


def mutated(scenarios):
    """What is done to a bundle on its way."""
    evidence, work = scenarios.evidence, scenarios.work
    a, b = evidence.rebuilders[:2]
    keys, any_one = (a.key, b.key), trust(work, [a], threshold=1)
    for name in ("svr", "equivalence"):
        path = f"a-good-{name}.sigstore.json"
        for mutation in [*mutations.REJECTED, *mutations.HARMLESS]:
            made = json.loads(evidence.good["a"][path])
            if mutation.with_key:
                made = bundles.bundle(bundles.statement_of(made), b.key)
            files = evidence.good["a"] | {path: mutation.apply(made, keys)}
            patterns = (because(mutation.why),) if mutation.why else ()
            scenarios.run(f"{name}, {mutation.name}", files, any_one, 1 if mutation.why else 0, *patterns)


def forged(scenarios):
    """What is wrong in a statement, though it is signed with a trusted key."""
    evidence, work = scenarios.evidence, scenarios.work
    a = evidence.rebuilders[0]
    any_one = trust(work, [a], threshold=1)
    for name in ("svr", "equivalence"):
        path = f"a-good-{name}.sigstore.json"
        for forgery in [*forgeries.ANY, *judged.FORGERIES[name]]:
            data = forgery.apply(json.loads(evidence.statements[name]))
            files = evidence.good["a"] | {path: bundles.compact(bundles.bundle(data, a.key))}
            scenarios.run(f"forged {name}, {forgery.name}", files, any_one, 1, because(forgery.why))


def everything(work, restamp, evidence, key):
    scenarios = Scenarios(work, restamp, evidence)
    for group in (operators, about_the_image, both_statements, dissent, age, sources, platforms, mutated, forged):
        work.section(f"verify: {group.__name__.replace('_', ' ')}")
        group(scenarios)
    ed25519(scenarios, key)
    work.section("verify: withheld bundles")
    scenarios.withheld()
