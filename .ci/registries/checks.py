"""What holds at every registry: digests, who pulls them, credentials, what is about an image."""

import json
import os

import consumers
from tokens import IDENTITY
from wire import INDEX, MANIFEST, Tunnel, sha256
from work import DATA, EPOCH

# Images of testdata/ as a builder would push them: repository, skopeo's name, options of restamp.
IMAGES = [
    ("hello", f"oci-archive:{DATA}/hello.oci.tar:1", []),
    # Two platforms with attestations; zstd layers; the media types of Docker.
    ("multi", f"oci-archive:{DATA}/multi.oci.tar", []),
    ("zoo", f"oci-archive:{DATA}/zoo.oci.tar", []),
    ("schema2", f"docker-archive:{DATA}/hello.tar:hello:1", []),
]


def seed(work, who, kind, repository, image):
    """Puts an image into a registry with skopeo, every byte as it is; its digest."""
    options = ["--dest-authfile", kind.config] if kind.config else []
    options += ["--dest-cert-dir", os.path.dirname(who.alone(kind))] if kind.authority else ["--dest-tls-verify=false"]
    # Docker's archives have layers without compression and no manifest to preserve.
    options += [] if image.startswith("docker-archive") else ["--preserve-digests"]
    work.run(["skopeo", "--policy", who.policy, "copy", "-q", "--all", *options, image, f"docker://{kind.address}/{repository}:1"])


def digests(work, who, kind, images=IMAGES):
    """Rewrites from registry to registry; what is printed is what the registry has and what all who pull see."""
    for name, image, options in images:
        seed(work, who, kind, "src/" + name, image)
        to = f"new/{name}"
        digest, said = rewrite(work, kind, *options, f"src/{name}:1", f"{to}:1")
        work.check(f"{kind.name}, {name}: restamp prints what to deploy", said.rstrip().endswith(f"{kind.host}/{to}@{digest}"), said)
        if kind.client:
            work.same(f"{kind.name}, {name}: the tag in the registry", digest, kind.client.tag(to, "1"))
        pulled(work, who, kind, name, to, digest)
        work.restamp("check", "-q", "--epoch", EPOCH, *kind.options, f"{kind.image(to)}:1", before=kind.before)
        # The very same from restamp after skopeo has copied the image into a folder.
        if kind.client and name != "schema2":
            copy, new = work.new("copy"), work.new("new")
            work.run(["skopeo", "--policy", who.policy, "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false",
                      f"docker://{kind.address}/src/{name}:1", f"oci:{copy}:1"])
            by_skopeo, _ = work.rewrite("oci:" + copy, "oci:" + new)
            work.same(f"{kind.name}, {name}: skopeo copy and restamp give the same", digest, by_skopeo)
            direct, _ = work.rewrite(f"{kind.image('src/' + name)}:1", "oci:" + work.new("new"))
            work.same(f"{kind.name}, {name}: from the registry to a folder as well", digest, direct)


def rewrite(work, kind, *arguments):
    """The last two arguments are a source and a destination of the registry."""
    *options, source, to = arguments
    return work.rewrite(*kind.options, *options, kind.image(source), kind.image(to), before=kind.before)


def pulled(work, who, kind, name, repository, digest):
    # docker 20.10 has no zstd; zoo has places for times that no runtime unpacks.
    names = ["skopeo"] if name == "zoo" else list(consumers.ALL)
    for consumer in names:
        for reference in (":1", "@" + digest):
            shown = "tag" if reference == ":1" else "digest"
            found = who.pull(consumers.ALL[consumer], kind, repository, reference)
            work.check(f"{kind.name}, {name}: {consumer} pulls by {shown} and sees the same", digest in found, f"{digest} is not in {found}")


def zstd(work, who, kind):
    """Layers of zstd, for those that know it."""
    digest, _ = rewrite(work, kind, "--compression", "zstd", "src/hello:1", "new/zstd:1")
    for consumer in ("skopeo", "podman", "containerd"):
        found = who.pull(consumers.ALL[consumer], kind, "new/zstd", ":1")
        work.check(f"{kind.name}, zstd layers: {consumer} sees the same", digest in found, f"{digest} is not in {found}")
    layers = kind.client.manifest("new/zstd", "1")["layers"]
    work.check(f"{kind.name}: they are of zstd", all(layer["mediaType"].endswith("+zstd") for layer in layers), layers)
    # Docker's own media types, by the image ID, which both ways have.
    new = [work.new("new") for _ in range(2)]
    work.run(["skopeo", "--policy", who.policy, "copy", "-q", "--src-tls-verify=false", f"docker://{kind.address}/src/schema2:1",
              f"docker-archive:{new[0]}:hello:1"])
    ids = set()
    for source in ("docker-archive:" + new[0], kind.image("src/schema2:1")):
        report = json.loads(work.restamp("rewrite", "--json", source, "docker-archive:" + work.new("out.tar")).stdout)
        ids.add(report["images"][0]["config"]["new"])
    work.same(f"{kind.name}, schema2: one image ID from the registry and from an archive of it", 1, len(ids))


def refused(work, kind):
    """Who has no credentials, or wrong ones, is told so, and nothing is pushed."""
    path = wrong(work, kind)
    for name, options, helps in [("no", [], "docker login"), ("wrong", ["--authfile", path], path)]:
        done = work.restamp("rewrite", *options, "--retries", "0", kind.image("src/hello:1"), kind.image("new/no:1"), status=2)
        work.check(f"{kind.name}, {name} credentials: 401, and what helps", "401" in done.stderr and helps in done.stderr, done.stderr)
    tags = work.restamp("inspect", *kind.options, kind.image("new/no:1"), status=2)
    work.check(f"{kind.name}: nothing was pushed", "no image of this name" in tags.stderr, tags.stderr)


def across(work, one, other):
    """From one registry to another, and back: nothing can be mounted, and the digest is the same."""
    digest, _ = work.rewrite(one.image("src/hello:1"), one.image("new/here:1"))
    there, _ = work.rewrite(*other.options, one.image("src/hello:1"), other.image("new/across:1"))
    work.same(f"{one.name} to {other.name}: the same digest", digest, there)
    back, _ = work.rewrite(*other.options, other.image("new/across:1"), one.image("new/back:1"))
    work.same(f"{other.name} to {one.name}: what is restamped stays as it is", digest, back)
    work.same(f"{one.name}: the tag in the registry", digest, one.client.tag("new/back", "1"))


def wrong(work, kind):
    # "tester:wrong"
    return work.file("config.json", json.dumps({"auths": {kind.host: {"auth": "dGVzdGVyOndyb25n"}}}))


def places(work, kind):
    """Where credentials are found: docker's folder, podman's file, a helper."""
    folder = os.path.dirname(kind.config)
    found = [("REGISTRY_AUTH_FILE", {"REGISTRY_AUTH_FILE": kind.config}), ("DOCKER_CONFIG", {"DOCKER_CONFIG": folder})]
    runtime = os.path.dirname(work.new("runtime"))
    os.makedirs(os.path.join(runtime, "containers"))
    os.link(kind.config, os.path.join(runtime, "containers", "auth.json"))
    found.append(("XDG_RUNTIME_DIR", {"XDG_RUNTIME_DIR": runtime}))
    helper = work.new("docker-credential-test")
    user, password = kind.user.split(":")
    with open(helper, "w") as file:
        file.write(f'#!/bin/sh\ncat >/dev/null\necho \'{{"ServerURL":"x","Username":"{user}","Secret":"{password}"}}\'\n')
    os.chmod(helper, 0o755)
    config = work.file("config.json", json.dumps({"credHelpers": {kind.host: "test"}}))
    path = os.path.dirname(helper) + os.pathsep + os.environ["PATH"]
    found.append(("a credential helper", {"DOCKER_CONFIG": os.path.dirname(config), "PATH": path}))
    for name, environment in found:
        done = work.restamp("inspect", "--digest", kind.image("src/hello:1"), **environment)
        work.check(f"{kind.name}: credentials by {name}", done.stdout.startswith("sha256:"), done.stdout)


def follows(work, kind):
    """An SBOM that is about an image is about what becomes of it, in the registry's list or the tag that stands in for one."""
    client = kind.client
    has_list = client.call("GET", f"/v2/src/hello/referrers/{client.tag('src/hello', '1')}")[0] == 200
    # Another repository, so that this image alone has it.
    work.restamp("rewrite", "-q", "--epoch", "1600000000", kind.image("src/hello:1"), kind.image("src/sbom:1"))
    subject = client.tag("src/sbom", "1")
    size = len(client.expect([200], "GET", "/v2/src/sbom/manifests/1", Accept=MANIFEST)[1])
    about = {"mediaType": MANIFEST, "digest": subject, "size": size}
    content, empty = b'{"bomFormat":"CycloneDX","specVersion":"1.5"}', b"{}"
    for blob in (content, empty):
        client.put_bytes("src/sbom", blob)
    artifact = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.cyclonedx+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(empty), "size": 2},
        "layers": [{"mediaType": "application/vnd.cyclonedx+json", "digest": sha256(content), "size": len(content)}], "subject": about,
    }).encode()
    digest = client.put_manifest("src/sbom", sha256(artifact), artifact)
    if not has_list:
        listed = {"mediaType": MANIFEST, "digest": digest, "size": len(artifact), "artifactType": "application/vnd.cyclonedx+json"}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}).encode()
        client.put_manifest("src/sbom", subject.replace(":", "-"), index, INDEX)
    for run in ("first", "second"):
        new, _ = work.rewrite(kind.image("src/sbom:1"), kind.image("new/sbom:1"))
        path = f"/v2/new/sbom/referrers/{new}" if has_list else f"/v2/new/sbom/manifests/{new.replace(':', '-')}"
        listed = [one["digest"] for one in client.json(path, Accept=INDEX)["manifests"]]
        if not work.same(f"{kind.name}, SBOM, {run} run: one is in the {'list of the registry' if has_list else 'fallback tag'}", 1, len(listed)):
            return
    found = client.manifest("new/sbom", listed[0])
    work.same(f"{kind.name}, SBOM: its subject is the new image", new, found["subject"]["digest"])
    work.same(f"{kind.name}, SBOM: its type", "application/vnd.cyclonedx+json", found["artifactType"])
    blob = client.expect([200], "GET", f"/v2/new/sbom/blobs/{found['layers'][0]['digest']}")[1]
    work.check(f"{kind.name}, SBOM: its bytes", blob == content, blob)


def scopes(work, kind):
    """Tokens are asked for with what is to be done, and no more often than needed; an identity token is one for others."""
    asked = kind.tokens.asked
    asked.clear()
    rewrite(work, kind, "src/hello:1", "new/scopes:1")
    found = {scope for _, scopes in asked for scope in scopes}
    allowed = {"repository:src/hello:pull", "repository:new/scopes:pull", "repository:new/scopes:pull,push"}
    work.check(f"{kind.name}: {len(asked)} tokens for one run, none to push to the source", found <= allowed and len(asked) <= 4, asked)
    config = work.file("config.json", json.dumps({"auths": {kind.host: {"identitytoken": IDENTITY}}}))
    asked.clear()
    digest, _ = work.rewrite("--authfile", config, kind.image("src/hello:1"), kind.image("new/identity:1"))
    work.check(f"{kind.name}: an identity token", digest.startswith("sha256:") and {method for method, _ in asked} == {"POST"}, asked)


def authority(work, kind):
    """A certificate of an authority that nobody knows is refused, unless that is named; also through a proxy."""
    image = kind.image("src/hello:1")
    done = work.restamp("inspect", "--retries", "0", image, status=2, before=kind.before)
    work.check(f"{kind.name}: an unknown authority is refused", "certificate" in done.stderr.lower(), done.stderr)
    other = work.file("other.crt", "no certificate\n")
    done = work.restamp("inspect", "--tls-ca", other, image, status=2, before=kind.before)
    work.check(f"{kind.name}: a file without a certificate is an error", "--tls-ca" in done.stderr, done.stderr)
    done = work.restamp("inspect", "--digest", image, before=kind.before, SSL_CERT_FILE=kind.authority)
    work.check(f"{kind.name}: SSL_CERT_FILE names it as well", done.stdout.startswith("sha256:"), done.stderr)
    proxy = Tunnel()
    done = work.restamp("inspect", "--digest", *kind.options, image, before=kind.before, HTTPS_PROXY=proxy.url)
    work.check(f"{kind.name}: HTTPS_PROXY is asked for the registry", done.stdout.startswith("sha256:") and set(proxy.asked) == {kind.host},
               (done.stderr, proxy.asked))
