"""Registries as they are on the wire: a client that puts and reads what a test needs, and a proxy that counts bytes."""

import base64
import hashlib
import http.client
import json
import socket
import threading
import urllib.parse

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = ", ".join((INDEX, MANIFEST, "application/vnd.docker.distribution.manifest.list.v2+json",
                    "application/vnd.docker.distribution.manifest.v2+json"))


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Client:
    """Talks to a registry without TLS, as curl would."""

    def __init__(self, address, user=None):
        self.address = address
        self.headers = {}
        if user:
            self.headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()

    def call(self, method, path, body=None, **headers):
        """Status, headers and body of one answer."""
        connection = http.client.HTTPConnection(self.address, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, self.headers | named)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def expect(self, statuses, method, path, body=None, **headers):
        status, found, text = self.call(method, path, body, **headers)
        if status not in statuses:
            raise OSError(f"{method} {path}: {status} {text[:300]!r}")
        return found, text

    def put_blob(self, repository, digest, size, body):
        found, _ = self.expect([202], "POST", f"/v2/{repository}/blobs/uploads/", b"")
        to = urllib.parse.urlsplit(found["Location"])
        query = to.query + ("&" if to.query else "") + "digest=" + urllib.parse.quote(digest, safe="")
        self.expect([201], "PUT", f"{to.path}?{query}", body, Content_Length=str(size), Content_Type="application/octet-stream")

    def put_bytes(self, repository, data):
        self.put_blob(repository, sha256(data), len(data), data)
        return sha256(data)

    def mount(self, repository, digest, source):
        self.expect([201], "POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}", b"")

    def put_manifest(self, repository, reference, data, media_type=MANIFEST):
        self.expect([201], "PUT", f"/v2/{repository}/manifests/{reference}", data, Content_Type=media_type)
        return sha256(data)

    def tag(self, repository, tag):
        """The digest that a tag names now, or None; of the bytes, not of what a header says."""
        status, _, data = self.call("GET", f"/v2/{repository}/manifests/{tag}", Accept=ACCEPT)
        return sha256(data) if status == 200 else None

    def json(self, path, **headers):
        return json.loads(self.expect([200], "GET", path, **headers)[1])

    def manifest(self, repository, reference):
        return self.json(f"/v2/{repository}/manifests/{reference}", Accept=ACCEPT)


class Counting:
    """A proxy before a registry that counts the bytes of both directions, and requests; at the one with number `at`, it calls
    `then`: before the request goes on, which it then doesn't, or right after."""

    def __init__(self, address):
        host, port = address.split(":")
        self.to = (host, int(port))
        self.sent = self.received = self.requests = self.at = 0
        self.then, self.is_before = None, True
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            outer = socket.create_connection(self.to)
            threading.Thread(target=self.copy, args=(inner, outer, "sent"), daemon=True).start()
            threading.Thread(target=self.copy, args=(outer, inner, "received"), daemon=True).start()

    def copy(self, source, to, direction):
        try:
            while data := source.recv(1 << 18):
                with self.lock:
                    setattr(self, direction, getattr(self, direction) + len(data))
                    before = self.requests
                    if direction == "sent":
                        self.requests += data.count(b" HTTP/1.1\r\n")
                    is_at = before < self.at <= self.requests
                if is_at and self.is_before:
                    self.then()
                    return to.close()
                to.sendall(data)
                if is_at and not self.is_before:
                    self.then()
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def watch(self, at=0, then=None, is_before=True):
        """Counts requests from 1 again."""
        with self.lock:
            self.requests, self.at, self.then, self.is_before = 0, at, then, is_before

    def take(self):
        """Bytes sent and received since the last time."""
        with self.lock:
            counts = self.sent, self.received
            self.sent = self.received = 0
        return counts


class Tunnel:
    """A proxy of HTTPS (CONNECT) that finds every name on this machine, and writes down which it was asked for."""

    def __init__(self):
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            inner, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(inner,), daemon=True).start()

    def serve(self, inner):
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = inner.recv(1)
                if not data:
                    return
                head += data
            target = head.split()[1].decode()
            self.asked.append(target)
            outer = socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1])))
            inner.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=self.copy, args=(outer, inner), daemon=True).start()
            self.copy(inner, outer)
        except OSError:
            inner.close()

    @staticmethod
    def copy(source, to):
        try:
            while data := source.recv(1 << 16):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass
