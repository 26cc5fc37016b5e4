"""The verifiers that others wrote. Each says of a bundle whether it accepts it, and gives back what was signed.

What they do, as found with the versions that are pinned here; the checks of mutations.py hold them to it:

| | @sigstore/verify 3.1.0 | securesystemslib 1.6.0 | sigstore-verify 0.15.1 |
|---|---|---|---|
| what it judges | the bundle | the DSSE envelope in it | the bundle, and the subject's digest |
| finds the key | by the hint, which has to name it | by `keyid` alone | takes the caller's, whatever the hint |
| no `keyid`, as restamp writes | right | KeyError: the caller has to add it | right |
| `keyid` | ignored | has to be the key's | ignored |
| two signatures | rejected by @sigstore/bundle | accepted, where one is of the key | rejected |
| a signed payload of another type | accepted | accepted | rejected |
| another media type | rejected unless it looks like a bundle's | not seen | rejected unless known |
| a duplicate member | the last one counts | the last one counts | rejected |
"""

import contextlib
import json
import subprocess

from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from cryptography.hazmat.primitives.serialization import load_pem_public_key

import statements


class Verdict:
    """Accepted with these bytes, or not, for a reason."""

    def __init__(self, accepted, statement=None, reason=""):
        self.accepted, self.statement, self.reason = accepted, statement, reason

    def __str__(self):
        return "accepted" if self.accepted else f"rejected: {self.reason}"


class Program:
    """A verifier in a process of its own, which answers one line to each."""

    def __init__(self, name, command, folder=None):
        self.name = name
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, bundle, key, subject):
        question = {"key": key.public, "bundle": bundle, "subject": subject}
        print(json.dumps(question), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended with status {self.process.wait()}")
        answer = json.loads(line)
        return Verdict(answer["accepted"], bytes.fromhex(answer.get("statement", "")), answer.get("reason", ""))

    def stop(self):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=10)
        self.process.kill()
        return self.process.wait()


class Timestamped(Program):
    """Gets a copy of each bundle with a timestamp."""

    def __init__(self, name, command, authority):
        super().__init__(name, [*command, authority.root])
        self.authority = authority

    def judge(self, bundle, key, subject):
        with open(bundle, "rb") as file:
            data = file.read()
        return super().judge(self.authority.write("judged.sigstore.json", self.authority.with_timestamp(data)), key, subject)

    def judge_as_it_is(self, bundle, key, subject):
        return super().judge(bundle, key, subject)


class Securesystemslib:
    """Judges the envelope: the first signature that the key has made counts."""

    name = "securesystemslib"

    def judge(self, bundle, key, _subject):
        try:
            with open(bundle, "rb") as file:
                envelope = json.load(file)["dsseEnvelope"]
            with open(key.public, "rb") as file:
                trusted = SSlibKey.from_crypto(load_pem_public_key(file.read()))
            # DSSE has `keyid` as an unauthenticated hint that may be missing. This library finds no key without it.
            for number, signature in enumerate(envelope["signatures"]):
                signature.setdefault("keyid", trusted.keyid if number == 0 else str(number))
            read = Envelope.from_dict(envelope)
            read.verify([trusted], threshold=1)
            return Verdict(True, read.payload)
        # It has a class of errors of its own, and lets through those of what it calls.
        except Exception as error:  # pylint: disable=broad-except
            return Verdict(False, reason=f"{type(error).__name__}: {error}")

    def stop(self):
        pass


def in_toto(payload):
    """What in-toto-attestation says against a statement; None if nothing. Members that it does not know are errors. It has
    no SVR, and its VSA is of a version that nobody writes any more, so that of these the statement alone is judged."""
    try:
        read = json_format.Parse(payload, statement_pb2.Statement())
        Statement.copy_from_pb(read).validate()
        if read.predicate_type == statements.TEST_RESULT:
            predicate = json.dumps(json.loads(payload)["predicate"])
            result = json_format.Parse(predicate, test_result_pb2.TestResult())
            if result.result not in ("PASSED", "WARNED", "FAILED"):
                return f"result {result.result!r}"
        return None
    except (ValueError, TypeError, json_format.Error) as error:
        return f"{type(error).__name__}: {error}"
