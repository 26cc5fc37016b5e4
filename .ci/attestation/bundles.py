"""Keys, and Sigstore bundles as restamp has to write them, made without any code of restamp's.

The maker is the yardstick for the bundles of `restamp attest`, byte by byte (signatures are deterministic, RFC 6979), and
signs what an attacker who holds a trusted key would.
"""

import base64
import hashlib
import json
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"


def encoded(data):
    return base64.b64encode(data).decode()


def decoded(text):
    return base64.b64decode(text, validate=True)


def compact(value):
    """JSON without spaces, members in the order that they have."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def parsed(data):
    """JSON whose members are there once."""
    def once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a member is there twice")
        return dict(pairs)
    return json.loads(data, object_pairs_hook=once)


def pae(payload_type, payload):
    """What is signed: DSSE's encoding of a payload and its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class Key:
    """A private key of P-256, or of Ed25519, and its files: PKCS#8 and SubjectPublicKeyInfo in PEM."""

    def __init__(self, folder, name, is_ed25519=False):
        self.key = ed25519.Ed25519PrivateKey.generate() if is_ed25519 else ec.generate_private_key(ec.SECP256R1())
        self.private = os.path.join(folder, name + ".pem")
        self.public = os.path.join(folder, name + ".pub")
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        with open(os.open(self.private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        with open(self.public, "wb") as file:
            file.write(self.key.public_key().public_bytes(pem, spki))
        self.id = hashlib.sha256(self.key.public_key().public_bytes(serialization.Encoding.DER, spki)).digest()

    def sign(self, message):
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def bundle(statement, key, payload_type=IN_TOTO):
    """The bundle of a statement's bytes."""
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": encoded(key.id)}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": encoded(statement), "payloadType": payload_type,
            "signatures": [{"sig": encoded(key.sign(pae(payload_type, statement)))}],
        },
    }


def statement_of(made):
    """The bytes of the statement in a bundle."""
    return decoded(made["dsseEnvelope"]["payload"])
