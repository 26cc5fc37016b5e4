"""Where recipes run: the programs, the registry and the daemon that they find, and what stands in for what is not here."""

import os
import shutil

import fixtures
import harness
import runner
import services


class Place:
    """A folder with a registry, a Docker daemon, and as many homes and repositories as a test wants."""

    def __init__(self, restamp, folder):
        self.restamp, self.folder, self.count = restamp, folder, 0
        programs = os.path.join(folder, "bin")
        os.makedirs(programs)
        os.symlink(restamp, os.path.join(programs, "restamp"))
        self.tools = os.path.join(fixtures.ROOT, "tests/recipes/tools")
        self.path = f"{self.tools}:{programs}:/usr/bin:/usr/sbin:/bin:/sbin:/usr/local/bin"
        self.running = []
        self.registry = self.start(services.Registry(os.path.join(folder, "registry")))
        # What is at https://git.example/ for git.
        self.repositories = os.path.join(folder, "git")
        os.mkdir(self.repositories)
        self.served = os.path.join(folder, "served")
        fixtures.release(self.served, restamp)
        self.server = self.start(fixtures.Server(self.served))

    def start(self, service):
        self.running.append(service)
        return service

    def stop(self):
        for service in reversed(self.running):
            service.stop()

    def folder_for(self, name):
        self.count += 1
        folder = os.path.join(self.folder, f"{self.count}-{name}")
        os.makedirs(folder)
        return folder

    def environment(self, logged_in=False):
        """A new home for one job."""
        home = self.folder_for("home")
        environment = harness.base_environment(home, self.path)
        environment.update({"SSL_CERT_FILE": self.registry.certificate, "XDG_RUNTIME_DIR": f"{home}/run",
                            "STAND_IN_STORAGE": f"{home}/storage", "GIT_CONFIG_GLOBAL": f"{home}/gitconfig"})
        os.mkdir(f"{home}/run")
        harness.write(f"{home}/gitconfig", "[user]\nname = test\nemail = test@example.org\n[safe]\ndirectory = *\n"
                      f'[url "file://{self.repositories}/"]\ninsteadOf = https://git.example/\n')
        harness.write(f"{home}/.config/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        if logged_in:
            self.login(environment, self.registry.host, services.USER, services.PASSWORD)
        return environment

    def login(self, environment, host, user, password):
        """As docker login does, into the file that docker and skopeo read."""
        file = os.path.join(environment["HOME"], ".docker/config.json")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        harness.must(["skopeo", "login", "--authfile", file, "--username", user, "--password", password, host], env=environment)

    def local(self, text):
        """The text of a recipe, with the local registry in the place of the one that it names."""
        return text.replace("registry.example", self.registry.host)

    def shell(self, text, cwd, environment):
        """A recipe as somebody runs it: exit status and what it said."""
        return harness.run(["bash", "-euo", "pipefail", "-c", self.local(text)], cwd=cwd, env=environment)

    def must(self, text, cwd, environment):
        status, said = self.shell(text, cwd, environment)
        if status:
            raise RuntimeError(f"{text}\nexit status {status}\n{said}")
        return said.strip()

    def deployed(self, name, environment):
        """The digest that the registry has for a name."""
        return self.must(f"skopeo inspect --format '{{{{.Digest}}}}' docker://{self.registry.host}/{name}", "/", environment)

    def host_repository(self, name, folder):
        """Puts a repository where git finds it as https://git.example/NAME."""
        harness.must(["git", "clone", "-q", "--bare", f"file://{folder}", os.path.join(self.repositories, name)])

    def clone(self, origin, depth=None):
        folder = os.path.join(self.folder_for("clone"), "app")
        harness.must(["git", "clone", "-q", *(["--depth", str(depth)] if depth else []), f"file://{origin}", folder])
        return folder

    def job(self, origin, store, **contexts):
        """A runner of GitHub's with an empty workspace, and what stands in for the actions that recipes use."""
        folder = self.folder_for("runner")
        workspace = os.path.join(folder, "app")
        os.mkdir(workspace)

        def checkout(job, inputs):
            harness.must(["git", "clone", "-q", "--depth", "1", f"file://{origin}", workspace])
            if inputs.get("submodules") == "true":
                fixtures.action(os.path.join(folder, "source"))
                shutil.copytree(os.path.join(folder, "source/_actions/OWNER/restamp/v0"), os.path.join(workspace, "restamp"))

        def build(job, inputs):
            harness.must([f"{self.tools}/build-stand-in", "--output", inputs["outputs"], inputs["context"]],
                         cwd=workspace, env=job.environment)

        def login(job, inputs):
            self.login(job.environment, inputs["registry"], inputs["username"], inputs["password"])

        stand_ins = {"actions/checkout": checkout, "docker/setup-buildx-action": lambda job, inputs: None,
                     "docker/build-push-action": build, "docker/login-action": login,
                     # The stand-in for cosign is on the PATH already.
                     "sigstore/cosign-installer": lambda job, inputs: None,
                     "actions/cache": runner.cache_stand_in(store)}
        sha = fixtures.git(origin, "rev-parse", "HEAD").strip()
        github = {"server_url": self.server.url, "sha": sha, "run_id": str(self.count)}
        return runner.Job(folder, workspace, self.environment(), stand_ins, github, **contexts)
