"""The action of action.yml, its steps run one by one: where the program comes from, which epoch, the cache, the outputs,
inputs that try to be commands, and what a failure leaves."""

import json
import os
import shutil

import fixtures
import harness
import runner


class Bench:
    """One runner for each test, and what they share."""

    def __init__(self, restamp, folder, results):
        self.restamp, self.folder, self.results = restamp, folder, results
        self.served = os.path.join(folder, "served")
        self.release = fixtures.release(self.served, restamp)
        self.server = fixtures.Server(self.served)
        self.template = os.path.join(folder, "template")
        fixtures.project(self.template)
        self.count = 0

    def job(self, store=None, run_id="1", environment=None, tools="", **options):
        """A runner with a repository that is checked out, an image that was built, and the action."""
        self.count += 1
        folder = os.path.join(self.folder, f"runner-{self.count}")
        workspace = os.path.join(folder, "app")
        shutil.copytree(self.template, workspace)
        shutil.copy(os.path.join(fixtures.ROOT, "testdata/hello.oci.tar"), os.path.join(workspace, "build.tar"))
        fixtures.action(folder)
        home = os.path.join(folder, "home")
        os.makedirs(home)
        base = harness.base_environment(home, f"{tools}/usr/local/bin:/usr/bin:/bin")
        stand_ins = {"actions/cache": runner.cache_stand_in(store)} if store else {}
        return runner.Job(folder, workspace, {**base, **(environment or {})}, stand_ins,
                          github={"server_url": self.server.url, "run_id": run_id}, **options)

    def use(self, job, uses="OWNER/restamp@v0", **inputs):
        """Uses the action, as a step of a workflow does: its outputs, or None if it failed."""
        step = {"id": "restamp", "uses": uses, "with": {name.replace("_", "-"): value for name, value in inputs.items()}}
        try:
            outputs = job.steps([step], {})["steps"]["restamp"]["outputs"]
        except runner.Failed:
            outputs = None
        job.finish()
        return outputs

    def store(self, name):
        """A folder for the caches of a repository."""
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        return folder

    def digest(self, job, image):
        """What the image is deployed by, asked of the image itself."""
        return harness.must([self.restamp, "inspect", "--digest", image], cwd=job.workspace).strip()

    def fails(self, what, job, *said, **inputs):
        """The action fails, says so, and leaves no output and no image."""
        outputs = self.use(job, **inputs)
        self.results.expect(f"{what}: the action fails", outputs is None, job.said)
        self.results.has(f"{what}: an annotation says why", job.said, said)
        left = [name for name in os.listdir(job.workspace) if "restamped" in name or name == "out.tar"]
        self.results.same(f"{what}: no image is left", [], left)


def plain(bench):
    results, job = bench.results, bench.job()
    outputs = bench.use(job, image="build.tar") or {}
    results.same("the image goes beside", "build.restamped.tar", outputs.get("image"), job.said)
    results.same("the digest is what inspect --digest says", bench.digest(job, "build.restamped.tar"), outputs.get("digest"))
    report = json.loads(harness.read(outputs["report"]))
    results.same("the epoch is the time of the commit", fixtures.COMMITTED, report["epoch"])
    results.same("the report has the same digest", outputs["digest"], report["names"][0]["digest"]["new"])
    expected = os.path.join(job.folder, "by-hand.tar")
    harness.must([bench.restamp, "rewrite", "-q", "--epoch", str(fixtures.COMMITTED), "build.tar", expected], cwd=job.workspace)
    with open(expected, "rb") as by_hand, open(os.path.join(job.workspace, "build.restamped.tar"), "rb") as made:
        results.expect("the image is what the program makes by hand", by_hand.read() == made.read())
    job.shell("restamp check --epoch 1700000000 build.restamped.tar", {}, job.workspace)
    results.has("later steps of the job have restamp", job.said, ["nothing found"])


def images(bench):
    """Kinds of images and destinations."""
    results, testdata = bench.results, os.path.join(fixtures.ROOT, "testdata")
    for image, beside in (("hello.tar", "hello.restamped.tar"), ("hello.oci", "hello.oci.restamped"),
                          ("oci:hello.oci:latest", "oci:hello.oci.restamped"),
                          ("oci-archive:hello.oci.tar:latest", "oci-archive:hello.oci.restamped.tar")):
        job = bench.job()
        harness.must(["cp", "-r", f"{testdata}/hello.tar", f"{testdata}/hello.oci", f"{testdata}/hello.oci.tar", job.workspace])
        outputs = bench.use(job, image=image) or {}
        results.same(f"{image} goes beside", beside, outputs.get("image"), job.said)
        if outputs:
            results.same(f"{image}: the digest", bench.digest(job, beside), outputs["digest"])
    job = bench.job()
    os.mkdir(os.path.join(job.workspace, "new folder"))
    outputs = bench.use(job, image="build.tar", output="new folder/out.tar") or {}
    results.same("output", "new folder/out.tar", outputs.get("image"), job.said)
    job = bench.job()
    outputs = bench.use(job, image="build.tar", args="--in-place") or {}
    results.same("--in-place in args", ("build.tar", bench.digest(job, "build.tar")),
                 (outputs.get("image"), outputs.get("digest")), job.said)


def epochs(bench):
    results = bench.results
    job = bench.job(environment={"SOURCE_DATE_EPOCH": "1600000000"})
    outputs = bench.use(job, image="build.tar")
    results.same("SOURCE_DATE_EPOCH comes before the commit", 1_600_000_000,
                 outputs and json.loads(harness.read(outputs["report"]))["epoch"], job.said)
    job = bench.job(environment={"SOURCE_DATE_EPOCH": "1600000000"})
    outputs = bench.use(job, image="build.tar", epoch="2024-05-06T07:08:09Z")
    results.same("the input comes before both", 1_714_979_289,
                 outputs and json.loads(harness.read(outputs["report"]))["epoch"], job.said)

    # What actions/checkout makes by default: a clone of depth 1. Its one commit has its time.
    job = bench.job()
    full = job.workspace
    job.workspace = os.path.join(job.folder, "shallow")
    harness.must(["git", "clone", "-q", "--depth", "1", f"file://{full}", job.workspace])
    shutil.copy(os.path.join(full, "build.tar"), job.workspace)
    job.environment["GITHUB_WORKSPACE"] = job.workspace
    results.same("the clone is shallow", "true", fixtures.git(job.workspace, "rev-parse", "--is-shallow-repository").strip())
    outputs = bench.use(job, image="build.tar")
    results.same("a shallow clone has the same epoch", fixtures.COMMITTED,
                 outputs and json.loads(harness.read(outputs["report"]))["epoch"], job.said)

    # In a container the workspace belongs to another user than the one who runs the steps.
    job = bench.job()
    harness.must(["chown", "-R", "12345:12345", job.workspace])
    status, _ = harness.run(["git", "-C", job.workspace, "log", "-1"], env=job.environment)
    results.expect("git refuses a repository of another user", status != 0)
    results.expect("the action takes the commit of the workspace all the same", bench.use(job, image="build.tar"), job.said)

    job = bench.job()
    shutil.rmtree(os.path.join(job.workspace, ".git"))
    bench.fails("no repository", job, "::error title=restamp::epoch: ", "actions/checkout", "not a git repository",
                image="build.tar")
    job = bench.job()
    shutil.rmtree(os.path.join(job.workspace, ".git"))
    fixtures.git(job.workspace, "init", "-q", "-b", "main")
    bench.fails("a repository without a commit", job, "::error title=restamp::epoch: ", "no commit", image="build.tar")
    bench.fails("milliseconds as the epoch", bench.job(), "milliseconds", image="build.tar", epoch="1700000000000")
    bench.fails("a word as the epoch", bench.job(), "--epoch", image="build.tar", epoch="yesterday")


def caches(bench):
    """Two runs of a workflow with a store of caches between them."""
    results, store = bench.results, bench.store("store")

    def layers(job, outputs):
        return json.loads(harness.read(outputs["report"]))["layers"] if outputs else job.said

    first = bench.job(store, "101")
    outputs = bench.use(first, image="build.tar", cache="true", args="--verbose")
    results.same("the first run has no hits", 0, sum(layer["cache"]["hits"] for layer in layers(first, outputs)), first.said)
    results.has("the first run saves its cache", first.said, ["Cache saved with key: restamp-0"])
    second = bench.job(store, "102")
    again = bench.use(second, image="build.tar", cache="true", args="--verbose")
    found = [(layer["cache"]["hits"], layer["cache"]["chunks"]) for layer in layers(second, again)]
    results.expect("all chunks of the second run come from the cache",
                   found and all(hits == chunks > 0 for hits, chunks in found), f"{found}\n{second.said}")
    results.has("the summary says so", second.said, ["Cache restored from key: restamp-0", "from the cache"])
    results.same("the digest is the same", outputs["digest"], again["digest"])
    results.same("each run has a key of its own", 2, len(os.listdir(store)))
    third = bench.job(store, "103")
    bench.use(third, image="build.tar", output="other.tar", cache="my cache", cache_max="1M")
    results.has("a folder; another image starts from the newest cache", third.said, ["Cache restored", "Cache saved"])
    results.expect("the folder is in the workspace", os.path.exists(os.path.join(third.workspace, "my cache/CACHEDIR.TAG")))
    fourth = bench.job(store, "104")
    bench.use(fourth, image="build.tar", cache="true", epoch="nonsense")
    results.same("a run that fails saves nothing", 3, len(os.listdir(store)), fourth.said)
    off = bench.job()
    results.expect("no cache by default, and no action for it", bench.use(off, image="build.tar"), off.said)
    bench.fails("a pattern as the folder", bench.job(store), "cache: expected true, false or a folder",
                image="build.tar", cache="a*")
    bench.fails("a cache of somebody else", bench.job(bench.store("empty")), "app", image="build.tar", cache="app")


def hostile(bench):
    """Inputs that would be commands if any of them became part of one."""
    results = bench.results
    traps = ["$(touch trap)`touch trap`;touch trap", "' ; touch trap; '", '" ; touch trap; "', "a\ntouch trap\n$(touch trap)"]
    store = bench.store("traps")
    for trap in traps:
        sprung = []
        for name in ("image", "output", "epoch", "args", "cache", "cache-max", "version"):
            job = bench.job(store)
            inputs = {"image": "build.tar", name: trap}
            if name == "image":
                shutil.copy(os.path.join(job.workspace, "build.tar"), os.path.join(job.workspace, trap.replace("/", "_")))
            bench.use(job, **inputs)
            sprung += harness.must(["find", job.folder, "-name", "trap"]).splitlines()
            shutil.rmtree(job.folder)
        results.same(f"{trap!r} as any of the inputs is not evaluated", [], sprung)
    job = bench.job()
    name = "an image; $(touch trap) 'x'.tar"
    os.rename(os.path.join(job.workspace, "build.tar"), os.path.join(job.workspace, name))
    outputs = bench.use(job, image=name, output="it's \"new\".tar",
                        args="--compression 'gzip' --compression-level \"6\" --time-key '$(touch trap) *' -v") or {}
    results.same("blanks and quotes in names", "it's \"new\".tar", outputs.get("image"), job.said)
    results.same("the digest is that of the file", bench.digest(job, "it's \"new\".tar"), outputs.get("digest"))
    job = bench.job()
    os.rename(os.path.join(job.workspace, "build.tar"), os.path.join(job.workspace, "two\nlines.tar"))
    outputs = bench.use(job, image="two\nlines.tar") or {}
    results.same("a line end in a name", "two\nlines.restamped.tar", outputs.get("image"), job.said)
    bench.fails("an open quote in args", bench.job(), "a quote is not closed", image="build.tar", args="--name 'x")


def failures(bench):
    bench.fails("an option that is none", bench.job(), "unexpected argument '--nonsense'", image="build.tar", args="--nonsense")
    bench.fails("no such image", bench.job(), "missing.tar", image="missing.tar")
    bench.fails("an image in a registry", bench.job(), "output: say where", image="docker://registry.example/app:1")
    job = bench.job()
    with open(os.path.join(job.workspace, "build.tar"), "r+b") as image:
        image.truncate(5000)
    bench.fails("an image that ends early", job, "build.tar", image="build.tar", output="out.tar")
    job = bench.job()
    harness.write(os.path.join(job.workspace, "out.tar"), "as before")
    bench.use(job, image="missing.tar", output="out.tar")
    bench.results.same("a failure leaves what was there", "as before", harness.read(os.path.join(job.workspace, "out.tar")))


def programs(bench):
    """Where the program comes from."""
    results = bench.results
    job = bench.job(arch="X86")
    bench.fails("another architecture", job, "no release for runners of the architecture X86", image="build.tar")
    job = bench.job(arch="ARM64")
    bench.fails("no program for the architecture", job, "can't be downloaded", image="build.tar")
    bench.fails("no such release", bench.job(), "there is no release of restamp 9.9.9", image="build.tar", version="v9.9.9")
    job = bench.job()
    results.expect("version", bench.use(job, image="build.tar", version=f"v{fixtures.VERSION}"), job.said)
    job = bench.job()
    job.runner["os"] = job.environment["RUNNER_OS"] = "Windows"
    bench.fails("another system", job, "runs on Linux, not on Windows", image="build.tar")
    fixtures.release(bench.served, bench.restamp, "8.8.8", "aarch64")
    job = bench.job(arch="ARM64")
    results.expect("ARM64 takes the program for aarch64", bench.use(job, image="build.tar", version="8.8.8"), job.said)
    without_curl = fixtures.some_programs(os.path.join(bench.folder, "some"), "wget")
    job = bench.job()
    job.path = without_curl
    results.expect("wget does where there is no curl", bench.use(job, image="build.tar"), job.said)
    os.remove(os.path.join(without_curl, "wget"))
    job = bench.job()
    job.path = without_curl
    bench.fails("neither curl nor wget", job, "curl or wget is needed", image="build.tar")
    checksums(bench)
    checkouts(bench)


def checksums(bench):
    """What SHA256SUMS of the release says of the archive."""
    name = f"restamp-{fixtures.VERSION}-x86_64-linux.tar.gz"
    sums = os.path.join(bench.release, "SHA256SUMS")
    kept = harness.read(sums)
    another = kept.replace(kept.splitlines()[1][:8], "01234567")
    for what, text, said in (("another digest", another, f"{name} is not what SHA256SUMS"),
                             ("no digest", kept.splitlines()[0] + "\n", "not exactly one digest"),
                             ("two digests", kept + another, "not exactly one digest")):
        harness.write(sums, text)
        bench.fails(what, bench.job(), said, image="build.tar")
    harness.write(sums, kept)


def checkouts(bench):
    """`uses: ./`. cargo is a stand-in that takes the program which is tested, so that nothing is compiled here."""
    results = bench.results
    tools = os.path.join(bench.folder, "tools")
    fixtures.cargo(tools, bench.restamp)
    job = bench.job(tools=f"{tools}:")
    shutil.copytree(fixtures.action(job.folder + "/source"), job.workspace, dirs_exist_ok=True)
    outputs = bench.use(job, uses="./", image="build.tar")
    results.expect("uses: ./ builds what is checked out", outputs, job.said)
    results.has("by cargo, with the lock file", job.said, ["build --locked --release", f"{job.workspace}/Cargo.toml"])
    job = bench.job()
    job.path = fixtures.some_programs(os.path.join(bench.folder, "without-cargo"))
    shutil.copytree(fixtures.action(job.folder + "/source"), job.workspace, dirs_exist_ok=True)
    bench.fails("uses: ./ without cargo", job, "cargo is needed", uses="./", image="build.tar")
    job = bench.job(tools=f"{tools}:")
    shutil.copytree(fixtures.action(job.folder + "/source"), job.workspace, dirs_exist_ok=True)
    bench.fails("uses: ./ with a version", job, "OWNER/REPO@REF", uses="./", image="build.tar", version="0.1.0")

    # And by cargo itself, where it has just built the tested program of this checkout, so that nothing is left to compile.
    target = os.path.realpath(os.environ.get("CARGO_TARGET_DIR", os.path.join(fixtures.ROOT, "target")))
    if bench.restamp != os.path.join(target, "release/restamp"):
        print("skipped: uses: ./ with cargo itself, since the program is not the one that it has built here")
        results.expect("in CI it is", not os.environ.get("CI"))
        return
    job = bench.job(tools=f"{os.path.dirname(shutil.which('cargo'))}:")
    image = os.path.join(job.workspace, "build.tar")
    job.environment.update({name: os.environ.get(name, os.path.expanduser(default)) for name, default in
                            (("CARGO_HOME", "~/.cargo"), ("RUSTUP_HOME", "~/.rustup"))})
    os.symlink(target, os.path.join(job.temp, "restamp-build"))
    epoch, job.workspace = str(fixtures.COMMITTED), fixtures.ROOT
    outputs = bench.use(job, uses="./", image=image, epoch=epoch) or {}
    results.same("uses: ./ with cargo itself", bench.digest(job, f"{image.removesuffix('.tar')}.restamped.tar"),
                 outputs.get("digest"), job.said)


def words(bench):
    """The words of `args` are those that a shell makes of the same text, where nothing is to be evaluated."""
    texts = ["a b  c", " a ", "", "'a b' c", '"a b"c', r"a\ b", r'"a\"b"', r"'a\b'", r'"a\b"', r'"a\\b"', "a'b'\"c\"", "''", '""',
             "a\t b", "a\\\nb", '"a\\\nb"', "é ü", "--x='y z'", r"\'", "'a\nb'", "a#b"]
    script = 'source "$1/packaging/action/lib.sh"; split_words "$2"; printf "%s\\0" "${words[@]}"'
    for text in texts:
        ours = harness.must(["bash", "-euo", "pipefail", "-c", script, "-", fixtures.ROOT, text])
        theirs = harness.must(["bash", "-c", f'set -f; set -- {text}\nprintf "%s\\0" "$@"'])
        bench.results.same(f"words of {text!r}", theirs, ours)
    for text in ("'", '"a', "a\\"):
        status, _ = harness.run(["bash", "-euo", "pipefail", "-c", script, "-", fixtures.ROOT, text])
        bench.results.expect(f"{text!r} has no words", status != 0)
    said = harness.must(["bash", "-euo", "pipefail", "-c", script, "-", fixtures.ROOT, "$HOME `id` * ~ a;b $(id) a|b"])
    bench.results.same("nothing is evaluated", ["$HOME", "`id`", "*", "~", "a;b", "$(id)", "a|b"], said.split("\0")[:-1])


def cases(place, _, results):
    bench = Bench(place.restamp, place.folder_for("action"), results)
    try:
        for case in (words, plain, images, epochs, caches, hostile, failures, programs):
            results.group(case.__name__, case, bench)
    finally:
        bench.server.stop()
