"""Runs jobs of GitHub workflows and steps of composite actions as a runner does: an own process for each `run`, with the
files that it reads afterwards (GITHUB_OUTPUT, GITHUB_ENV, GITHUB_PATH), expressions, conditions, and steps that follow at
the end of a job.

Actions of others are not run. `stand_ins` has a function for each that a test needs: it gets the job and the inputs of
the step, does what the test needs of that action, and may return outputs. An action without one is an error.
"""

import os
import re
import shutil

import yaml

import expressions
import harness

# The contexts that the runner leaves empty in the steps of composite actions, or that are wrong in containers.
UNRELIABLE = ("action_path", "action_ref", "action_repository")


def parse_yaml(text):
    """A YAML document; `on` of a workflow is a word there, not a truth value."""
    document = yaml.safe_load(text)
    if True in document:
        document["on"] = document.pop(True)
    return document


class Failed(Exception):
    """A step that failed ends its job."""


class Job:
    """One job: its workspace, its environment, what its steps have said."""

    def __init__(self, folder, workspace, environment, stand_ins, github=None, arch="X64", **contexts):
        self.folder, self.workspace, self.stand_ins = folder, workspace, stand_ins
        self.temp = os.path.join(folder, "_temp")
        os.makedirs(self.temp, exist_ok=True)
        self.path = environment["PATH"]
        self.runner = {"os": "Linux", "arch": arch, "temp": self.temp}
        self.github = {"workspace": workspace, "job": "build", "run_id": "1", "run_attempt": "1", "workflow": "ci",
                       "server_url": "http://127.0.0.1:9", "repository": "someone/app", "ref_name": "main",
                       "sha": "0" * 40, "actor": "someone", "token": "token-of-the-run", **(github or {})}
        self.environment = {**environment, "CI": "true", "GITHUB_ACTIONS": "true",
                            **{f"RUNNER_{key.upper()}": value for key, value in self.runner.items()},
                            **{f"GITHUB_{key.upper()}": value for key, value in self.github.items()
                               if key != "token"}}
        self.contexts = contexts
        self.said, self.summary, self.ok, self.at_the_end, self.count = "", "", True, [], 0

    def say(self, text):
        self.said += text

    def finish(self):
        """What actions have left for the end of a job, the last first; they see how it went."""
        while self.at_the_end:
            self.at_the_end.pop()(self.ok)

    def steps(self, steps, contexts, action_path=None):
        """Runs steps in their order; their outputs by id. The first that fails ends it, but for steps that ask for that."""
        results = {}
        contexts = {**self.contexts, **contexts, "steps": results, "runner": self.runner}
        failure = None
        for step in steps:
            state = {"ok": self.ok}
            known = {**contexts, "github": self.known_github(action_path)}
            condition = re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", str(step.get("if", "success()")), flags=re.S).strip()
            # Without one of these a condition counts only while all went well.
            if not self.ok and not re.search(r"\b(success|failure|always)\(", condition):
                continue
            if not expressions.evaluate(condition, known, state):
                continue
            try:
                outputs = self.step(step, known, state, action_path)
            except Failed as failed:
                self.ok, failure, outputs = False, failure or failed, {}
            if "id" in step:
                results[step["id"]] = {"outputs": outputs}
        if failure:
            raise failure
        return contexts

    def known_github(self, action_path):
        return {key: value for key, value in self.github.items() if action_path is None or key not in UNRELIABLE}

    def step(self, step, contexts, state, action_path):
        unknown = set(step) - {"id", "if", "name", "env", "run", "shell", "uses", "with", "working-directory"}
        if unknown:
            raise expressions.Unknown(f"a step with {sorted(unknown)}")
        fill = lambda text: expressions.fill(text, contexts, state)  # noqa: E731
        if "uses" in step:
            inputs = {key: fill(value) for key, value in (step.get("with") or {}).items()}
            return self.use(step["uses"], inputs)
        environment = {key: fill(value) for key, value in (step.get("env") or {}).items()}
        if action_path:
            environment["GITHUB_ACTION_PATH"] = action_path
        if action_path and step.get("shell") != "bash":
            raise expressions.Unknown("a step of a composite action needs a shell")
        where = os.path.join(self.workspace, fill(step.get("working-directory", "")))
        return self.shell(fill(step["run"]), environment, where, "shell" in step)

    def shell(self, text, environment, where, pipefail=True):
        """One `run`: its outputs. Without `shell` a runner gives bash no pipefail."""
        self.count += 1
        files = {name: os.path.join(self.temp, f"{name.lower()}-{self.count}")
                 for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            harness.write(path, "")
        script = harness.write(os.path.join(self.temp, f"script-{self.count}.sh"), text)
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if pipefail else ["-e"]
        status, said = harness.run(["bash", *options, script], cwd=where,
                                   env={**self.environment, **environment, **files, "PATH": self.path})
        self.say(said)
        self.summary += harness.read(files["GITHUB_STEP_SUMMARY"])
        # What a step wrote counts where it fails, too.
        self.environment.update(parse(harness.read(files["GITHUB_ENV"])))
        for folder in harness.read(files["GITHUB_PATH"]).splitlines():
            self.path = f"{folder}:{self.path}"
        if status:
            raise Failed(f"exit status {status}")
        return parse(harness.read(files["GITHUB_OUTPUT"]))

    def use(self, uses, inputs):
        """An action: of this folder, of a repository that the test has put where the runner does, or a stand-in."""
        name, _, ref = uses.partition("@")
        folder = os.path.join(self.workspace, name) if name.startswith("./") \
            else os.path.join(self.folder, "_actions", name, ref)
        if name in self.stand_ins:
            return self.stand_ins[name](self, inputs) or {}
        if not os.path.exists(os.path.join(folder, "action.yml")):
            raise expressions.Unknown(f"no stand-in for {uses}")
        return self.composite(os.path.normpath(folder), inputs)

    def composite(self, folder, inputs):
        """A composite action: its outputs."""
        action = parse_yaml(harness.read(os.path.join(folder, "action.yml")))
        declared = action.get("inputs") or {}
        if extra := set(inputs) - set(declared):
            raise Failed(f"unexpected inputs {sorted(extra)}")
        for name, about in declared.items():
            if about.get("required") and name not in inputs:
                # GitHub's runner goes on; that is never what a test means.
                raise Failed(f"the input {name} is required")
        # A default is a text, as everything that comes by `with`.
        known = {name: inputs.get(name, default_of(about)) for name, about in declared.items()}
        contexts = self.steps(action["runs"]["steps"], {"inputs": known}, action_path=folder)
        state = {"ok": self.ok}
        contexts = {**contexts, "github": self.known_github(folder)}
        return {name: expressions.fill(about["value"], contexts, state)
                for name, about in (action.get("outputs") or {}).items()}


def default_of(about):
    """The default of an input."""
    return expressions.string(about.get("default", ""))


def parse(text):
    """A file of outputs or variables: NAME=VALUE, or NAME<<END, lines and END."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            value = []
            for inner in lines:
                if inner == end:
                    break
                value.append(inner)
            else:
                raise Failed(f"the value of {name} has no end")
            found[name] = "\n".join(value)
        else:
            name, mark, value = line.partition("=")
            if not mark:
                raise Failed(f"not NAME=VALUE: {line}")
            found[name] = value
    return found


def cache_stand_in(store):
    """actions/cache over a folder: a key is written once; the newest of the first prefix that fits is restored."""
    def cache(job, inputs):
        path, key = inputs["path"], inputs["key"]
        if "," in key or len(key) > 512:
            raise Failed(f"not a key: {key}")
        kept = sorted(os.listdir(store), key=lambda name: os.stat(os.path.join(store, name)).st_mtime_ns, reverse=True)
        found = None
        for wanted in [key, *inputs.get("restore-keys", "").split("\n")]:
            found = found or next((name for name in kept if wanted and name.startswith(wanted)), None)
        if found:
            job.say(f"Cache restored from key: {found}\n")
            os.makedirs(path, exist_ok=True)
            # As tar does for root: the modes that were saved, and those of a group that may write for what is new.
            shutil.copytree(os.path.join(store, found), path, dirs_exist_ok=True)
            os.chmod(path, 0o775)

        def save(job_ok):
            if job_ok and found != key and os.path.isdir(path):
                shutil.copytree(path, os.path.join(store, key))
                os.utime(os.path.join(store, key))
                job.say(f"Cache saved with key: {key}\n")
        job.at_the_end.append(save)
        return {"cache-hit": expressions.string(found == key)}
    return cache
