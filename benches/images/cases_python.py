"""Python's .pyc, of every generation that is here: right ones stay right, stale ones stay stale."""

import glob
import os
import re

from cases import BUILT, EPOCH, EVERY, Build, do, here, need, put, read, rule, u32

PYENV = os.path.expanduser(os.environ.get("PYENV_ROOT", "~/.pyenv")) + "/versions"


def compiled(root, python="/usr/bin/python3", options=""):
    do(root, f"{python} {options} -m compileall -q /srv/app")


def first(root):
    """The program and its .pyc."""
    put(root, "srv/app/conf.py", "PORT = 8080\n")
    compiled(root)


def edited(root):
    """Another program of the same size."""
    put(root, "srv/app/conf.py", "PORT = 9090\n", BUILT + 5000)


def python(root, program="/usr/bin/python3"):
    """What the program prints, and if Python took the .pyc."""
    text, _ = here(root, f"cd /srv/app; {program} -B -v -c 'import conf; print(conf.PORT)' 2>&1")
    lines = text.splitlines()
    value = next((line for line in lines if line in ("8080", "9090")), text[-300:])
    return value, any(re.match(r"# (\S*/)?conf\.(\S+\.)?pyc matches ", line) for line in lines)


def python_follows(bench):
    """A right .pyc stays right, also the second time."""
    need("python3")
    image = Build(bench, "app").step(first).finish()
    bench.same("valid as built", ("8080", True), python(bench.unpack(image)))
    for mode in EVERY:
        once = bench.rewrite(image, *rule(mode))
        if once:
            bench.same(f"valid after {mode}", ("8080", True), python(bench.unpack(once)))
            again = bench.rewrite(once, *rule(mode))
            bench.same(f"valid after {mode} twice", ("8080", True), again and python(bench.unpack(again)))
    kept = bench.stamped(image, "--repair", "none")
    bench.same("stale after --repair none, the program the same", ("8080", False), kept and python(kept))


def python_child(bench):
    """A base that was restamped with the same epoch, and an edit of the same size: the old code must not run."""
    need("python3")
    base = bench.rewrite(Build(bench, "base").step(first).finish())
    child = Build(bench, "child", base).step(edited).finish()
    bench.same("as built", "9090", python(bench.unpack(child))[0])
    for mode in EVERY:
        once = bench.rewrite(child, *rule(mode))
        if once:
            root = bench.unpack(once)
            bench.same(f"runs the new code after {mode}", ("9090", False), python(root))
            found = read(root, glob.glob("srv/app/__pycache__/conf.*.pyc", root_dir=root)[0])
            bench.same(f"the stale copy is the epoch XOR 1 after {mode}", EPOCH ^ 1, u32(found, 8))
            again = bench.rewrite(once, *rule(mode))
            bench.same(f"and after {mode} twice", ("9090", False), again and python(bench.unpack(again)))
    none = bench.path("none")
    text, status = bench.run("rewrite", "--epoch", str(EPOCH), "--repair", "none", child, f"oci:{none}")
    bench.expect("--repair none warns of the copy that becomes right", status == 0 and "conf" in text and "warning" in text, text)
    text, status = bench.run("check", "--stale", none)
    bench.expect("which check --stale finds", status == 1 and "1 taken for up to date by mistake" in text, text)
    # The copy is in a layer that stays.
    text, status = bench.run("rewrite", "--epoch", str(EPOCH), "--base", f"oci:{base}", child, "oci:" + bench.path("base"))
    bench.expect("a copy in a base that stays is an error with both paths",
                 status == 2 and "conf.py" in text and ".pyc" in text, f"exit status {status}\n{text}")
    text, status = bench.run("rewrite", "--epoch", str(EPOCH), "--base", f"oci:{base}", "--repair", "ignore-stale", child,
                             "oci:" + bench.path("ignored"))
    bench.expect("--repair ignore-stale goes on", status == 0, f"exit status {status}\n{text}")


def python_two_layers(bench):
    """The copy is right in layer 1; layer 2 replaces its source with one of the same size."""
    need("python3")
    image = Build(bench, "two").step(first).step(edited).finish()
    for mode in EVERY:
        root = bench.stamped(image, *rule(mode))
        bench.same(f"runs the new code after {mode}", ("9090", False), root and python(root))
    # The source is in an earlier layer, and its copy in a later one.
    image = Build(bench, "later").step(lambda root: put(root, "srv/app/conf.py", "PORT = 8080\n")).step(compiled).finish()
    for mode in EVERY:
        root = bench.stamped(image, *rule(mode))
        bench.same(f"a source in an earlier layer, {mode}", ("8080", True), root and python(root))


def python_stale(bench):
    """A stale copy stays stale, and is counted."""
    need("python3")

    def work(root):
        first(root)
        edited(root)

    image = Build(bench, "stale").step(work).finish()
    text, status = bench.run("check", "--stale", image)
    bench.expect("check --stale finds it", status == 1 and "conf" in text, f"exit status {status}\n{text}")
    for mode in EVERY:
        once = bench.rewrite(image, *rule(mode))
        bench.same(f"stale after {mode}", ("9090", False), once and python(bench.unpack(once)))
        text, status = bench.run("check", "--stale", once or image)
        bench.expect(f"check --stale finds it after {mode}", status == 1 and "conf" in text, f"exit status {status}\n{text}")
    good = Build(bench, "good").step(first).finish()
    text, status = bench.run("check", "--stale", good)
    bench.expect("check --stale of a good image", status == 0, f"exit status {status}\n{text}")
    text, status = bench.run("check", "--stale", bench.rewrite(good) or good)
    bench.expect("check --stale after rewrite", status == 0, f"exit status {status}\n{text}")
    text, status = bench.run("check", "--stale", bench.rewrite(good, "--repair", "none") or good)
    bench.expect("check --stale after --repair none", status == 1, f"exit status {status}\n{text}")


def python_hashes(bench):
    """Hash-based .pyc stay byte for byte."""
    need("python3")
    for kind in ("checked-hash", "unchecked-hash"):
        def work(root, kind=kind):
            put(root, "srv/app/conf.py", "PORT = 8080\n")
            do(root, f"/usr/bin/python3 -m compileall -q --invalidation-mode {kind} /srv/app")

        image = Build(bench, kind).step(work).finish()
        before = bench.unpack(image)
        name = glob.glob("srv/app/__pycache__/*.pyc", root_dir=before)[0]
        for options in ([], ["--clamp"], ["--repair", "all"]):
            root = bench.stamped(image, *options)
            bench.expect(f"{kind} {' '.join(options)}", root and read(root, name) == read(before, name), "bytes differ")


def generations():
    """Every Python here: a name, and the program."""
    found = [("Debian's", "/usr/bin/python3")]
    found += [(os.path.basename(path), f"{path}/bin/python") for path in sorted(glob.glob(f"{PYENV}/*"))]
    found += [("pypy3", "/usr/bin/pypy3")]
    return [(name, program) for name, program in found if os.path.exists(program)]


def python_generations(bench):
    """Every layout of .pyc: before 3.3 beside the source and without a size, before 3.7 without flags, PyPy's."""
    need("python3")
    for name, program in generations():
        def work(root, program=program):
            put(root, "srv/app/conf.py", "PORT = 8080\n")
            compiled(root, program)

        image = Build(bench, "generation").step(work).finish()
        bench.same(f"{name}: valid as built", ("8080", True), python(bench.unpack(image), program))
        child = None
        for mode in EVERY:
            once = bench.rewrite(image, *rule(mode))
            bench.same(f"{name}: valid after {mode}", ("8080", True), once and python(bench.unpack(once), program))
            child = child or once
        child = child and Build(bench, "child", child).step(edited).finish()
        root = child and bench.stamped(child)
        bench.same(f"{name}: an edit of the same size", ("9090", False), root and python(root, program))


def python_optimized(bench):
    """Copies that -O and -OO made."""
    need("python3")

    def work(root):
        put(root, "srv/app/conf.py", "PORT = 8080\n")
        compiled(root, options="-O")
        compiled(root, options="-OO")

    image = Build(bench, "optimized").step(work).finish()
    root = bench.stamped(image)
    for option in ("-O", "-OO"):
        bench.same(option, ("8080", True), root and python(root, f"/usr/bin/python3 {option}"))


def python_bases(bench):
    """Layers that stay: a copy above them is held against the source in them, whose mtime does not change."""
    need("python3")
    image = Build(bench, "base").step(lambda root: put(root, "srv/app/conf.py", "PORT = 8080\n")).step(compiled).finish()
    for mode in EVERY:
        root = bench.stamped(image, "--base-layers", "1", *rule(mode))
        bench.same(f"the source is in a base layer, {mode}", ("8080", True), root and python(root))
    image = Build(bench, "above").step(first).step(lambda root: put(root, "srv/app/other.py", "PORT = 1\n")).finish()
    for mode in EVERY:
        root = bench.stamped(image, "--base-layers", "1", *rule(mode))
        bench.same(f"source and copy are in a base layer, {mode}", ("8080", True), root and python(root))


def python_epochs(bench):
    """Epochs later than the files, and too large for 32 bits; mtimes with fractions of a second."""
    need("python3")
    image = Build(bench, "early").step(first).finish()
    for epoch in (BUILT + 1000, 5000000000):
        for mode in EVERY:
            root = bench.stamped(image, *rule(mode), epoch=epoch)
            bench.same(f"epoch {epoch}, {mode}", ("8080", True), root and python(root))

    def fractions(root):
        put(root, "srv/app/conf.py", "PORT = 8080\n", BUILT + 0.75)
        compiled(root)

    image = Build(bench, "fractions", fractions=True).step(fractions).finish()
    bench.same("fractions as built", ("8080", True), python(bench.unpack(image)))
    for mode in EVERY:
        root = bench.stamped(image, *rule(mode))
        bench.same(f"fractions after {mode}", ("8080", True), root and python(root))


def python_removed(bench):
    """A source that a layer removes, and one that comes back: copies without a source stay as they are."""
    need("python3")
    image = Build(bench, "removed").step(first).step(lambda root: os.remove(f"{root}/srv/app/conf.py")).step(edited).finish()
    for mode in EVERY:
        root = bench.stamped(image, *rule(mode))
        bench.same(f"runs the new code after {mode}", ("9090", False), root and python(root))


QUICK = [python_follows, python_child, python_two_layers, python_stale, python_hashes, python_generations, python_optimized,
         python_bases, python_epochs, python_removed]
