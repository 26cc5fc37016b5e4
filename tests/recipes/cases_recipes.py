"""Runs the blocks of docs/recipes.md that are commands, with a private registry and a Docker daemon."""

import json
import os
import time

import fixtures
import gitlab
import harness
import runner
import services

CREATED = "2023-11-14T22:13:20Z"


class Bench:
    """What the cases share: the place, the book, a repository that is built from."""

    def __init__(self, place, book, results):
        self.place, self.book, self.results = place, book, results
        self.origin = os.path.join(place.folder_for("origin"), "app")
        fixtures.project(self.origin)
        self.env = place.environment(logged_in=True)

    def run(self, word, cwd, environment=None):
        """A block of the page; the exit status is expected to be 0."""
        status, said = self.place.shell(self.book.take("run", word), cwd, environment or self.env)
        self.results.expect(f"{word}: the recipe runs", status == 0, said)
        return said

    def ask(self, text, cwd):
        return self.place.must(text, cwd, self.env)

    def build(self, cwd, options=""):
        """build.tar, as another build makes it: with other times than the last one."""
        self.ask(f"docker buildx build {options} --output type=oci,dest=build.tar .", cwd)


def buildx(bench):
    results, where = bench.results, bench.place.clone(bench.origin)
    bench.run("buildx", where)
    made = bench.ask("restamp inspect --digest app.tar", where)
    results.same("buildx: the registry has the digest of restamp", made, bench.place.deployed("app:1", bench.env))
    results.same("buildx: the image was created at the time of the commit", CREATED,
                 bench.ask("skopeo inspect --format '{{.Created.Format \"2006-01-02T15:04:05Z\"}}' oci-archive:app.tar", where))
    # Somebody else builds the same commit, at another time and in another folder.
    time.sleep(1.1)
    again = bench.place.clone(bench.origin, depth=1)
    bench.run("verify", again)
    digest = "skopeo inspect --format '{{.Digest}}' oci-archive:build.tar"
    first, second = (bench.ask(digest, folder) for folder in (where, again))
    results.expect("verify: the builds themselves differ", first != second, first)
    # And another commit is found out.
    harness.write(os.path.join(again, "app/data"), "other data\n")
    status, said = bench.place.shell(bench.book.take("run", "verify"), again, bench.env)
    results.expect("verify: other content fails", status == 1, said)
    status, said = bench.place.shell(bench.book.take("run", "differs"), again, bench.env)
    results.same("differs: the exit status of a difference", 1, status, said)
    results.has("differs: names the file", said, ["app/data"])
    results.has("differs: the page too", harness.read(os.path.join(again, "report.html")), ["app/data"])


def registry(bench):
    results, where = bench.results, bench.place.clone(bench.origin)
    bench.build(where)
    bench.ask("skopeo copy --all oci-archive:build.tar docker://registry.example/app:1; rm build.tar", where)
    bench.run("registry", where)
    results.same("registry: the digest of restamp", bench.ask("restamp inspect --digest stamped.tar", where),
                 bench.place.deployed("app:1-stamped", bench.env))
    results.has("registry: what comes back is right",
                bench.ask("skopeo copy -q --all docker://registry.example/app:1-stamped oci-archive:back.tar; "
                          "restamp check --digests-only --epoch 1700000000 back.tar", where), ["nothing found"])


def base(bench):
    results, where = bench.results, bench.place.clone(bench.origin)
    bench.ask("docker buildx build --tag localhost/base:1 --output type=oci,dest=base,tar=false .", where)
    harness.write(os.path.join(where, "Dockerfile"), "FROM localhost/base:1\nCOPY app/data /more\n")
    bench.build(where)
    bench.run("base", where)
    def layers(image):
        return json.loads(bench.ask(f"skopeo inspect {image}", where))["Layers"]

    of_base, before, after = layers("oci:base"), layers("oci-archive:build.tar"), layers("oci-archive:app.tar")
    results.same("base: its layer is as it was", of_base, after[:1])
    results.expect("base: the other layer is not", before[1] != after[1], f"{before}\n{after}")
    bench.run("clamp", where)
    results.has("clamp: nothing is later than the epoch",
                bench.ask("restamp check --clamp --epoch 1700000000 app.tar", where), ["nothing found"])


def cache(bench):
    results, where = bench.results, bench.place.clone(bench.origin)
    bench.build(where)
    bench.run("cache", where)
    kept = os.path.join(bench.env["HOME"], ".cache/restamp")
    results.expect("cache: the folder is marked", os.path.exists(os.path.join(kept, "CACHEDIR.TAG")))
    digest = bench.ask("sha256sum <app.tar", where)
    bench.run("cache", where)
    results.same("cache: the same image", digest, bench.ask("sha256sum <app.tar", where))
    results.has("cache: chunks come from it",
                bench.ask("restamp rewrite -v --epoch 1700000000 --cache ~/.cache/restamp build.tar app.tar 2>&1", where),
                ["from the cache"])


def daemon(bench):
    """With a Docker daemon."""
    results, where = bench.results, bench.place.clone(bench.origin)
    docker = bench.place.start(services.Docker(bench.place.folder_for("docker")))
    environment = {**bench.env, "DOCKER_HOST": docker.host}
    load = f"docker load -q -i {fixtures.ROOT}/testdata/hello.tar; docker tag hello:1 app:1"
    bench.place.must(load, where, environment)
    ask = "docker image inspect --format '{{.Id}} {{.Created}}' app:1"
    before = bench.place.must(ask, where, environment).split()
    bench.run("daemon", where, environment)
    after = bench.place.must(ask, where, environment).split()
    results.same("daemon: the name has the new image", [CREATED, True], [after[1], before[0] != after[0]])
    results.same("daemon: other names stay", before[0],
                 bench.place.must("docker image inspect --format '{{.Id}}' hello:latest", where, environment))


def gitlab_ci(bench):
    results, store = bench.results, bench.place.folder_for("store")
    name = "build-image"
    text = bench.place.local(bench.book.take("gitlab", name))
    commit = fixtures.git(bench.origin, "rev-parse", "HEAD").strip()
    digests = []
    for attempt in ("first", "second"):
        environment = {**bench.place.environment(), "CI_REGISTRY": bench.place.registry.host, "CI_REGISTRY_USER": services.USER,
                       "CI_REGISTRY_PASSWORD": services.PASSWORD, "CI_COMMIT_SHA": commit,
                       "CI_REGISTRY_IMAGE": f"{bench.place.registry.host}/group/app-{attempt}"}
        clone = bench.place.clone(bench.origin, depth=20)
        harness.must(["git", "-C", clone, "checkout", "-q", "--detach", commit])
        status, said = gitlab.run(text, name, clone, environment, store)
        results.expect(f"GitLab: the {attempt} run", status == 0, said)
        digests.append(harness.read(os.path.join(clone, "digest")).strip())
        results.same(f"GitLab: the digest of the {attempt} run is deployed", digests[-1],
                     bench.place.deployed(f"group/app-{attempt}:{commit}", environment))
    results.same("GitLab: both runs made one digest", digests[0], digests[1])
    # The line that closes the cache is needed.
    lines = [line for line in text.splitlines(keepends=True) if "chmod" not in line]
    clone = bench.place.clone(bench.origin, depth=20)
    status, said = gitlab.run("".join(lines), name, clone, environment, store)
    results.expect("GitLab: without chmod the unpacked cache is refused", status != 0 and ".restamp-cache" in said, said)


def github(bench):
    """The workflows of the page, twice each with the same store of caches."""
    results, place = bench.results, bench.place
    contexts = {"vars": {"REGISTRY_USER": services.USER}, "secrets": {"REGISTRY_PASSWORD": services.PASSWORD}}
    store, digests = place.folder_for("caches"), []
    workflow = runner.parse_yaml(place.local(bench.book.take("workflow", "action")))
    [steps] = [job["steps"] for job in workflow["jobs"].values()]
    ref = next(step["uses"].split("@")[1] for step in steps if step.get("uses", "").startswith("OWNER/restamp@"))
    for attempt in ("first", "second"):
        job = place.job(bench.origin, store, **contexts)
        fixtures.action(job.folder, ref)
        outputs = job.steps(steps, {})["steps"]["restamp"]["outputs"]
        job.finish()
        digests.append(outputs["digest"])
        results.same(f"GitHub: the digest of the {attempt} run is deployed", outputs["digest"],
                     place.deployed(f"app:{job.github['sha']}", bench.env), job.said)
        results.has(f"GitHub: the summary of the {attempt} run names it", job.summary,
                    [f"{place.registry.host}/app@{outputs['digest']}"])
    results.same("GitHub: both runs made one digest", digests[0], digests[1])
    results.has("GitHub: the second run has the cache of the first", job.said, ["Cache restored"])

    # As a submodule. cargo is a stand-in that takes the program which is tested, so that nothing is compiled here.
    workflow = runner.parse_yaml(place.local(bench.book.take("workflow", "checkout")))
    job = place.job(bench.origin, store, **contexts)
    fixtures.cargo(os.path.join(job.folder, "tools"), place.restamp)
    job.path = f"{job.folder}/tools:{job.path}"
    job.steps(workflow["jobs"]["image"]["steps"], {})
    made = os.path.join(job.workspace, "build.restamped.tar")
    results.expect("GitHub: as a submodule", os.path.exists(made), job.said)
    results.has("GitHub: built by cargo", job.said, ["stand-in for cargo: build --locked --release"])
    results.same("GitHub: the same digest", digests[0], bench.ask("restamp inspect --digest build.restamped.tar", job.workspace))


def cases(place, book, results):
    bench = Bench(place, book, results)
    for case in (buildx, registry, base, cache, daemon, gitlab_ci, github):
        results.group(case.__name__, case, bench)
