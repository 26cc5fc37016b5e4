"""The workflows of .github/workflows: their rights, what they pin, and a release that is made by their steps, with small
stand-ins for what takes an hour (packaging/static, deb and image) and for what belongs to GitHub."""

import json
import os
import re
import shutil

import expressions
import fixtures
import harness
import runner
import services

FOLDER = os.path.join(fixtures.ROOT, ".github/workflows")


def rules(results):
    """What good practice asks of every workflow, and of the action."""
    action = runner.parse_yaml(harness.read(os.path.join(fixtures.ROOT, "action.yml")))
    steps = list(action["runs"]["steps"])
    for name in sorted(os.listdir(FOLDER)):
        workflow = runner.parse_yaml(harness.read(os.path.join(FOLDER, name)))
        results.same(f"{name}: no rights but those of a job", {}, workflow.get("permissions"))
        for job_name, job in workflow["jobs"].items():
            results.expect(f"{name}: {job_name} says its rights and its time", {"permissions", "timeout-minutes"} <= set(job))
            steps += job["steps"]
    loose = [step["uses"] for step in steps if "uses" in step and not re.search(r"@[0-9a-f]{40}$", step["uses"])]
    results.same("actions of others are pinned by commits", [], loose)
    commands = [step["run"] for step in steps if "${{" in step.get("run", "")]
    results.same("no text of an expression is part of a command", [], commands)
    kept = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")
            and step["with"].get("persist-credentials") is not False]
    results.same("no checkout leaves a token behind", [], kept)
    release = runner.parse_yaml(harness.read(os.path.join(FOLDER, "release.yml")))["jobs"]
    writing = {name: sorted(key for key, value in job["permissions"].items() if value == "write")
               for name, job in release.items()}
    results.same("release: each job may write what is its task", writing,
                 {"build": [], "compare": ["attestations", "id-token"], "publish": ["contents"], "push": ["packages"]})


# Stand-ins for packaging/{static,deb,image}: archives by the same names, that for x86-64 with the tested program in it, and
# an image of restamp's own making.
STATIC = """#!/usr/bin/env bash
set -euo pipefail
mkdir -p "$1"
work=$(mktemp -d)
for arch in x86_64 aarch64; do
  name=restamp-VERSION-$arch-linux
  mkdir "$work/$name"
  echo "a build for $arch, ${SEED:-}" >"$work/$name/BUILDINFO"
  if [ $arch = x86_64 ]; then cp "$(realpath "$(command -v restamp)")" "$work/$name/restamp"; fi
  tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 -cf - "$name" | gzip -1n >"$1/$name.tar.gz"
  (cd "$1" && sha256sum "$name.tar.gz" >>SHA256SUMS)
done
rm -r "$work"
"""
DEB = """#!/usr/bin/env bash
set -euo pipefail
echo a package >"$1/restamp_VERSION_amd64.deb"
(cd "$1" && sha256sum restamp_VERSION_amd64.deb >>SHA256SUMS)
"""
IMAGE = """#!/usr/bin/env bash
set -euo pipefail
restamp rewrite -q --epoch 1700000000 --attestations drop testdata/multi.oci.tar "$1/restamp-VERSION.oci.tar"
(cd "$1" && sha256sum restamp-VERSION.oci.tar >>SHA256SUMS)
"""
GH = """#!/usr/bin/env bash
echo "$GH_TOKEN: gh $*" >>"$PUBLISHED"
"""


class Release:
    """One run of release.yml: a tag, an own store of artifacts, and what was attested, published and pushed."""

    def __init__(self, place, tag, seeds=("", "")):
        self.place, self.tag, self.seeds = place, tag, seeds
        self.folder = place.folder_for("release")
        self.published = os.path.join(self.folder, "published")
        self.attested, self.said, self.artifacts = [], "", {}
        text = harness.read(os.path.join(FOLDER, "release.yml"))
        self.workflow = runner.parse_yaml(text.replace("ghcr.io", place.registry.host))
        self.origin = self.repository()

    def repository(self):
        """What these jobs need of this repository, with the stand-ins."""
        origin = os.path.join(self.folder, "origin")
        shutil.copytree(os.path.join(fixtures.ROOT, "packaging/release"), f"{origin}/packaging/release")
        for path in ("Cargo.toml", "CHANGELOG.md", "testdata/multi.oci.tar"):
            os.makedirs(os.path.dirname(f"{origin}/{path}"), exist_ok=True)
            shutil.copy(os.path.join(fixtures.ROOT, path), f"{origin}/{path}")
        for name, text in (("static", STATIC), ("deb", DEB), ("image", IMAGE)):
            harness.write(f"{origin}/packaging/{name}", text.replace("VERSION", fixtures.VERSION), 0o755)
        harness.write(f"{self.folder}/tools/apt-get", "#!/bin/sh\necho \"stand-in for apt-get $*\"\n", 0o755)
        harness.write(f"{self.folder}/tools/gh", GH, 0o755)
        fixtures.commit(origin)
        return origin

    def job(self, name, needs, matrix=None, seed=""):
        """Runs one job: its outputs, or None if it failed."""
        about = self.workflow["jobs"][name]
        job = self.place.job(self.origin, self.folder)
        job.path = f"{self.folder}/tools:{job.path}"
        job.github.update({"ref_name": self.tag, "repository": "Someone/App", "actor": services.USER, "token": services.PASSWORD})
        env = {key: expressions.fill(value, {"github": job.github}, {"ok": True}) for key, value in self.workflow["env"].items()}
        job.environment.update({"GITHUB_REF_NAME": self.tag, "PUBLISHED": self.published, "SEED": seed, **env})
        job.contexts = {"env": env, "needs": needs, "matrix": matrix or {}}

        def upload(job, inputs):
            self.artifacts[inputs["name"]] = os.path.join(job.workspace, inputs["path"])

        def download(job, inputs):
            shutil.copytree(self.artifacts[inputs["name"]], os.path.join(job.workspace, inputs["path"]))

        def attest(job, inputs):
            if "subject-checksums" in inputs:
                lines = harness.read(os.path.join(job.workspace, inputs["subject-checksums"])).splitlines()
                self.attested += [tuple(reversed(line.split())) for line in lines]
            else:
                self.attested.append((inputs["subject-name"], inputs["subject-digest"]))
        job.stand_ins.update({"actions/upload-artifact": upload, "actions/download-artifact": download,
                              "actions/attest-build-provenance": attest})
        try:
            contexts = job.steps(about["steps"], {})
        except runner.Failed:
            return None
        finally:
            self.said += job.said
        return {key: expressions.fill(value, contexts, {"ok": True}) for key, value in (about.get("outputs") or {}).items()}

    def run(self):
        """All jobs in their order; one whose need failed does not run. True if all went well."""
        for attempt, seed in zip(self.workflow["jobs"]["build"]["strategy"]["matrix"]["attempt"], self.seeds):
            if self.job("build", {}, {"attempt": attempt}, seed) is None:
                return False
        compared = self.job("compare", {})
        if compared is None:
            return False
        needs = {"compare": {"outputs": compared}}
        return all([self.job(name, needs) is not None for name in ("publish", "push")])


def release(place, results):
    tag, env = f"v{fixtures.VERSION}", place.environment(logged_in=True)
    right = Release(place, tag)
    results.expect("release: a tag becomes a release", right.run(), right.said)
    files = right.artifacts["release-first"]
    names = sorted(name for name in os.listdir(files) if name != "SHA256SUMS")
    published = harness.read(right.published) if os.path.exists(right.published) else ""
    results.has("release: published with its token, a draft until all is there", published,
                [f"{services.PASSWORD}: gh release create {tag} --verify-tag --draft", *names, "SHA256SUMS",
                 f"gh release edit {tag} --draft=false"])
    digest = place.must(f"restamp inspect --digest {files}/restamp-{fixtures.VERSION}.oci.tar", "/", env)
    results.same("release: the registry has the image that was built", digest,
                 place.deployed(f"someone/app:{fixtures.VERSION}", env), right.said)
    attested, image = dict(right.attested), f"{place.registry.host}/someone/app"
    results.same("release: all files and the image are attested", sorted([image, *names]), sorted(attested))
    results.same("release: the image by the digest that it is deployed by", digest, attested[image])
    statements = right.artifacts.get("attestations", "")
    found = {platform: json.loads(harness.read(f"{statements}/{platform}/equivalence.json"))["predicate"]["equal"]
             for platform in (os.listdir(statements) if statements else ())}
    results.same("release: both builds made the same image for each platform", {"identical"}, set(found.values()), found)
    results.expect("release: that is attested for more than one platform", len(found) > 1, found)
    # This registry has no list of referrers; what it has instead is a tag for each image that some are about.
    subjects = {json.loads(harness.read(f"{statements}/{platform}/svr.json"))["subject"][0]["digest"]["sha256"] for platform in found}
    tags = json.loads(place.must(f"skopeo list-tags docker://{image}", "/", env))["Tags"]
    results.same("release: the statements are beside the image in the registry", set(), {f"sha256-{hex}" for hex in subjects} - set(tags), tags)

    for what, tried, said in (("two builds that differ", Release(place, tag, ("1", "2")), "the two builds differ"),
                              ("a tag of another version", Release(place, "v9.9.9"), "the tag is v9.9.9")):
        results.expect(f"release: {what}: the run fails", not tried.run(), tried.said)
        results.has(f"release: {what}: it says why", tried.said, [said])
        results.same(f"release: {what}: nothing is attested or published", ([], False),
                     (tried.attested, os.path.exists(tried.published)))
    # A file that no digest speaks for.
    tried = Release(place, tag)
    harness.write(f"{tried.origin}/packaging/deb", '#!/bin/sh\necho x >"$1/stray"\n', 0o755)
    fixtures.commit(tried.origin)
    results.expect("release: a file without a digest fails", not tried.run() and "no digest for stray" in tried.said, tried.said)


def gate(place, results):
    """ci.yml runs .ci/run, as root in a clone that git takes."""
    workflow = runner.parse_yaml(harness.read(os.path.join(FOLDER, "ci.yml")))
    origin = os.path.join(place.folder_for("origin"), "app")
    harness.write(f"{origin}/.ci/run", '#!/bin/sh\ngit log -1 --pretty=%ct && echo "1 passed, 0 failed"\n', 0o755)
    fixtures.commit(origin)
    job = place.job(origin, place.folder)
    tools = place.folder_for("tools")
    harness.write(f"{tools}/rustup", '#!/bin/sh\necho "stand-in for rustup $*"\n', 0o755)
    job.path = f"{tools}:{job.path}"
    job.steps(workflow["jobs"]["gate"]["steps"], {})
    results.has("ci: the gate is run", job.said, ["1700000000", "1 passed, 0 failed"])


def cases(place, _, results):
    results.group("rules for workflows", rules, results)
    results.group("a release", release, place, results)
    results.group("the gate", gate, place, results)
