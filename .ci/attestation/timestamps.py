"""A timestamp authority of this run, by `openssl ts`.

sigstore-verify 0.15 takes no bundle that has neither a log entry nor a timestamp, also where neither is to be checked, and
restamp's bundles have none. A timestamp is outside of what is signed and anybody can add one, so that it is added here, to
copies, and that verifier judges those.
"""

import datetime
import json
import os
import re
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bundles import decoded, encoded

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
START, END = datetime.datetime(2020, 1, 1), datetime.datetime(2099, 1, 1)
MATERIAL = re.compile(rb'("verificationMaterial"\s*:\s*\{)')

CONFIG = """[tsa]
dir = {folder}
serial = $dir/serial
signer_cert = $dir/tsa.crt
signer_key = $dir/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""


class Authority:
    """Its keys and certificates; `root` is the file that makes a verifier trust it."""

    def __init__(self, folder):
        self.folder = folder
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = certificate("authority", root_key, "authority", root_key)
        leaf = certificate("timestamps", key, "authority", root_key)
        pem = serialization.Encoding.PEM
        self.write("tsa.crt", leaf.public_bytes(pem))
        self.write("tsa.key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.write("serial", b"01\n")
        self.config = self.write("tsa.cnf", CONFIG.format(folder=folder).encode())
        chain = [{"rawBytes": encoded(one.public_bytes(serialization.Encoding.DER))} for one in (leaf, root)]
        self.root = self.write("trusted_root.json", json.dumps({
            "mediaType": MEDIA_TYPE,
            "timestampAuthorities": [{
                "subject": {"organization": "test", "commonName": "timestamps"}, "uri": "https://timestamps.example.org",
                "certChain": {"certificates": chain}, "validFor": {"start": START.isoformat() + "Z"},
            }],
        }).encode())

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def stamp(self, data):
        """The response of RFC 3161 to a request for these bytes."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            plain, query, reply = (os.path.join(folder, name) for name in ("data", "query", "reply"))
            with open(plain, "wb") as file:
                file.write(data)
            run("query", "-data", plain, "-sha256", "-cert", "-out", query)
            run("reply", "-config", self.config, "-section", "tsa", "-queryfile", query, "-out", reply)
            with open(reply, "rb") as file:
                return file.read()

    def with_timestamp(self, bundle):
        """The bytes of a bundle with a timestamp for its signature and nothing else changed; as they are where there is no
        signature, or no place for a timestamp."""
        try:
            signature = decoded(json.loads(bundle)["dsseEnvelope"]["signatures"][0]["sig"])
        except (ValueError, LookupError):
            return bundle
        stamped = {"timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": encoded(self.stamp(signature))}]}}
        member = json.dumps(stamped)[1:-1].encode()
        return MATERIAL.sub(lambda found: found[1] + member + b",", bundle, count=1)


def run(*arguments):
    subprocess.run(["openssl", "ts", "-" + arguments[0], *arguments[1:]], check=True, stderr=subprocess.DEVNULL)


def name_of(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(name, key, issuer, issuer_key):
    is_authority = name == issuer
    builder = x509.CertificateBuilder(name_of(issuer), name_of(name), key.public_key(), x509.random_serial_number(), START, END)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    builder = builder.add_extension(x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    ), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())
