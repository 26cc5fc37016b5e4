"""Statements as `restamp attest` and `restamp verify --vsa` have to write them, for an image that nobody has built: what the
verifiers are tried on before they judge restamp."""

from bundles import compact

STATEMENT = "https://in-toto.io/Statement/v1"
SVR = "https://in-toto.io/attestation/svr/v0.2"
EQUIVALENCE = "https://restamp.dev/image-equivalence/v0.1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VSA = "https://slsa.dev/verification_summary/v1"
TYPES = {"svr": SVR, "equivalence": EQUIVALENCE, "test-result": TEST_RESULT}

PROFILE = "https://restamp.dev/stabilizer/v1"
STABILIZED = "RESTAMP_REPRODUCED_STABILIZED_V1"
IDENTICAL = "RESTAMP_REPRODUCED_IDENTICAL"

VERIFIER = "https://rebuild.example.org/restamp/v1"
NAME = "example.org/app:1"
TIME = "2026-11-01T00:00:00Z"

# Digests of nothing that exists.
SUBJECT, OTHER, TEXT, RESULT = ("%02x" % number * 32 for number in (0x5a, 0x5b, 0x7e, 0xe5))


def digest(hex_text):
    return {"sha256": hex_text}


def statement(predicate_type, predicate, subject=SUBJECT):
    named = {"name": NAME, "digest": digest(subject), "annotations": {"platform": "linux/amd64"}}
    return {"_type": STATEMENT, "subject": [named], "predicateType": predicate_type, "predicate": predicate}


def svr():
    return statement(SVR, {
        "verifier": {"id": VERIFIER, "policies": [{"uri": PROFILE, "digest": digest(TEXT)}]}, "timeCreated": TIME,
        "properties": [STABILIZED, IDENTICAL],
    })


def equivalence():
    return statement(EQUIVALENCE, {
        "equal": "identical", "target": {"uri": "docker://" + NAME, "digest": digest(SUBJECT)},
        "candidate": {"name": "rebuilt.tar", "digest": digest(SUBJECT)},
        "stabilizer": {"uri": PROFILE, "digest": digest(TEXT), "options": ["--epoch", "0"]},
        "stabilized": {"digest": digest(RESULT)}, "inputs": [], "differences": {}, "tool": {"name": "restamp", "version": "0"},
    })


def test_result():
    return statement(TEST_RESULT, {
        "result": "FAILED", "configuration": [{"name": "diff.json", "digest": digest(TEXT)}],
        "url": "https://ci.example.org/1", "warnedTests": [], "failedTests": ["content"],
    })


def vsa():
    return statement(VSA, {
        "verifier": {"id": VERIFIER}, "timeVerified": TIME, "resourceUri": "docker://" + NAME,
        "policy": {"uri": "trust.toml", "digest": digest(TEXT)}, "inputAttestations": [{"digest": digest(RESULT)}],
        "verificationResult": "PASSED", "verifiedLevels": ["RESTAMP_REPRODUCED_2_OF_2"],
    })


def all_of_them():
    """Every kind of statement by the name of its file, as bytes."""
    return {"svr": compact(svr()), "equivalence": compact(equivalence()), "test-result": compact(test_result()), "vsa": compact(vsa())}
