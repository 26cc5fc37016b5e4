"""The runner itself: it does what GitHub's does where these tests rely on it, and what it does not know is an error, so that
no file passes because the runner looked away."""

import os

import expressions
import harness
import runner

CONTEXTS = {"inputs": {"a": "x", "empty": "", "with-dash": "y"}, "steps": {"one": {"outputs": {"o": "1"}}}}


def values(results):
    state = {"ok": True}
    for text, value in (("inputs.a", "x"), ("inputs.with-dash == 'Y'", True), ("inputs.a != 'x'", False), ("!inputs.empty", True),
                        ("inputs.empty || 'z'", "z"), ("inputs.a && 'z'", "z"), ("(inputs.a == 'x') && success()", True),
                        ("failure()", False), ("'it''s'", "it's"), ("startsWith('refs/tags/v1', 'refs/tags/')", True),
                        ("steps.one.outputs.o", "1"), ("null == inputs.a", False), ("3", 3)):
        results.same(f"expression {text}", value, expressions.evaluate(text, CONTEXTS, state))
    text = "${{ inputs.a }}-${{inputs.with-dash}}, ${{ true }}"
    results.same("expressions in a text", "x-y, true", expressions.fill(text, CONTEXTS, state))
    for text in ("inputs.b", "github.token", "steps.two.outputs.o", "hashFiles('x')", "inputs.a ==", "inputs.a inputs.a",
                 "inputs.a == 1", "inputs['a']", "inputs.a < 'b'"):
        try:
            found = expressions.evaluate(text, CONTEXTS, state)
            results.expect(f"expression {text} is an error", False, found)
        except expressions.Unknown:
            results.expect(f"expression {text} is an error", True)


def files(results):
    """What a step writes for the runner."""
    results.same("a file of outputs", {"a": "1", "b": "two\nlines=x", "c": "x=y<<z", "d": ""},
                 runner.parse("a=1\nb<<END\ntwo\nlines=x\nEND\nc=x=y<<z\nd=\n"))
    for text in ("no mark\n", "a<<END\nnever\n"):
        try:
            results.expect(f"{text!r} is an error", False, runner.parse(text))
        except runner.Failed:
            results.expect(f"{text!r} is an error", True)


def jobs(place, results):
    folder = place.folder_for("runner")

    def job(**stand_ins):
        return runner.Job(folder, folder, harness.base_environment(folder, "/usr/bin:/bin"), stand_ins)

    steps = [{"id": "one", "run": "echo a=1 >>$GITHUB_OUTPUT; echo B=2 >>$GITHUB_ENV; echo /some/folder >>$GITHUB_PATH"},
             {"run": "false | true", "name": "without a shell there is no pipefail"},
             {"run": 'echo "$A $B $PATH"', "env": {"A": "${{ steps.one.outputs.a }}"}}]
    tried = job()
    tried.steps(steps, {})
    results.has("outputs, variables and PATH reach later steps", tried.said, ["1 2 /some/folder:"])
    tried = job()
    try:
        tried.steps([{"run": "false | true", "shell": "bash"}, {"run": "echo never"}, {"if": "failure()", "run": "echo now"},
                     {"if": "always()", "run": "echo always"}], {})
        results.expect("a step that fails ends the job", False)
    except runner.Failed:
        results.same("only steps that ask for it follow a failure", "now\nalways\n", tried.said)
    harness.write(os.path.join(folder, "action/action.yml"), """
inputs: {known: {required: true}}
runs:
  using: composite
  steps: [{run: 'echo "${{ github.action_path }}"', shell: bash}]
""")
    for what, step, kind in (("an action without a stand-in", {"uses": "other/action@v1"}, expressions.Unknown),
                             ("a step with something new", {"run": "true", "timeout-minutes": 1}, expressions.Unknown),
                             ("an input that is none", {"uses": "./action", "with": {"unknown": "1"}}, runner.Failed),
                             ("an input that is not given", {"uses": "./action"}, runner.Failed),
                             ("a context that is wrong in containers", {"uses": "./action", "with": {"known": "1"}},
                              expressions.Unknown)):
        try:
            job().steps([step], {})
            results.expect(f"{what} is an error", False)
        except kind:
            results.expect(f"{what} is an error", True)


def caches(place, results):
    store, folder = place.folder_for("store"), place.folder_for("cached")

    def use(key, *restore, content=None, ok=True):
        """One run: what was restored."""
        job = runner.Job(folder, folder, harness.base_environment(folder, "/usr/bin:/bin"), {})
        path = os.path.join(place.folder_for("run"), "kept")
        runner.cache_stand_in(store)(job, {"path": path, "key": key, "restore-keys": "\n".join(restore)})
        found = harness.read(f"{path}/content") if os.path.exists(path) else None
        if content:
            harness.write(f"{path}/content", content)
        job.ok = ok
        job.finish()
        return found

    results.same("cache: nothing at first", None, use("k-1", "k-", content="one"))
    results.same("cache: the exact key", "one", use("k-1", "k-", content="changed"))
    results.same("cache: a key is written once", "one", use("k-1"))
    results.same("cache: the newest of a prefix", "one", use("k-2", "k-", content="two"))
    results.same("cache: not older ones", "two", use("k-3", "k-", content="three", ok=False))
    results.same("cache: nothing of a run that failed", "two", use("k-4", "k-"))
    results.same("cache: nothing of another prefix", None, use("l-1", "l-"))


def cases(place, _, results):
    results.group("expressions", values, results)
    results.group("files of the runner", files, results)
    results.group("jobs", jobs, place, results)
    results.group("caches of the runner", caches, place, results)
