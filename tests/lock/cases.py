"""What `restamp lock` says of images, and what it should say."""

import json
import os

import harness
import images
import policy
import roots
from harness import read, run


class Place:
    """A folder for images and locks, and the program."""

    def __init__(self, restamp, folder, results):
        self.restamp, self.folder, self.results, self.count = restamp, folder, results, 0

    def path(self, name):
        self.count += 1
        return os.path.join(self.folder, f"{self.count}-{name}")

    def image(self, name, *trees):
        """An image of one layer a tree."""
        layout = images.Layout(self.path(name), name)
        for root in trees:
            layout.add(root, images.by_name(images.snapshot(root)))
        layout.finish()
        return layout.path

    def lock(self, what, source, status=0, *options):
        """The files of a lock; two runs give the same, and the policy is one of BuildKit's."""
        outs = [self.path("lock") for _ in range(2)]
        for out in outs:
            found, said = run([self.restamp, "lock", "--quiet", source, "--out", out, *options])
            self.results.same(f"{what}: exit status", status, found, said)
        found = [{name: read(os.path.join(out, name)) for name in os.listdir(out)} for out in outs]
        self.results.expect(f"{what}: two runs give the same {len(found[0])} files", found[0] == found[1])
        rules = json.loads(found[0]["source-policy.json"])
        self.results.same(f"{what}: the policy is one of BuildKit's", [], policy.faults(rules) + policy.unpinned(rules))
        return found[0], json.loads(found[0]["lock.json"])


def listed(files, manager):
    return sorted(files[f"packages.{manager}"].splitlines())


def snapshot(lock):
    return [lock["origin"]["snapshot"][key] for key in ("date", "how")]


def debian(place):
    results, packages = place.results, roots.downloaded(place.path("debs"))
    trees = {}
    for style in ("full", "slim", "distroless"):
        trees[style] = place.path(style)
        roots.debian(trees[style], packages, style)
    expected = roots.dpkg_query(trees["full"])
    results.same("dpkg-query lists as many packages as were downloaded", len(packages), len(expected))
    for style in ("full", "slim", "distroless"):
        files, lock = place.lock(f"Debian, {style}", place.image(style, trees[style]))
        results.same(f"Debian, {style}: the packages are those of dpkg-query", expected, listed(files, "dpkg"))
        results.same(f"Debian, {style}: the suite", "bookworm", lock["origin"]["distribution"]["version_codename"])
        kinds = {candidate["kind"]: candidate for candidate in lock["origin"]["snapshot"]["candidates"]}
        if style == "full":
            # The changelogs are of the packages themselves.
            results.has(f"Debian, {style}: dates", kinds, ["snapshot-address", "changelog", "created", "mtime"])
            results.has(f"Debian, {style}: Dockerfile", files["Dockerfile.pinned"],
                        ["ARG SNAPSHOT=20260101T000000Z", "snapshot.debian.org/archive/debian/${SNAPSHOT} bookworm main"])
        if style != "distroless":
            results.same(f"Debian, {style}: the snapshot", ["2026-01-01T00:00:00Z", "stated"], snapshot(lock))
    part = place.path("part")
    roots.debian(part, packages[:3], "full")
    base = place.image("base", part)
    image = place.image("app", part, trees["full"])
    files, lock = place.lock("Debian with --base", image, 0, "--base", base)
    known = roots.dpkg_query(part)
    results.same("Debian with --base: what it adds", [line for line in expected if line not in known], listed(files, "dpkg"))
    results.same("Debian with --base: the base is found", ["derived"],
                 [found["how"] for found in lock["origin"]["base"] if found["from"].startswith("--base")])


def two_builds(place):
    """Two builds of the same packages, in another order and at another time, restamped to one epoch: the same lock."""
    packages, locks = roots.downloaded(place.path("debs")), []
    for number, order in enumerate((packages, packages[::-1])):
        root = place.path("root")
        roots.debian(root, order, "full")
        roots.write(f"{root}/var/log/number", str(number))
        stamped = place.path("stamped")
        harness.must([place.restamp, "rewrite", "-q", "--epoch", "1767225600", place.image(f"build{number}", root), stamped])
        locks.append(place.lock(f"build {number}", stamped)[0])
    place.results.expect("two builds that were restamped are two images, with one lock", locks[0] == locks[1])


def ubuntu(place):
    """From the format's documents: the database is dpkg's, of real packages of Debian; names and lists are Ubuntu's."""
    results, root = place.results, place.path("ubuntu")
    roots.debian(root, roots.downloaded(place.path("debs")), "slim")
    os.remove(f"{root}/etc/apt/sources.list.d/debian.sources")
    roots.write(f"{root}/usr/lib/os-release", 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n')
    sources = f"{root}/etc/apt/sources.list.d/ubuntu.sources"
    roots.write(sources, "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nSuites: noble\nComponents: main universe\n")
    os.utime(sources, (1767225600, 1767225600))
    files, lock = place.lock("Ubuntu, by hand", place.image("ubuntu", root))
    results.same("Ubuntu, by hand: packages", roots.dpkg_query(root), listed(files, "dpkg"))
    results.same("Ubuntu, by hand: the snapshot is a guess", ["2026-01-01T00:00:00Z", "guess"], snapshot(lock))
    results.has("Ubuntu, by hand: Dockerfile", files["Dockerfile.pinned"],
                ["http://snapshot.ubuntu.com/ubuntu/${SNAPSHOT} noble main universe", "# snapshot, guess: mtime of"])


def alpine(place):
    root = place.path("alpine")
    roots.alpine(root)
    files, lock = place.lock("Alpine, by hand", place.image("alpine", root))
    place.results.same("Alpine, by hand: packages", ["busybox\t1.36.1-r29\tx86_64\tbusybox\t-",
                       "musl\t1.2.5-r0\tx86_64\tmusl\tsha1-control:a8a719fa3db7c6cb005e681086438ef1d1e76d6c"],
                       listed(files, "apk"))
    place.results.same("Alpine, by hand: the youngest package", ["2024-06-10T06:13:20Z", "derived"], snapshot(lock))


def fedora(place):
    results, packages = place.results, roots.rpms(place.path("rpms"), 120)
    root = place.path("fedora")
    expected = roots.fedora(root, packages)
    results.same("rpm lists as many packages as were installed", len(packages), len(expected))
    files, lock = place.lock("Fedora, rpm's database", place.image("fedora", root))
    results.same("Fedora: the packages are those of rpm --query", expected, listed(files, "rpm"))
    results.has("Fedora: Dockerfile", files["Dockerfile.pinned"], ["'lock-test-part3-1:1.0-2.noarch'", "dnf -y install"])
    results.same("Fedora: the youngest package", "derived", snapshot(lock)[1])
    # The forms that are not read are named.
    old = place.path("old")
    roots.write(f"{old}/var/lib/rpm/Packages", "x")
    files, lock = place.lock("Berkeley DB", place.image("old", old), 1)
    results.has("Berkeley DB is named", lock["origin"]["problems"][0], ["var/lib/rpm/Packages", "Berkeley DB"])


def arch(place):
    root = place.path("arch")
    expected = roots.arch(root, place.path("packages"))
    files, lock = place.lock("Arch, pacman's database", place.image("arch", root))
    place.results.same("Arch: the packages are those of pacman", expected, listed(files, "pacman"))
    place.results.same("Arch: the snapshot", ["2024-02-01T00:00:00Z", "stated"], snapshot(lock))
    place.results.has("Arch: Dockerfile", files["Dockerfile.pinned"], ["ARG SNAPSHOT=2024/02/01", "'lock-a'"])


def buildkit(place, shared):
    """An image that BuildKit built, with provenance of mode=max: what it states is pinned."""
    source = os.path.join(shared, "corpus/buildkit/run1/in-oci-attest.tar")
    digest = "sha256:094a269dede9209d39d0155aa0cc970318eed70d63428cc3248f6116b9898e7d"
    files, lock = place.lock("BuildKit", source)
    results, name = place.results, "docker.io/library/base"
    results.same("BuildKit: the base", [(name, digest)], [(base["name"], base["digest"]) for base in lock["origin"]["base"]])
    pinned = policy.evaluate(json.loads(files["source-policy.json"]), f"docker-image://{name}:latest")
    results.same("BuildKit: what its engine takes for the base", (f"docker-image://{name}@{digest}", {}), pinned)
    results.has("BuildKit: Dockerfile", files["Dockerfile.pinned"], [f"\nFROM {name}@{digest}\n"])
