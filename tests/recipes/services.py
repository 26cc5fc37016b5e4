"""What recipes talk to, private to one test run: a registry that asks for a password, and a Docker daemon."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import harness

USER, PASSWORD = "someone", "a pass $word"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A daemon with its log; it ends with the test."""

    def __init__(self, command, log, env=None):
        self.log = log
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                            start_new_session=True)

    def wait(self, is_there, seconds=60):
        """Waits until it answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if is_there():
                return self
            time.sleep(0.3)
        raise RuntimeError(f"it did not start:\n{harness.read(self.log)[-3000:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Registry:
    """docker-registry with one user, by TLS. Whose certificates clients are to trust is in `certificate`, for SSL_CERT_FILE."""

    def __init__(self, folder):
        self.host = f"127.0.0.1:{free_port()}"
        os.makedirs(folder)
        self.certificate = f"{folder}/authority.pem"
        # An authority and a certificate by it: restamp takes no certificate of a server that is its own authority.
        for name, about in (("authority", ["-subj", "/CN=authority of a test"]),
                            ("server", ["-subj", "/CN=registry of a test", "-addext", "subjectAltName=IP:127.0.0.1",
                                        "-addext", "basicConstraints=critical,CA:FALSE",
                                        "-CA", self.certificate, "-CAkey", f"{folder}/authority.key"])):
            harness.must(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                          "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", *about])
        hashed = harness.must(["perl", "-e", 'print crypt($ARGV[0], q($2b$05$abcdefghijklmnopqrstuu))', PASSWORD])
        harness.write(f"{folder}/users", f"{USER}:{hashed}\n")
        harness.write(f"{folder}/config.yml", f"""version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{self.host}", tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}}}
auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}
""")
        self.service = Service(["docker-registry", "serve", f"{folder}/config.yml"], f"{folder}/log").wait(self.answers)

    def answers(self):
        try:
            trusted = ssl.create_default_context(cafile=self.certificate)
            urllib.request.urlopen(f"https://{self.host}/v2/", timeout=2, context=trusted)
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            pass
        return False

    def stop(self):
        self.service.stop()


class Docker:
    """containerd and dockerd with all of their state below one folder, and no network."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.services = folder, []
        self.host = f"unix://{folder}/docker.sock"
        harness.write(f"{folder}/containerd.toml", f"""version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/containerd.sock"
""")
        try:
            self.services.append(Service(["containerd", "-c", f"{folder}/containerd.toml"], f"{folder}/containerd.log")
                                 .wait(lambda: os.path.exists(f"{folder}/containerd.sock")))
            self.services.append(Service(
                ["dockerd", "--containerd", f"{folder}/containerd.sock", "-H", self.host, "--data-root", f"{folder}/docker",
                 "--exec-root", f"{folder}/docker-exec", "-p", f"{folder}/dockerd.pid", "--iptables=false",
                 "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"], f"{folder}/dockerd.log").wait(self.answers))
        except Exception:
            self.stop()
            raise

    def answers(self):
        return harness.run(["/usr/bin/docker", "info"], env={**os.environ, "DOCKER_HOST": self.host})[0] == 0

    def stop(self):
        for service in reversed(self.services):
            service.stop()
        # What the daemons mounted goes before what holds it.
        with open("/proc/mounts", encoding="utf-8") as mounts:
            below = [line.split()[1] for line in mounts if line.split()[1].startswith(self.folder + "/")]
        for path in sorted(below, reverse=True):
            harness.run(["umount", "-l", path])


def missing(*programs):
    """Those that are not installed."""
    return [program for program in programs if not shutil.which(program)]
