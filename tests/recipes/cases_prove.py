"""Runs the commands of docs/prove.md in their order: an image that is published, two operators who rebuild and sign, somebody
who verifies, and a folder of results that becomes a site."""

import base64
import json
import os
import re
import shutil
import sys
import time

import fixtures
import gitlab
import harness
import runner
import services

IMAGE = "docker://registry.example/app:1"
SUCCESS = ("svr", "equivalence")


class Bench:
    """What the cases share, and a folder and a home for each of those who take part."""

    def __init__(self, place, book, results):
        self.place, self.book, self.results = place, book, results
        project = os.path.join(place.folder_for("project"), "app")
        commit = fixtures.project(project)
        place.host_repository("app.git", project)
        self.origin, self.commit = project, commit
        self.context = f"https://git.example/app.git#{commit}"
        shared = os.path.join(place.folder_for("shared"), "results")
        harness.write(f"{shared}/README.md", "What was rebuilt, and by whom.\n")
        fixtures.commit(shared)
        place.host_repository("results.git", shared)
        self.folders, self.environments = {}, {}
        for who in ("publisher", "org", "net", "verifier", "website"):
            self.folders[who] = place.folder_for(who)
            self.environments[who] = {**place.environment(logged_in=True), "STAND_IN_CONTEXT": self.context}

    def shell(self, text, who):
        return self.place.shell(text, self.folders[who], self.environments[who])

    def ask(self, text, who):
        return self.place.must(text, self.folders[who], self.environments[who])

    def run(self, word, who, status=0):
        """A block of the page, as one of them runs it."""
        found, said = self.shell(self.book.take("run", word), who)
        self.results.same(f"{word}: exit status as {who}", status, found, said)
        return said

    def path(self, who, *parts):
        return os.path.join(self.folders[who], *parts)

    def document(self, who, *parts):
        """A JSON document that one of them has; an empty one where it is not there, which the expectations then name."""
        path = self.path(who, *parts)
        return json.loads(harness.read(path)) if os.path.exists(path) else {}


def files(bench, who, folder):
    """The names of what was written for the one platform."""
    path = bench.path(who, folder, "linux-amd64")
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def rebuild(bench):
    """From the source to two operators' statements, beside the image in the registry."""
    results = bench.results
    bench.run("prove-publish", "publisher")
    for who in ("org", "net"):
        bench.run("prove-key", who)
        results.same(f"prove-key: {who}'s key is for its owner alone", 0o600, os.stat(bench.path(who, "rebuilder.pem")).st_mode & 0o777)
    # The builds are to differ in their times.
    time.sleep(1.1)
    bench.run("prove-attest", "org")
    time.sleep(1.1)
    bench.run("prove-second", "net")
    written = ["diff.html", "diff.json", *(f"{name}.{end}" for name in SUCCESS for end in ("json", "sigstore.json"))]
    for who in ("org", "net"):
        results.same(f"{who}: what was written", sorted(written), files(bench, who, "attested"))
        results.same(f"{who}: the rebuild is the published image", "identical",
                     bench.document(who, "attested/linux-amd64/equivalence.json").get("predicate", {}).get("equal"))
        plain = bench.ask("restamp inspect --digest app/build.tar", who)
        results.expect(f"{who}: without restamp it was not", plain != bench.place.deployed("app:1", bench.environments[who]), plain)
    org, net = (bench.document(who, "attested/linux-amd64/equivalence.json").get("predicate", {}) for who in ("org", "net"))
    results.expect("both found one stabilized digest", org.get("stabilized") and org["stabilized"] == net.get("stabilized"), f"{org}\n{net}")
    results.has("prove-attest: the source is in the statement", json.dumps(org.get("inputs")),
                ["git+https://git.example/app.git", bench.context.partition("#")[2]])


def replay(bench):
    """The other ways to a statement."""
    results = bench.results
    bench.run("prove-replay", "org")
    results.same("prove-replay: not stamped, so equal after restamping alone", "after-restamping",
                 bench.document("org", "replayed/linux-amd64/equivalence.json").get("predicate", {}).get("equal"))
    shutil.copy(bench.path("org", "rebuilder.pem"), bench.path("org", "cosign.key"))
    said = bench.run("prove-cosign", "org")
    results.has("prove-cosign: restamp prints the command that signs", said, ["cosign attest-blob --statement"])
    for name in SUCCESS:
        bundle = bench.document("org", f"unsigned/linux-amd64/{name}.sigstore.json")
        results.same(f"prove-cosign: the fields of {name}.sigstore.json are those that restamp writes", shape(
            bench.document("org", f"attested/linux-amd64/{name}.sigstore.json")), shape(bundle))


def shape(value):
    """The keys of a document, without what is below them."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


def payload(bundle):
    """The statement in a bundle; an empty one where there is none."""
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"])) if bundle else {}


def verify(bench):
    results = bench.results
    harness.write(bench.path("verifier", "trust.toml"), bench.book.take("file", "trust.toml"))
    for who in ("org", "net"):
        shutil.copy(bench.path(who, "rebuilder.pub"), bench.path("verifier", f"example-{who}.pub"))
    said = bench.run("prove-verify", "verifier")
    results.has("prove-verify: names both operators", said, ["example-org", "example-net"])
    bench.ask("umask 077; openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out gate.pem", "verifier")
    bench.run("prove-vsa", "verifier")
    summary = payload(bench.document("verifier", "vsa.sigstore.json"))
    results.same("prove-vsa: a verification summary", "https://slsa.dev/verification_summary/v1", summary.get("predicateType"))
    results.same("prove-vsa: passed, by two", ("PASSED", ["RESTAMP_REPRODUCED_2_OF_2"]),
                 tuple(summary.get("predicate", {}).get(field) for field in ("verificationResult", "verifiedLevels")))

    # One operator alone is not two, whatever else is there.
    bench.ask("openssl pkey -in gate.pem -pubout -out gate.pub", "verifier")
    trust = harness.read(bench.path("verifier", "trust.toml"))
    third = '[[rebuilder]]\noperator = "third"\nid = "https://third.example/v1"\nkeys = ["gate.pub"]\n'
    for what, text in (("three of three", trust.replace("threshold = 2", "threshold = 3") + third),
                       ("one whose key is another", trust.replace("example-net.pub", "gate.pub"))):
        harness.write(bench.path("verifier", "other.toml"), text)
        status, said = bench.shell(bench.book.take("run", "prove-verify").replace("trust.toml", "other.toml"), "verifier")
        results.same(f"prove-verify: {what}: exit status", 1, status, said)


def publish(bench):
    """The folder of results, and the site."""
    results = bench.results
    for who in ("org", "net"):
        shutil.copytree(bench.path(who, "attested"), bench.path("website", who))
    for name in ("trust.toml", "example-org.pub", "example-net.pub"):
        shutil.copy(bench.path("verifier", name), bench.folders["website"])
    bench.run("prove-results", "website")
    log = harness.read(bench.path("website", "results/v1/log.jsonl")).splitlines() \
        if os.path.exists(bench.path("website", "results/v1/log.jsonl")) else []
    results.same("prove-results: the log has a line for each bundle", 4, len(log))
    results.same("prove-results: what was pushed is what is here", bench.ask("git -C results rev-parse HEAD", "website"),
                 bench.ask("git ls-remote https://git.example/results.git refs/heads/main | cut -f 1", "website"))
    # Adding it again changes nothing, and the site is the same.
    bench.ask("restamp results add results org/linux-amd64/*.sigstore.json", "website")
    results.same("prove-results: adding it twice changes nothing", "", bench.ask("git -C results status --porcelain", "website"))
    bench.ask("restamp results render results --out again && diff -r www again", "website")
    site = {os.path.join(folder, name): harness.read(os.path.join(folder, name))
            for folder, _, names in os.walk(bench.path("website", "www")) for name in names if name.endswith((".html", ".svg"))}
    results.expect("prove-results: there is a site", any(path.endswith("www/index.html") for path in site), list(site))
    loaded = [(path, found) for path, text in site.items() for found in re.findall(r'<script|(?:src|href)="https?://[^"]*', text)]
    results.same("prove-results: no script, and nothing from elsewhere", [], loaded)
    [badge] = re.findall(r"\(https://results\.example/(badge/[^)]*)\)", bench.book.take("badge", "readme"))
    badge = badge.replace("registry.example", bench.place.registry.host.replace(":", "_3a"))
    results.expect("the badge of the page is there", os.path.exists(bench.path("website", "www", badge)),
                   bench.ask("find www -name '*.svg'", "website"))
    bench.ask("sed -i '1s/identical/different/' results/v1/log.jsonl", "website")
    status, said = bench.shell("restamp results check results", "website")
    results.expect("prove-results: a line that was changed is found", status != 0, said)


def differs(bench):
    results = bench.results
    harness.write(bench.path("org", "app/app/data"), "other data\n")
    bench.ask("docker buildx build --output type=oci,dest=other.tar app", "org")
    bench.run("prove-differs", "org", status=1)
    written = files(bench, "org", "differs")
    results.expect("prove-differs: no statement of success", not any(name.startswith(SUCCESS) for name in written), written)
    results.same("prove-differs: FAILED", "FAILED",
                 bench.document("org", "differs/linux-amd64/test-result.json").get("predicate", {}).get("result"))
    results.has("prove-differs: the page names the file", harness.read(bench.path("org", "differs/linux-amd64/diff.html")),
                ["app/data"])
    # The operator who now says something else is heard.
    bench.ask(f"restamp attach {IMAGE} differs/linux-amd64/*.sigstore.json", "org")
    status, said = bench.shell(bench.book.take("run", "prove-verify"), "verifier")
    results.expect("prove-differs: verify shows the dissent, and two still agree", status == 0 and "DISSENT     example-org" in said, said)
    trust = harness.read(bench.path("verifier", "trust.toml")).replace("threshold = 2", "no_dissent = true\nthreshold = 2")
    harness.write(bench.path("verifier", "other.toml"), trust)
    status, said = bench.shell(bench.book.take("run", "prove-verify").replace("trust.toml", "other.toml"), "verifier")
    results.same("prove-differs: with no_dissent it blocks", 1, status, said)


def nightly(bench):
    """Both recipes for every night."""
    results, place = bench.results, bench.place
    # The repository of results says whom it takes results from.
    for name in ("trust.toml", "example-org.pub", "example-net.pub"):
        shutil.copy(bench.path("verifier", name), bench.path("website", "results"))
    bench.ask("cd results && git checkout -q . && git add -A && (git diff --cached --quiet || git commit -q -m trust) && git push -q", "website")
    text, name = place.local(bench.book.take("gitlab", "rebuild-nightly")), "rebuild-nightly"
    key = os.path.join(place.folder_for("variables"), "REBUILDER_KEY")
    shutil.copy(bench.path("org", "rebuilder.pem"), key)
    os.chmod(key, 0o666)
    environment = {**place.environment(), "CI_REGISTRY": place.registry.host, "CI_REGISTRY_USER": services.USER,
                   "CI_REGISTRY_PASSWORD": services.PASSWORD, "CI_REGISTRY_IMAGE": f"{place.registry.host}/app", "CI_COMMIT_SHA": bench.commit,
                   "CI_JOB_URL": "https://gitlab.example/app/-/jobs/7", "REBUILDER_KEY": key, "CI_PIPELINE_SOURCE": "push"}
    clone = place.clone(bench.origin)
    status, said = gitlab.run(text, name, clone, environment, clone)
    results.expect("nightly: not in pipelines of a push", status == 0 and not os.path.exists(f"{clone}/attested"), said)
    environment["CI_PIPELINE_SOURCE"] = "schedule"
    status, said = gitlab.run(text, name, clone, environment, clone)
    results.same("nightly: the pipeline of a schedule", 0, status, said)
    results.expect("nightly: the key is not left behind", not os.path.exists(f"{clone}/rebuilder.pem"))
    results.has("nightly: the page of the run is named", harness.read(f"{clone}/www/index.html") if status == 0 else "", [f"{place.registry.host}/app</bdi>"])
    # Another source: the pipeline fails, after it has published that.
    clone = place.clone(bench.origin)
    harness.write(f"{clone}/app/data", "other data\n")
    status, said = gitlab.run(text, name, clone, environment, clone)
    results.same("nightly: not reproduced", 1, status, said)
    log = bench.ask("cd results && git pull -q && cat v1/log.jsonl", "website").splitlines()
    results.same("nightly: that is published as well", ["identical", "FAILED"],
                 list(dict.fromkeys(json.loads(line)["verdict"] for line in log)))


def workflow(bench):
    """The workflow of the recipes, which signs keyless."""
    results, place = bench.results, bench.place
    described = runner.parse_yaml(place.local(bench.book.take("workflow", "rebuild")))
    [about] = described["jobs"].values()
    job = place.job(bench.origin, place.folder, vars={"REGISTRY_USER": services.USER}, secrets={"REGISTRY_PASSWORD": services.PASSWORD})
    [uses] = [step["uses"] for step in about["steps"] if step.get("uses", "").startswith("OWNER/restamp@")]
    fixtures.action(job.folder, uses.partition("@")[2])
    try:
        outputs = job.steps(about["steps"], {})["steps"]["restamp"]["outputs"]
    except runner.Failed as failed:
        outputs = {"failed": failed}
    results.same("rebuild: the verdict", "identical", outputs.get("verdict"), job.said)
    results.has("rebuild: the summary says it", job.summary, ["app:1: identical"])
    bundles = [name for name in os.listdir(f"{outputs.get('attestations')}/linux-amd64") if name.endswith(".sigstore.json")]
    results.same("rebuild: what was attached", ["equivalence.sigstore.json", "svr.sigstore.json"], sorted(bundles))


def examples(bench):
    """The examples of docs/predicates have the fields that are written."""
    pages = [os.path.join(fixtures.ROOT, "docs/predicates", name) for name in ("README.md", "image-equivalence-v0.1.md")]
    shown = {}
    for page in pages:
        for text in re.findall(r"```json\n(.*?)\n```", harness.read(page), re.S):
            example = json.loads(text)
            shown[example["predicateType"]] = example
    for path in ("attested/linux-amd64/svr.json", "attested/linux-amd64/equivalence.json", "differs/linux-amd64/test-result.json"):
        written = bench.document("org", path)
        example = shown.get(written.get("predicateType"), {})
        # Whatever is in these depends on the images, and a run is named on request.
        for document in (written, example):
            for free in ("differences", "run", "url", "inputs", "configuration", "failedTests", "warnedTests"):
                if free in document.get("predicate", {}):
                    document["predicate"][free] = type(document["predicate"][free])()
        for free in ("run", "url"):
            if free not in written.get("predicate", {}):
                example.get("predicate", {}).pop(free, None)
        bench.results.same(f"{os.path.basename(path)}: the example of the page has its fields", shape(written), shape(example))


def admission(bench):
    """What admission controllers would decide on these very statements."""
    files = [bench.path(who, "attested/linux-amd64/svr.json") for who in ("org", "net")]
    status, said = harness.run([sys.executable, "-B", f"{fixtures.ROOT}/packaging/kubernetes/admission/validate.py",
                                *(word for file in files for word in ("--svr", file))])
    bench.results.expect("admission: every policy decides as it says", status == 0 and ", 0 failed" in said, said)


def cases(place, book, results):
    bench = Bench(place, book, results)
    for case in (rebuild, replay, verify, publish, nightly, workflow, admission, differs, examples):
        results.group(case.__name__, case, bench)
