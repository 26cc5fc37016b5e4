"""Statements with one thing wrong that are signed with a trusted key all the same: what an operator's mistake, or a stolen
key, would bring. The signature is right, so that only what reads the statement can refuse it."""

import copy

import statements
from bundles import compact
from mutations import setting
from statements import STABILIZED


class Forgery:
    """`change` gets a copy of a statement and gives the statement or its bytes. `why` is a pattern of what restamp says;
    `in_toto` is whether in-toto-attestation refuses it as well."""

    def __init__(self, name, change, why, in_toto=False):
        self.name, self.change, self.why, self.in_toto = name, change, why, in_toto

    def apply(self, statement):
        changed = self.change(copy.deepcopy(statement), None)
        return changed if isinstance(changed, bytes) else compact(changed)


def nested(*path):
    return ("predicate", *path)


def member_twice(statement, _keys):
    return compact(statement).replace(b'"predicateType":', b'"predicateType":"https://example.org/v1","predicateType":', 1)


def member_in_capitals(statement, _keys):
    return compact(statement)[:-1] + b',"Subject":[]}'


def subject_twice(statement, _keys):
    statement["subject"] *= 2
    return statement


def second_subject(statement, _keys):
    other = copy.deepcopy(statement["subject"][0])
    other["digest"] = statements.digest(statements.OTHER)
    statement["subject"].append(other)
    return statement


def capitals(statement, _keys):
    digest = statement["subject"][0]["digest"]
    digest["sha256"] = digest["sha256"].upper()
    return statement


def cut_short(statement, _keys):
    digest = statement["subject"][0]["digest"]
    digest["sha256"] = digest["sha256"][:-2]
    return statement


def another_digest(*path):
    """Another digest than the right one."""
    return setting(statements.digest(statements.OTHER), *path, "digest")


SUBJECT = ("subject", 0)

# Of every kind of statement.
ANY = [
    Forgery("another _type", setting("https://in-toto.io/Statement/v2", "_type"), "_type", True),
    Forgery("the _type of the version before", setting("https://in-toto.io/Statement/v0.1", "_type"), "_type", True),
    Forgery("no _type", setting(None, "_type"), "_type", True),
    Forgery("another predicateType", setting("https://example.org/v1", "predicateType"), "type|predicate"),
    Forgery("no predicateType", setting(None, "predicateType"), "predicateType|members", True),
    Forgery("a member twice", member_twice, "twice|repeated|duplicate", True),
    Forgery("a member twice, once in capitals", member_in_capitals, "twice|repeated|duplicate", True),
    Forgery("no subject", setting([], "subject"), "subject", True),
    Forgery("no list of subjects", setting(None, "subject"), "subject", True),
    Forgery("the subject twice", subject_twice, "subject"),
    Forgery("a second subject", second_subject, "subject"),
    Forgery("another subject", another_digest(*SUBJECT), "subject|another|other|about"),
    Forgery("a subject without a digest", setting({}, *SUBJECT, "digest"), "digest", True),
    Forgery("a subject with another kind of digest", setting({"gitCommit": "5a" * 20}, *SUBJECT, "digest"), "digest"),
    Forgery("a subject's digest cut short", cut_short, "digest"),
    Forgery("a subject's digest in capitals", capitals, "digest|subject"),
    Forgery("no predicate", setting(None, "predicate"), "predicate", True),
    Forgery("a predicate that is a text", setting("yes", "predicate"), "predicate|member", True),
    Forgery("an empty predicate", setting({}, "predicate"), "predicate|member", True),
    Forgery("no JSON", lambda statement, _: b"reproduced", "JSON|statement", True),
    Forgery("more after the end", lambda statement, _: compact(statement) + b"{}", "JSON|trailing|statement", True),
]

SVR = [
    Forgery("a verifier that trust.toml does not name", setting("https://elsewhere.example.org/v1", *nested("verifier", "id")),
            "verifier|id|elsewhere"),
    Forgery("no verifier", setting(None, *nested("verifier")), "verifier"),
    Forgery("no id of the verifier", setting(None, *nested("verifier", "id")), "id"),
    Forgery("no list of policies", setting(None, *nested("verifier", "policies")), "policies"),
    Forgery("no properties", setting(None, *nested("properties")), "properties"),
    Forgery("an empty list of properties", setting([], *nested("properties")), "propert|RESTAMP_REPRODUCED"),
    Forgery("properties that are a text", setting(STABILIZED, *nested("properties")), "predicate|propert"),
    Forgery("a property of another profile", setting(["RESTAMP_REPRODUCED_STABILIZED_V2"], *nested("properties")),
            "propert|RESTAMP_REPRODUCED"),
    Forgery("not identical, where the equivalence says so", setting([STABILIZED], *nested("properties")), "identical"),
    Forgery("an empty list of policies", setting([], *nested("verifier", "policies")), "profile|polic"),
    Forgery("a policy that nobody knows", another_digest(*nested("verifier", "policies", 0)), "profile|polic"),
    Forgery("no timeCreated", setting(None, *nested("timeCreated")), "timeCreated"),
    Forgery("a malformed timeCreated", setting("yesterday", *nested("timeCreated")), "timeCreated"),
    Forgery("a timeCreated without a zone", setting("2026-11-01T00:00:00", *nested("timeCreated")), "timeCreated"),
    Forgery("a timeCreated that no calendar has", setting("2026-02-30T00:00:00Z", *nested("timeCreated")), "timeCreated"),
    Forgery("a timeCreated that is a number", setting(1793491200, *nested("timeCreated")), "predicate|timeCreated"),
]

EQUIVALENCE = [
    Forgery("a profile that nobody knows", another_digest(*nested("stabilizer")), "stabilizer|profile"),
    Forgery("a profile of another name", setting("https://restamp.dev/stabilizer/v9", *nested("stabilizer", "uri")),
            "stabilizer|profile"),
    Forgery("no profile", setting(None, *nested("stabilizer")), "stabilizer"),
    Forgery("another stabilized digest", another_digest(*nested("stabilized")), "stabilized"),
    Forgery("no stabilized digest", setting(None, *nested("stabilized")), "stabilized"),
    Forgery("an empty set of stabilized digests", setting({}, *nested("stabilized", "digest")), "stabilized|digest"),
    Forgery("identical to another candidate", another_digest(*nested("candidate")), "identical|candidate"),
    Forgery("another target", another_digest(*nested("target")), "target"),
    Forgery("no candidate", setting(None, *nested("candidate")), "candidate"),
    Forgery("equal in a way that nobody knows", setting("nearly", *nested("equal")), "equal|nearly|variant|predicate"),
    Forgery("not said how equal", setting(None, *nested("equal")), "equal"),
    Forgery("equal in two ways", setting(["identical"], *nested("equal")), "predicate|equal|variant"),
]

TEST_RESULT = [
    Forgery("a result that nobody knows", setting("EXCELLENT", *nested("result")), "result|variant|predicate", True),
    Forgery("no result", setting(None, *nested("result")), "result", True),
    Forgery("tests that are a text", setting("content", *nested("failedTests")), "predicate|failedTests|result", True),
]
