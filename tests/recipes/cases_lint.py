"""What checks files without running them: actionlint on workflows, those of the pages in docs/ too, published JSON schemas on
action.yml, workflows and .gitlab-ci.yml, shellcheck on scripts."""

import glob
import os
import shutil

import fixtures
import harness

SCRIPTS = ("packaging/action/*.sh", "packaging/release/*", "tests/recipes/tools/*", ".ci/recipes")


def cases(place, book, results):
    folder = place.folder_for("lint")
    page = os.path.join(folder, ".github/workflows")
    for word, text in book.kind("workflow"):
        harness.write(f"{page}/{word}.yml", text)
    # What `uses: ./restamp` means there, so that its inputs are checked.
    os.mkdir(f"{folder}/restamp")
    shutil.copy(os.path.join(fixtures.ROOT, "action.yml"), f"{folder}/restamp")
    fixtures.git(folder, "init", "-q")
    for where in (fixtures.ROOT, folder):
        workflows = sorted(glob.glob(f"{where}/.github/workflows/*.yml"))
        what = "of the pages" if where == folder else "of this repository"
        status, said = harness.run(["actionlint", "-no-color", *workflows], cwd=where)
        results.expect(f"actionlint: {len(workflows)} workflows {what}", workflows and status == 0, said)
        status, said = harness.run(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows])
        results.expect(f"JSON schema: the workflows {what}", status == 0, said)
    status, said = harness.run(["check-jsonschema", "--builtin-schema", "vendor.github-actions", f"{fixtures.ROOT}/action.yml"])
    results.expect("JSON schema: action.yml", status == 0, said)
    for _, text in book.kind("gitlab"):
        file = harness.write(f"{folder}/.gitlab-ci.yml", text)
        status, said = harness.run(["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", file])
        results.expect("JSON schema: .gitlab-ci.yml", status == 0, said)
    scripts = [script for pattern in SCRIPTS for script in sorted(glob.glob(os.path.join(fixtures.ROOT, pattern)))
               if harness.read(script).startswith("#!/usr/bin/env bash\n")]
    status, said = harness.run(["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts])
    results.expect(f"shellcheck: {len(scripts)} scripts", len(scripts) > len(SCRIPTS) and status == 0, said)
    for word, text in book.kind("run"):
        script = harness.write(f"{folder}/{word}.sh", f"#!/bin/bash\nset -euo pipefail\n{text}")
        # A failure of git that `export X="$(…)"` hides leaves the epoch empty, which restamp refuses.
        status, said = harness.run(["shellcheck", "--exclude", "SC2155", script])
        results.expect(f"shellcheck: the recipe {word}", status == 0, said)
