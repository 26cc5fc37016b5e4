"""The large images that `make` leaves, looked at with the programs in them, as a container would run them."""

import os

import images
from cases import EVERY, rule

# Asks each interpreter's own import machinery about every .pyc of a version; -v prints a line for each that matches.
WALK = """import importlib.machinery as m, os, sys
sys.dont_write_bytecode = True
tried = 0
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            if folder.endswith("__pycache__") and name.endswith("." + sys.implementation.cache_tag + ".pyc"):
                source = os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
                if name.count(".") == 2 and os.path.exists(source):
                    tried += 1
                    m.SourceFileLoader("x", source).get_code("x")
print("\\ntried", tried)
"""
# Python 2 has no such thing: modules that import without effect.
OLD = "import calendar, csv, decimal, email, fractions, heapq, json, logging, optparse, pickle, sets, string, urllib2, uuid, zipfile"
INTERPRETERS = {
    "python": [("/opt/venv/bin/python", "/opt/venv /usr/lib/python3 /usr/lib/python3.11")],
    "pythons": [("/usr/bin/pypy3", "/usr/lib/pypy3.9"), ("/opt/python3.6/bin/python3.6", "/opt/python3.6/lib/python3.6"),
                ("/opt/python3.13/bin/python3.13", "/opt/python3.13/lib/python3.13"), ("/opt/python2.7/bin/python2.7", None)],
}
IMPORTS = "import django, flask, numpy, sqlalchemy, rich, requests"


def valid_copies(root, name):
    """For each interpreter of an image: how many .pyc it takes as they are, and how many there are."""
    found = {}
    for program, places in INTERPRETERS.get(name, []):
        if not os.path.lexists(root + program):
            continue
        # The library of those that were built elsewhere.
        library = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")
        if places:
            with open(f"{root}/tmp/walk.py", "w", encoding="utf-8") as file:
                file.write(WALK)
            text, status = images.run_inside(root, f"{program} -B -v /tmp/walk.py {places} 2>&1", LD_LIBRARY_PATH=library)
            os.remove(f"{root}/tmp/walk.py")
        else:
            text, status = images.run_inside(root, f"{program} -B -v -c '{OLD}' 2>&1", LD_LIBRARY_PATH=library)
        if status != 0:
            raise RuntimeError(f"{program}: exit status {status}\n{text[-1000:]}")
        lines = text.splitlines()
        matches = {line.split()[1] for line in lines if line.startswith("# ") and " matches " in line}
        if places:
            tried = next(int(line.split()[1]) for line in lines if line.startswith("tried "))
            # What the interpreter itself imports before the walk is counted by it as well, once.
            found[program] = (len(matches), tried)
        else:
            stale = sum("has bad mtime" in line or "can't create" in line or "wrote " in line for line in lines)
            found[program] = (len(matches), len(matches) + stale)
    return found


def import_once(root):
    """Wall and CPU seconds of an import of the larger packages; nothing is written, as on a read-only root."""
    script = ("import resource, subprocess, sys, time; start = time.perf_counter(); "
              f"subprocess.run([sys.executable, '-B', '-c', '{IMPORTS}'], check=True); wall = time.perf_counter() - start; "
              "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(wall, used.ru_utime + used.ru_stime)")
    text, status = images.run_inside(root, f'/opt/venv/bin/python -c "{script}"')
    if status != 0:
        raise RuntimeError(text)
    return [float(word) for word in text.split()[-2:]]


def font_caches(root):
    """How many of fontconfig's caches are taken as they are, and how many there are."""
    text, _ = images.run_inside(root, "FC_DEBUG=16 fc-list")
    lines = [line.split() for line in text.splitlines() if line.startswith("FcCacheTimeValid")]
    good = {words[2] for words in lines if words[-1] == words[-4]}
    return len(good), len({words[2] for words in lines})


def boot_events(root):
    """How many entries of bootsnap's cache are missed or stale, and how many there are."""
    look = ('text = File.read("/rails/boot.rb"); report = "Bootsnap.instrumentation = ->(event, path) { puts event if '
            'path.start_with?(%q(/rails/)) && event != :hit }"; eval(text.sub(/^require "yaml"/) { report + "\\n" + $& })')
    text, status = images.run_inside(root, f"ruby -e '{look}'")
    return None if status else len(text.split())


def python_images(name):
    def group(bench):
        build = f"{bench.images}/{name}.1"
        before = bench.unpack(build)
        for program, (valid, tried) in valid_copies(before, name).items():
            bench.expect(f"{program}: valid as built ({tried})", valid >= tried > 0, (valid, tried))
        images.must(["rm", "-rf", before])
        for options in ([], ["--clamp"], ["--repair", "all", "--omit", "logs,caches"]):
            root = bench.stamped(build, *options)
            if not root:
                continue
            for program, (valid, tried) in valid_copies(root, name).items():
                bench.expect(f"{program}: valid after {' '.join(options) or 'set'} ({tried})", valid >= tried > 0, (valid, tried))
            images.must(["rm", "-rf", root])
    group.__name__ = f"image_{name}"
    return group


# Each image's own programs, after --repair all.
SCRIPTS = {
    "java": "keytool -list -storepass changeit -keystore /etc/ssl/certs/java/cacerts >/dev/null 2>&1; java -Xshare:on "
            "-XX:SharedArchiveFile=/app/app.jsa -cp /usr/share/java/junit4.jar:/usr/share/java/hamcrest.jar junit.runner.Version",
    "fonts": "test $(fc-list | wc -l) -gt 20",
    "nginx": "nginx -t",
    "rails": "ruby /rails/boot.rb",
    "node": "cd /app; node -e 'require(\"express\")(); require(\"fastify\"); console.log(require(\"lodash\").VERSION)'",
    "build": "printf 'int main(){return 0;}' >/tmp/a.c; gcc -static -o /tmp/a /tmp/a.c; /tmp/a; ar t $(gcc -print-file-name=libc.a) | grep -q printf.o; "
             "perl -MEncode -e 1",
    "php": "php -d opcache.enable_cli=1 -d opcache.file_cache=/var/cache/opcache -d opcache.file_cache_only=1 /srv/php/index.php | grep 8039",
}


def runs(name):
    def group(bench):
        for options in ([], ["--repair", "all", "--omit", "logs,caches"]):
            text = " ".join(options) or "the default"
            root = bench.stamped(f"{bench.images}/{name}.1", *options)
            if not root:
                continue
            if name == "fonts":
                valid, there = font_caches(root)
                bench.expect(f"caches are valid after {text} ({there})", valid == there > 0, (valid, there))
            if name == "rails":
                bench.same(f"bootsnap's entries are hits after {text}", 0, boot_events(root))
            if name != "java" or options:
                said, status = images.run_inside(root, SCRIPTS[name])
                bench.expect(f"its programs run after {text}", status == 0, said)
            images.must(["rm", "-rf", root])
    group.__name__ = f"image_{name}"
    return group


def equal_builds(bench):
    """Two builds of the Python image come out equal."""
    options = ["--repair", "all", "--omit", "logs,caches"]
    for mode in EVERY:
        outs = [bench.rewrite(f"{bench.images}/python.{number}", *options, *rule(mode)) for number in (1, 2)]
        if all(outs):
            text, status = bench.run("diff", *outs)
            bench.expect(f"two builds are equal after {' '.join(options)}, {mode}", status == 0, text)


def groups(folder):
    """A group for each image that is there."""
    found = [python_images(name) for name in INTERPRETERS if os.path.isdir(f"{folder}/{name}.1")]
    found += [runs(name) for name in SCRIPTS if os.path.isdir(f"{folder}/{name}.1")]
    if os.path.isdir(f"{folder}/python.2"):
        found.append(equal_builds)
    return found
