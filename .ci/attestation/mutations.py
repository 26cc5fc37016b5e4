"""What is done to a good bundle, and who has to reject what comes of it."""

import copy
import json

import bundles
from bundles import compact, decoded, encoded

JS, PYTHON, RUST = "@sigstore/verify", "securesystemslib", "sigstore-verify"
ALL = frozenset({JS, PYTHON, RUST})


class Mutation:
    """`change` gets a copy of a bundle and both keys, and gives the bundle or its bytes. `why` is a pattern of what restamp
    says then, None where the change makes no difference to it. `accepted_by` are the verifiers that do not see the change:
    that is checked as well, so that the table in verifiers.py stays true."""

    def __init__(self, name, change, why, accepted_by=frozenset(), with_key=0):
        self.name, self.change, self.why, self.accepted_by, self.with_key = name, change, why, frozenset(accepted_by), with_key

    def apply(self, made, keys):
        changed = self.change(copy.deepcopy(made), keys)
        return changed if isinstance(changed, bytes) else compact(changed)


def setting(value, *path):
    """A change that sets the member at a path; None removes it."""
    def change(made, _keys):
        at = made
        for name in path[:-1]:
            at = at[name]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        return made
    return change


def replacing(edit, *path):
    """A change of the bytes that are in base64 at a path."""
    def change(made, _keys):
        at = made
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = encoded(edit(decoded(at[path[-1]])))
        return made
    return change


def flipped(data, at=-1):
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


PAYLOAD = ("dsseEnvelope", "payload")
PAYLOAD_TYPE = ("dsseEnvelope", "payloadType")
SIGNATURES = ("dsseEnvelope", "signatures")
SIGNATURE = (*SIGNATURES, 0, "sig")
MATERIAL = ("verificationMaterial",)
HINT = (*MATERIAL, "publicKey", "hint")


def another_subject(payload):
    statement = json.loads(payload)
    digest = statement["subject"][0]["digest"]
    digest["sha256"] = digest["sha256"][::-1]
    return compact(statement)


def second_signature(made, keys):
    second = bundles.bundle(bundles.statement_of(made), keys[1])
    made["dsseEnvelope"]["signatures"] += second["dsseEnvelope"]["signatures"]
    return made


def same_signature_twice(made, _keys):
    made["dsseEnvelope"]["signatures"] *= 2
    return made


def signed_by_the_other(made, keys):
    """The hint still names the first key."""
    other = bundles.bundle(bundles.statement_of(made), keys[1])
    made["dsseEnvelope"] = other["dsseEnvelope"]
    return made


def of_another_type(made, keys):
    return bundles.bundle(bundles.statement_of(made), keys[0], "application/json")


def message_instead(made, keys):
    payload = bundles.statement_of(made)
    del made["dsseEnvelope"]
    made["messageSignature"] = {"messageDigest": {"algorithm": "SHA2_256", "digest": encoded(bytes(32))},
                                "signature": encoded(keys[0].sign(payload))}
    return made


def certificate_instead(made, _keys):
    made["verificationMaterial"] = {"certificate": {"rawBytes": encoded(b"0\0")}, "tlogEntries": []}
    return made


def member_twice(made, _keys):
    return compact(made).replace(b'{"payload":', b'{"payload":"e30=","payload":', 1)


def keyid(text):
    return setting(text, *SIGNATURES, 0, "keyid")


def sec1_hex_id(made, keys):
    return keyid(keys[0].id.hex())(made, keys)


# Nothing signed anew but where the name says so.
REJECTED = [
    Mutation("a bit of the signature is flipped", replacing(flipped, *SIGNATURE), "no key|signature"),
    Mutation("a bit in the middle of the signature is flipped", replacing(lambda data: flipped(data, 20), *SIGNATURE), "no key|signature"),
    Mutation("a bit of the payload is flipped", replacing(lambda data: flipped(data, len(data) // 2), *PAYLOAD), "no key|signature"),
    Mutation("the payload has one byte more", replacing(lambda data: data + b" ", *PAYLOAD), "no key|signature"),
    Mutation("the payload is empty", setting("", *PAYLOAD), "no key|signature|payload"),
    Mutation("the wrong key", lambda made, keys: made, "no key", with_key=1),
    Mutation("signed by another key, with the hint of the right one", signed_by_the_other, "no key"),
    Mutation("another payloadType", setting("application/json", *PAYLOAD_TYPE), "payloadType"),
    Mutation("another payloadType, signed anew", of_another_type, "payloadType", {JS, PYTHON}),
    Mutation("another subject in the payload", replacing(another_subject, *PAYLOAD), "no key|signature"),
    Mutation("no signature", setting([], *SIGNATURES), "signatures"),
    Mutation("an empty signature", setting("", *SIGNATURE), "no key|signature"),
    Mutation("a signature that is no base64", setting("%%%%", *SIGNATURE), "base64"),
    Mutation("a payload that is no base64", setting("{}", *PAYLOAD), "base64"),
    Mutation("two signatures, the second by another key", second_signature, "exactly one", {PYTHON}),
    Mutation("the same signature twice", same_signature_twice, "exactly one", {PYTHON}),
    Mutation("another mediaType", setting("application/vnd.example+json", "mediaType"), "mediaType", {PYTHON}),
    Mutation("the mediaType of the first version", setting("application/vnd.dev.sigstore.bundle+json;version=0.1", "mediaType"),
             "mediaType", {JS, PYTHON}),
    Mutation("the mediaType of a version that nobody knows", setting("application/vnd.dev.sigstore.bundle.v0.9+json", "mediaType"),
             "mediaType", {JS, PYTHON}),
    Mutation("no mediaType", setting(None, "mediaType"), "mediaType", {PYTHON}),
    Mutation("no verificationMaterial", setting(None, *MATERIAL), "verificationMaterial", {PYTHON}),
    Mutation("no public key", setting(None, *MATERIAL, "publicKey"), "publicKey", {PYTHON}),
    Mutation("a certificate for the public key", certificate_instead, "certificate", {PYTHON}),
    Mutation("no envelope", setting(None, "dsseEnvelope"), "dsseEnvelope|envelope"),
    Mutation("a signature of a message instead", message_instead, "messageSignature|envelope"),
    Mutation("a member of the envelope twice", member_twice, "twice", {JS, PYTHON}),
    Mutation("cut short", lambda made, keys: compact(made)[:-2], "JSON"),
    Mutation("more after the end", lambda made, keys: compact(made) + b"{}", "JSON"),
    Mutation("no JSON", lambda made, keys: b"\x89PNG\r\n", "JSON|bundle"),
]

# What says nothing about the statement. `why` is None: restamp counts it all the same.
HARMLESS = [
    Mutation("spaces between the members", lambda made, keys: json.dumps(made, indent=2).encode(), None, ALL),
    Mutation("a member that nobody knows", setting({"a": 1}, "unknown"), None, ALL),
    Mutation("the hint of another key", lambda made, keys: setting(encoded(keys[1].id), *HINT)(made, keys), None, {PYTHON, RUST}),
    Mutation("an empty hint", setting("", *HINT), None, {PYTHON, RUST}),
    Mutation("an empty keyid", keyid(""), None, {JS, RUST}),
    Mutation("a keyid that names the key", sec1_hex_id, None, {JS, RUST}),
    Mutation("no list of log entries", setting(None, *MATERIAL, "tlogEntries"), None, ALL),
    Mutation("a log entry that proves nothing", setting([{"logIndex": "1"}], *MATERIAL, "tlogEntries"), None, {PYTHON}),
]
