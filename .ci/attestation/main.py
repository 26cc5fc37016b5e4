"""The checks of `.ci/attest`, which makes ready what they need and runs this: see there."""

import argparse
import os
import shutil
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../registries")]

import attaching  # noqa: E402
import attesting  # noqa: E402
import bundles  # noqa: E402
import images  # noqa: E402
import judged  # noqa: E402
import mutations  # noqa: E402
import statements  # noqa: E402
import summary  # noqa: E402
import timestamps  # noqa: E402
import verifiers  # noqa: E402
import verifying  # noqa: E402
from program import Rebuilder, Restamp  # noqa: E402
from work import DATA, Failed, Work  # noqa: E402


def start(work, arguments):
    """The verifiers that are there."""
    who = [verifiers.Securesystemslib()]
    if arguments.js:
        who.append(verifiers.Program(mutations.JS, ["node", os.path.join(arguments.js, "verify.mjs")], arguments.js))
    if arguments.rust:
        os.mkdir(work.path("authority"))
        who.append(verifiers.Timestamped(mutations.RUST, [arguments.rust], timestamps.Authority(work.path("authority"))))
    return who


def groups(work, who, arguments):
    """The groups of checks, each a name and what to do."""
    folder = work.path("keys")
    os.mkdir(folder)
    keys = [bundles.Key(folder, name) for name in "abc"]
    yield "the verifiers themselves", lambda: judged.reference(work, who, keys)
    if not arguments.restamp:
        return
    restamp = Restamp(work)
    rebuilders = [Rebuilder(name, key) for name, key in zip("abc", keys)]
    first = Rebuilder("first", keys[0], statements.VERIFIER)
    pairs = images.Pairs(folder)
    yield "attest: every verdict", lambda: attesting.every_verdict(work, restamp, who, first, pairs, DATA, arguments.shared)
    yield "attest: the stabilized digest", lambda: attesting.stabilized(work, restamp, first, pairs)
    yield "attest: what it refuses", lambda: attesting.refusals(work, restamp, first, pairs)
    yield "attest: bundles with something changed", lambda: attesting.mutated(work, restamp, who, rebuilders, pairs)
    made = []

    def evidence():
        if not made:
            made.append(verifying.Evidence(restamp, rebuilders, pairs))
        return made[0]
    yield "verify", lambda: verifying.everything(work, restamp, evidence(), bundles.Key(folder, "ed25519", is_ed25519=True))
    yield "the summary (VSA)", lambda: summary.summary(work, restamp, who, evidence())
    yield "attach", lambda: attaching.attached(work, restamp, first, pairs, arguments.shared)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("restamp", nargs="?", help="the program; without it, the verifiers alone are tried")
    parser.add_argument("shared", nargs="?", help="the folder with corpus/ and tools/oracle.py")
    parser.add_argument("--js", help="the folder with verify.mjs and its packages")
    parser.add_argument("--rust", help="the program of sigstore-verify/")
    parser.add_argument("--only", default="", help="only the groups with this in their name")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="restamp-attest-")
    work, who = Work(arguments.restamp or "restamp", folder), []
    try:
        who = start(work, arguments)
        for name, check in groups(work, who, arguments):
            if arguments.only not in name:
                continue
            work.section(name)
            try:
                check()
            except (Failed, OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
                work.check(f"{name}: stopped", False, str(error) if isinstance(error, Failed) else traceback.format_exc())
    finally:
        for verifier in who:
            verifier.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{work.passed} passed, {work.failed} failed")
    return 1 if work.failed or not work.passed else 0


if __name__ == "__main__":
    sys.exit(main())
