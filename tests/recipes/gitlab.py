"""Runs a job of .gitlab-ci.yml as gitlab-runner's shell does: its lines as one script, in a clone of the project."""

import os
import re
import shutil

import yaml

import harness

KNOWN = {"image", "cache", "script", "before_script", "artifacts", "variables", "stage", "rules"}


def is_asked_for(rules, environment):
    """Is there a rule that adds the job to the pipeline? Only comparisons of one variable with a text are known."""
    for rule in rules:
        match = re.fullmatch(r'\$(\w+) == "([^"]*)"', rule["if"])
        if set(rule) != {"if"} or not match:
            raise ValueError(f"a rule {rule}")
        if environment.get(match[1]) == match[2]:
            return True
    return False


def run(text, name, clone, environment, store):
    """One run: exit status and what it said. `store` keeps caches between runs."""
    job = yaml.safe_load(text)[name]
    if unknown := set(job) - KNOWN:
        raise ValueError(f"a job with {sorted(unknown)}")
    if "rules" in job and not is_asked_for(job["rules"], environment):
        return 0, "no rule asks for this job"
    cache = job.get("cache") or {}
    kept = os.path.join(store, cache.get("key", "none"))
    for path in cache.get("paths", []):
        if os.path.exists(os.path.join(kept, path)):
            shutil.copytree(os.path.join(kept, path), os.path.join(clone, path))
            # The program that unpacks it runs with umask 0000.
            harness.must(["chmod", "-R", "a+rwX", os.path.join(clone, path)])
    lines = job.get("before_script", []) + job["script"]
    variables = {**environment, **{key: str(value) for key, value in (job.get("variables") or {}).items()},
                 "CI": "true", "CI_PROJECT_DIR": clone}
    status, said = harness.run(["bash", "-c", "set -eo pipefail\n" + "\n".join(lines)], cwd=clone, env=variables)
    artifacts = job.get("artifacts") or {}
    if status == 0:
        for path in cache.get("paths", []):
            shutil.rmtree(os.path.join(kept, path), ignore_errors=True)
            shutil.copytree(os.path.join(clone, path), os.path.join(kept, path))
    if status == 0 or artifacts.get("when") == "always":
        for path in artifacts.get("paths", []):
            if not os.path.exists(os.path.join(clone, path)):
                return 1, f"{said}\nno artifact {path}"
    return status, said
