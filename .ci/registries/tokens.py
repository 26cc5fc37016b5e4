"""A token server (distribution's "Token Authentication Specification"): JSON Web Tokens signed with RS256 by openssl."""

import base64
import json
import os
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ISSUER, SERVICE = "test-issuer", "test-registry"
# What an identity provider would have given the user.
IDENTITY = "identity-of-tester"


def encoded(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def make_certificate(folder, *options, name="signer"):
    """A key and a certificate that is signed with it; the paths of both."""
    key, certificate = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".crt")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate, *options], check=True, capture_output=True)
    return key, certificate


class TokenServer:
    """Gives a token for each scope that is asked for, to one user; to others, a 401."""

    def __init__(self, folder, user):
        self.user, self.asked = user, []
        self.basic = "Basic " + base64.b64encode(user.encode()).decode()
        self.key, self.certificate = make_certificate(folder)
        der = subprocess.run(["openssl", "x509", "-in", self.certificate, "-outform", "DER"], check=True, capture_output=True).stdout
        self.header = encoded(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}).encode())
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.urlsplit(self.path).query
                server.answer(self, urllib.parse.parse_qs(query), self.headers["Authorization"])

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                server.answer_form(self, urllib.parse.parse_qs(text.decode()))

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self.http.server_port}/token"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer_form(self, request, form):
        """The OAuth 2 form of the same: a password, or a token of the user's for one of the registry's."""
        given = [form.get(name, [""])[0] for name in ("grant_type", "username", "password", "refresh_token")]
        name, password = self.user.split(":")
        is_user = given[:3] == ["password", name, password] or (given[0], given[3]) == ("refresh_token", IDENTITY)
        self.answer(request, form, self.basic if is_user else "")

    def answer(self, request, query, authorization):
        scopes = [scope for text in query.get("scope", []) for scope in text.split(" ")]
        self.asked.append((request.command, scopes))
        is_user = authorization == self.basic
        token = self.token(scopes)
        body = json.dumps({"token": token, "access_token": token, "expires_in": 300} if is_user else
                          {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}).encode()
        request.send_response(200 if is_user else 401)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def token(self, scopes):
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {"iss": ISSUER, "sub": self.user.split(":")[0], "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": os.urandom(8).hex(), "access": access}
        text = self.header + b"." + encoded(json.dumps(claims).encode())
        sign = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(sign, input=text, check=True, capture_output=True).stdout
        return (text + b"." + encoded(signature)).decode()
