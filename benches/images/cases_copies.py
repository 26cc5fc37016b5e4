"""Copies of mtimes: .pyc, fontconfig and bootsnap follow by default; opcache and class data archives on request."""

import glob
import os
import shutil

from cases import BUILT, EPOCH, EVERY, Build, do, here, need, put, read, u32

PYENV = os.path.expanduser(os.environ.get("PYENV_ROOT", "~/.pyenv")) + "/versions"
FONTS = "/usr/share/fonts/truetype"


def rule(mode):
    return ["--clamp"] if mode == "clamp" else []


# Python


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
    return value, any("/srv/app/" in line and " matches " in line for line in lines)


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
    text, status = bench.run("rewrite", "--epoch", str(EPOCH), "--repair", "none", child, "oci:" + bench.path("none"))
    bench.expect("--repair none warns of the copy that becomes right", status == 0 and "conf" in text and "warning" in text, text)
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


# fontconfig


def font_base(root):
    put(root, "srv/fonts.conf", '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        "<dir>/srv/fonts</dir><cachedir>/srv/cache</cachedir></fontconfig>\n")
    os.makedirs(f"{root}/srv/fonts")
    shutil.copy(f"{FONTS}/dejavu/DejaVuSans.ttf", f"{root}/srv/fonts")
    do(root, "FONTCONFIG_FILE=/srv/fonts.conf fc-cache -f")


def font_child(root):
    shutil.copy(f"{FONTS}/freefont/FreeSans.ttf", f"{root}/srv/fonts")


def fonts(root):
    """How many fonts fc-list shows, and if it took every cache as it is."""
    text, _ = here(root, "FONTCONFIG_FILE=/srv/fonts.conf FC_DEBUG=16 fc-list")
    lines = text.splitlines()
    valid = [line.split()[-1] == line.split()[-4] for line in lines if line.startswith("FcCacheTimeValid")]
    return sum(".ttf:" in line for line in lines), bool(valid) and all(valid) and "FcDirCacheWriteDir" not in text


def fontconfig(bench):
    """The cache holds nanoseconds that no image has; a child adds a font to a base with the same epoch."""
    need("fc-cache", "fc-list")
    image = Build(bench, "fonts").step(font_base).finish()
    root = bench.unpack(image)
    cache = glob.glob("srv/cache/*.cache-*", root_dir=root)[0]
    bench.expect("the cache as built has nanoseconds", any(read(root, cache)[56:64]), "none")
    bench.same("which no layer has, so that the cache is stale as built", (1, False), fonts(root))
    base = None
    for mode in EVERY:
        once = bench.rewrite(image, *rule(mode))
        base = base or once
        bench.same(f"valid after {mode}", (1, True), once and fonts(bench.unpack(once)))
        again = once and bench.rewrite(once, *rule(mode))
        bench.same(f"valid after {mode} twice", (1, True), again and fonts(bench.unpack(again)))
    child = Build(bench, "child", base).step(font_child).finish()
    for mode in EVERY:
        root = bench.stamped(child, *rule(mode))
        bench.same(f"a font that a child adds is seen after {mode}", 2, root and fonts(root)[0])
    text, _ = bench.run("rewrite", "--epoch", "0", image, "oci:" + bench.path("zero"))
    bench.expect("epoch 0 has a warning", "warning" in text and "font" in text, text)


# bootsnap


def ruby_base(root):
    put(root, "srv/rb/lib.rb", "def port; 8080; end\n")
    put(root, "srv/rb/a.yml", "port: 8080\n")
    put(root, "srv/rb/a.json", '{"port": 8080}\n')
    put(root, "srv/rb/boot.rb", 'require "msgpack"\nrequire "bootsnap"\n'
        'Bootsnap.setup(cache_dir: "/srv/rb/tmp/cache", development_mode: false, load_path_cache: false,\n'
        "  compile_cache_iseq: true, compile_cache_yaml: true, compile_cache_json: true)\n"
        'Bootsnap.instrumentation = ->(event, path) { puts "#{event} #{path}" if path.start_with?("/srv/") }\n'
        'require "yaml"\nrequire "json"\nload "/srv/rb/lib.rb"\n'
        'puts [port, YAML.load_file("/srv/rb/a.yml")["port"], JSON.load_file("/srv/rb/a.json")["port"]].join(" ")\n')
    do(root, "ruby /srv/rb/boot.rb")


def ruby_child(root):
    put(root, "srv/rb/lib.rb", "def port; 9090; end\n", BUILT + 5000)
    put(root, "srv/rb/a.yml", "port: 9090\n", BUILT + 5000)


def ruby(root):
    """What the program prints, and the events of misses and stale entries."""
    text, _ = here(root, "ruby /srv/rb/boot.rb")
    lines = text.strip().splitlines()
    return lines[-1:], len([line for line in lines if line.split()[0] in ("miss", "stale")])


def bootsnap(bench):
    """The compile cache of the real gem: iseq, YAML and JSON."""
    need("ruby")
    image = Build(bench, "ruby").step(ruby_base).finish()
    bench.same("hits as built", (["8080 8080 8080"], 0), ruby(bench.unpack(image)))
    base = None
    for mode in EVERY:
        once = bench.rewrite(image, *rule(mode))
        base = base or once
        bench.same(f"hits after {mode}", (["8080 8080 8080"], 0), once and ruby(bench.unpack(once)))
    child = Build(bench, "child", base).step(ruby_child).finish()
    for mode in EVERY:
        root = bench.stamped(child, *rule(mode))
        bench.same(f"an edit of the same size after {mode}", ["9090 9090 8080"], root and ruby(root)[0])


# On request


PHP = ("php -d opcache.enable_cli=1 -d opcache.file_cache=/srv/php/cache -d opcache.file_cache_only=1 "
       "-d opcache.file_update_protection=0 /srv/php/index.php")


def php_base(root):
    put(root, "srv/php/index.php", "<?php echo 8080, PHP_EOL;\n")
    os.makedirs(f"{root}/srv/php/cache")
    do(root, PHP)


def php_child(root):
    put(root, "srv/php/index.php", "<?php echo 9090, PHP_EOL;\n", BUILT + 5000)


def php(root):
    """What the program prints, and if the cached file was kept."""
    name = "srv/php/cache/" + glob.glob("**/*.bin", root_dir=f"{root}/srv/php/cache", recursive=True)[0]
    before = os.stat(f"{root}/{name}").st_ino, read(root, name)
    text, _ = here(root, PHP)
    return text.strip(), (os.stat(f"{root}/{name}").st_ino, read(root, name)) == before


def opcache(bench):
    need("php")
    image = Build(bench, "php").step(php_base).finish()
    bench.same("kept as built", ("8080", True), php(bench.unpack(image)))
    base = None
    for mode in EVERY:
        once = bench.rewrite(image, "--repair", "copies,opcache", *rule(mode))
        base = base or once
        bench.same(f"kept after {mode} with --repair opcache", ("8080", True), once and php(bench.unpack(once)))
    child = Build(bench, "child", base or image).step(php_child).finish()
    root = bench.stamped(child, "--repair", "copies,opcache")
    bench.same("an edit", "9090", root and php(root)[0])


JARS = "/srv/java/junit4.jar:/srv/java/hamcrest.jar"


def java_base(root):
    os.makedirs(f"{root}/srv/java")
    for name in ("junit4", "hamcrest"):
        shutil.copyfile(f"/usr/share/java/{name}.jar", f"{root}/srv/java/{name}.jar")
        os.utime(f"{root}/srv/java/{name}.jar", (BUILT, BUILT))
    do(root, f"java -XX:ArchiveClassesAtExit=/srv/java/app.jsa -cp {JARS} junit.runner.Version")


def java(root):
    text, status = here(root, f"java -Xshare:on -XX:SharedArchiveFile=/srv/java/app.jsa -Xlog:class+load -cp {JARS} junit.runner.Version")
    return status == 0 and any("junit.runner.Version" in line and "shared objects file" in line for line in text.splitlines())


def class_data(bench):
    """A dynamic archive of the JVM is taken as it is with -Xshare:on."""
    need("java")
    image = Build(bench, "java").step(java_base).finish()
    bench.same("taken as built", True, java(bench.unpack(image)))
    for mode in EVERY:
        root = bench.stamped(image, "--repair", "copies,jsa", *rule(mode))
        bench.same(f"taken after {mode} with --repair jsa", True, root and java(root))
    text, _ = bench.run("rewrite", "--epoch", str(EPOCH), image, "oci:" + bench.path("java"))
    bench.expect("without --repair jsa there is a warning", "warning" in text and "app.jsa" in text, text)


QUICK = [python_follows, python_child, python_two_layers, python_stale, python_hashes, python_generations, python_optimized,
         fontconfig, bootsnap, opcache, class_data]
