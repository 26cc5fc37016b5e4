"""Root filesystems with databases of package managers: of real packages where they can be had, else from documents."""

import glob
import gzip
import os
import sqlite3
import tarfile

from harness import must, write

DEBIAN_RELEASE = ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
                  "VERSION_CODENAME=bookworm\nID=debian\n")
DEBIAN_SOURCES = ("Types: deb\n# http://snapshot.debian.org/archive/debian/20260101T000000Z\n"
                  "URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n")
# Small packages with changelogs, an epoch, a source package of another name and version among them.
PACKAGES = ("base-files", "bash", "bsdutils", "libc6", "libgcc-s1", "login", "tzdata", "zlib1g")


def downloaded(folder):
    """Packages of Debian, by apt-get."""
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o777)
    must(["apt-get", "download", "-qq", *PACKAGES], cwd=folder)
    return sorted(glob.glob(f"{folder}/*.deb"))


def control(package):
    return must(["dpkg-deb", "--field", package])


def debian(root, packages, style):
    """`full`, `slim` without /usr/share/doc, or `distroless`, with a file in status.d for each package."""
    os.makedirs(root)
    for package in packages:
        must(["dpkg-deb", "--extract", package, root])
    if style == "slim":
        must(["rm", "-r", f"{root}/usr/share/doc"])
    write(f"{root}/usr/lib/os-release", DEBIAN_RELEASE)
    if style == "distroless":
        for package in packages:
            write(f"{root}/var/lib/dpkg/status.d/{os.path.basename(package).split('_')[0]}", control(package))
        return
    texts = [control(package).replace("\n", "\nStatus: install ok installed\n", 1) for package in packages]
    write(f"{root}/var/lib/dpkg/status", "\n".join(texts))
    for folder in ("info", "updates"):
        os.makedirs(f"{root}/var/lib/dpkg/{folder}", exist_ok=True)
    write(f"{root}/etc/apt/sources.list.d/debian.sources", DEBIAN_SOURCES)
    os.utime(f"{root}/etc/apt/sources.list.d/debian.sources", (1767225600, 1767225600))


def dpkg_query(root):
    """What dpkg itself says is installed, as lines of packages.dpkg."""
    form = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n"
    lines = must(["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={form}"]).splitlines()
    found = []
    for name, version, architecture, source, source_version in (line.split("\t") for line in lines):
        more = "" if source_version == version else f" ({source_version})"
        found.append(f"{name}\t{version}\t{architecture}\t{source}{more}\t-")
    return sorted(found)


def alpine(root):
    """By apk-tools' description of its database (apk-package(5))."""
    write(f"{root}/etc/os-release", 'ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n')
    text = ("C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:401184\nI:667648\nT:the musl c library\n"
            "o:musl\nm:Maintainer <a@b>\nt:1709306134\nc:abc\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld-musl-x86_64.so.1\n"
            "a:0:0:755\nZ:Q1Nd5/WzMV7nGGOTLHRbVMyFqKCZo=\n\n"
            "P:busybox\nV:1.36.1-r29\nA:x86_64\no:busybox\nt:1718000000\n\n")
    write(f"{root}/lib/apk/db/installed", text)


SPEC = """Name: lock-test
Version: 1.0
Release: 2%{{?dist}}
Epoch: 1
Summary: test
License: MIT
BuildArch: noarch
%description
test
{subpackages}
%files
"""


def rpms(folder, count):
    """Packages that rpmbuild makes: one with an epoch, and subpackages whose long descriptions make large headers."""
    parts = "".join(f"%package part{number}\nSummary: part\n%description part{number}\n{'text ' * 40 * number}\n"
                    f"%files part{number}\n" for number in range(count))
    write(f"{folder}/lock-test.spec", SPEC.format(subpackages=parts))
    must(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", f"{folder}/lock-test.spec"])
    return sorted(glob.glob(f"{folder}/RPMS/*/*.rpm"))


def fedora(root, packages):
    """rpm's own database of these, in the form of SQLite, which Fedora has."""
    write(f"{root}/usr/lib/os-release", "ID=fedora\nVERSION_ID=40\n")
    database = f"{root}/usr/lib/sysimage/rpm"
    os.makedirs(database)
    must(["rpm", *RPM, "--dbpath", database, "--justdb", "--nodeps", "--nodigest", "--nosignature", "--install", *packages])
    # What is left in the log is written into the file, as it is when rpm is closed by the last process.
    with sqlite3.connect(f"{database}/rpmdb.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    form = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\tsha256-header:%{SHA256HEADER}\\n"
    return sorted(must(["rpm", *RPM, "--dbpath", database, "--query", "--all", "--queryformat", form]).splitlines())


RPM = ("--define", "_db_backend sqlite")


def arch(root, folder):
    """pacman's own database of packages that are made here (BUILDINFO(5), PKGINFO)."""
    os.makedirs(f"{root}/var/lib/pacman")
    os.makedirs(f"{root}/var/log")
    files = []
    for name, version in (("lock-a", "1.0-1"), ("lock-b", "2:3.1+r4-2")):
        info = (f"pkgname = {name}\npkgbase = lock-base\npkgver = {version}\npkgdesc = test\nbuilddate = 1705923344\n"
                "packager = a\nsize = 1\narch = any\n")
        write(f"{folder}/{name}/.PKGINFO", info)
        write(f"{folder}/{name}/usr/share/{name}", "x")
        path = f"{folder}/{name}-{version.replace(':', '_')}-any.pkg.tar.gz"
        with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(f"{folder}/{name}/.PKGINFO", ".PKGINFO")
            tar.add(f"{folder}/{name}/usr", "usr")
        files.append(path)
    write(f"{folder}/pacman.conf", "[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n")
    must(["pacman", "--config", f"{folder}/pacman.conf", "--root", root, "--dbpath", f"{root}/var/lib/pacman", "--logfile",
          f"{root}/var/log/pacman.log", "--cachedir", f"{folder}/cache", "--noconfirm", "--noscriptlet", "-U", *files])
    write(f"{root}/etc/os-release", "ID=arch\n")
    write(f"{root}/etc/pacman.d/mirrorlist", "Server=https://archive.archlinux.org/repos/2024/02/01/$repo/os/$arch\n")
    listed = must(["pacman", "--config", f"{folder}/pacman.conf", "--root", root, "--dbpath", f"{root}/var/lib/pacman", "-Q"])
    return sorted("{}\t{}\tany\tlock-base\t-".format(*line.split()) for line in listed.splitlines())
