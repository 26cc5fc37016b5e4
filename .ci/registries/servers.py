"""Registries on loopback: Debian's docker-registry in every kind of authentication, and go-containerregistry's."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time

import tokens
from wire import Client

USER = "tester:correct horse"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """A process with a registry in it."""

    def __init__(self, work, name, command, port):
        self.name, self.address = name, f"127.0.0.1:{port}"
        self.log = work.path(name + ".log")
        self.read = 0
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=work.environment)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.process.kill()
                    with open(self.log) as log:
                        raise RuntimeError(f"{name} does not start: {log.read()[-800:]}") from None
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def requests(self):
        """Method and path of each request to docker-registry that its log has since the last time."""
        time.sleep(0.3)
        with open(self.log) as log:
            log.seek(self.read)
            lines = log.read()
            self.read += len(lines)
        found = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        # One line when a request is answered; another one only says that it may be.
        answered = [line for line in found if "http.response.status" in line]
        return [(line["http.request.method"], line["http.request.uri"]) for line in answered]


class Kind:
    """A registry with what is needed to talk to it."""

    def __init__(self, server, user=None, authority=None):
        self.server, self.user, self.authority = server, user, authority
        self.name, self.address = server.name, server.address
        # What restamp calls it, its options, and what runs before it.
        self.host, self.options, self.before = self.address, [], []
        self.client = None if user or authority else Client(self.address)
        self.config = None

    def image(self, repository):
        return f"docker://{self.host}/{repository}"


def docker_registry(work, name, settings=None, http=None):
    port = free_port()
    config = {"version": "0.1", "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
              "storage": {"filesystem": {"rootdirectory": work.path(name)}, "delete": {"enabled": True}},
              "http": {"addr": f"127.0.0.1:{port}", **(http or {})}, **(settings or {})}
    # JSON is YAML.
    return Server(work, name, ["docker-registry", "serve", work.file("config.yml", json.dumps(config))], port)


def plain(work):
    return Kind(docker_registry(work, "docker-registry"))


def credentials(kind, work):
    """What docker login would write, for all who ask."""
    auth = base64.b64encode(USER.encode()).decode()
    path = work.file("config.json", json.dumps({"auths": {kind.address: {"auth": auth}, kind.host: {"auth": auth}}}))
    kind.config, kind.options = path, ["--authfile", path]
    return kind


def with_password(work):
    name, password = USER.split(":")
    # docker-registry takes bcrypt alone.
    made = work.run(["htpasswd", "-Bbn", name, password]).stdout
    settings = {"auth": {"htpasswd": {"realm": "test", "path": work.file("htpasswd", made)}}}
    return credentials(Kind(docker_registry(work, "docker-registry-basic", settings), USER), work)


def with_tokens(work):
    server = tokens.TokenServer(work.folder, USER)
    settings = {"auth": {"token": {"realm": server.realm, "service": tokens.SERVICE, "issuer": tokens.ISSUER,
                                   "rootcertbundle": server.certificate}}}
    kind = credentials(Kind(docker_registry(work, "docker-registry-token", settings), USER), work)
    kind.tokens = server
    return kind


def with_tls(work):
    """A registry with a certificate of an authority that nobody knows. restamp talks to registries on this machine without TLS, so
    that it gets this one by a name, in a file of hosts that it alone sees."""
    folder = os.path.dirname(work.new("ca"))
    authority_key, authority = tokens.make_certificate(folder, name="authority")
    names = "subjectAltName=DNS:registry.test,IP:127.0.0.1"
    key, request, certificate = (os.path.join(folder, "server." + end) for end in ("key", "csr", "crt"))
    extensions = work.file("extensions", names)
    work.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry.test", "-keyout", key, "-out", request])
    work.run(["openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2",
              "-extfile", extensions, "-out", certificate])
    kind = Kind(docker_registry(work, "docker-registry-tls", http={"tls": {"certificate": certificate, "key": key}}), authority=authority)
    kind.host = "registry.test:" + kind.address.split(":")[1]
    hosts = work.file("hosts", "127.0.0.1 localhost registry.test\n")
    kind.before = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    kind.options = ["--tls-ca", authority]
    return kind


def go_containerregistry(work):
    """go-containerregistry's registry, where it is: as `crane`, or as the program that GGCR_REGISTRY names. Else None."""
    port, crane, program = free_port(), shutil.which("crane"), os.environ.get("GGCR_REGISTRY")
    if program:
        command = [program, "-port", str(port)]
    elif crane:
        command = [crane, "registry", "serve", "--address", f"127.0.0.1:{port}"]
    else:
        return None
    return Kind(Server(work, "go-containerregistry", command, port))
