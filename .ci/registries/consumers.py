"""skopeo, podman, containerd and docker, run privately below one folder, as those who pull."""

import hashlib
import json
import os
import re
import subprocess
import time

from servers import USER


class Consumers:
    """Has containerd and dockerd run; neither sees what the machine has of its own."""

    def __init__(self, work):
        self.work, self.folder = work, work.path("consumers")
        os.mkdir(self.folder)
        self.policy = work.file("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        self.containerd, self.dockerd = self.path("containerd.sock"), self.path("docker.sock")
        self.podman = {
            "CONTAINERS_STORAGE_CONF": work.file("storage.conf", (
                f'[storage]\ndriver = "overlay"\nrunroot = "{self.path("podman-run")}"\ngraphroot = "{self.path("podman")}"\n')),
            "CONTAINERS_CONF": work.file("containers.conf", '[containers]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'),
            "CONTAINERS_REGISTRIES_CONF": work.file("registries.conf", 'unqualified-search-registries = ["localhost"]\n'),
        }
        self.processes = []

    def run(self):
        config = (f'version = 2\nroot = "{self.path("ctd-root")}"\nstate = "{self.path("ctd-state")}"\n'
                  f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{self.containerd}"\n')
        self.start("containerd", ["containerd", "-c", self.work.file("containerd.toml", config)])
        self.until(["ctr", "-a", self.containerd, "version"])
        # The policy of this machine's docker says nothing of registries on it: 127.0.0.0/8 needs no TLS.
        self.start("dockerd", ["dockerd", "--config-file", self.work.file("daemon.json", "{}"), "--containerd", self.containerd,
                               "-H", "unix://" + self.dockerd, "--data-root", self.path("docker"), "--exec-root", self.path("docker-run"),
                               "-p", self.path("dockerd.pid"), "--iptables=false", "--ip6tables=false", "--bridge=none"])
        self.until(["/usr/bin/docker", "-H", "unix://" + self.dockerd, "info"])

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, command):
        with open(self.path(name + ".log"), "wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.work.environment))

    def until(self, command):
        deadline = time.monotonic() + 40
        while subprocess.run(command, env=self.work.environment, capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not start: see {self.folder}")
            time.sleep(0.3)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # What they mounted goes before what holds it.
        with open("/proc/mounts") as file:
            mounts = [line.split()[1] for line in file]
        for mount in sorted((mount for mount in mounts if mount.startswith(self.folder + "/")), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True)

    def pull(self, consumer, kind, repository, reference):
        """Pulls `:tag` or `@digest`; the digests that the consumer says the image has."""
        return getattr(self, consumer)(kind, f"{kind.address}/{repository}", reference)

    def skopeo(self, kind, name, reference):
        to = self.work.new("pulled")
        options = ["--authfile", kind.config] if kind.config else []
        options += ["--src-cert-dir", os.path.dirname(self.alone(kind))] if kind.authority else ["--src-tls-verify=false"]
        self.work.run(["skopeo", "--policy", self.policy, "copy", "-q", "--all", "--preserve-digests", *options,
                       f"docker://{name}{reference}", "dir:" + to])
        with open(os.path.join(to, "manifest.json"), "rb") as file:
            return {"sha256:" + hashlib.file_digest(file, "sha256").hexdigest()}

    def podman_pull(self, kind, name, reference):
        options = ["--authfile", kind.config] if kind.config else []
        options += ["--cert-dir", os.path.dirname(self.alone(kind))] if kind.authority else ["--tls-verify=false"]
        self.work.run(["podman", "pull", "-q", "--signature-policy", self.policy, *options, name + reference], **self.podman)
        found = self.work.run(["podman", "image", "inspect", name + reference], **self.podman).stdout
        return of_repository(json.loads(found)[0]["RepoDigests"], name)

    def containerd_pull(self, kind, name, reference):
        options = ["--user", USER] if kind.user else []
        options += ["--hosts-dir", self.hosts(kind)] if kind.authority else ["--plain-http"]
        ctr = ["ctr", "-a", self.containerd, "-n", "restamp", "images"]
        self.work.run([*ctr, "pull", *options, name + reference])
        lines = self.work.run([*ctr, "ls", f"name=={name}{reference}"]).stdout.splitlines()[1:]
        return set(re.findall(r"sha256:[0-9a-f]{64}", lines[0].replace(name + reference, "", 1))) if lines else set()

    def docker_pull(self, kind, name, reference):
        docker = ["/usr/bin/docker", "-H", "unix://" + self.dockerd]
        if kind.config:
            docker[1:1] = ["--config", os.path.dirname(kind.config)]
        self.work.run([*docker, "pull", "-q", name + reference])
        found = self.work.run([*docker, "image", "inspect", "--format", "{{json .RepoDigests}}", name + reference]).stdout
        return of_repository(json.loads(found), name)

    def alone(self, kind):
        """The authority in a folder of its own, which skopeo and podman want."""
        with open(kind.authority) as file:
            return self.work.file("ca.crt", file.read())

    def hosts(self, kind):
        """containerd would talk to a registry on this machine without TLS."""
        folder = os.path.dirname(self.work.new("hosts"))
        os.mkdir(os.path.join(folder, kind.address))
        with open(os.path.join(folder, kind.address, "hosts.toml"), "w") as file:
            file.write(f'[host."https://{kind.address}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{kind.authority}"\n')
        return folder


def of_repository(names, name):
    return {known.split("@")[1] for known in names if known.startswith(name + "@")}


ALL = {"skopeo": "skopeo", "podman": "podman_pull", "containerd": "containerd_pull", "docker": "docker_pull"}
