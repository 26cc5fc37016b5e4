"""Copies of mtimes: fontconfig's and bootsnap's follow by default, opcache's and class data archives on request."""

import glob
import os
import shutil

from cases import BUILT, EPOCH, EVERY, Build, do, here, need, put, read, rule

FONTS = "/usr/share/fonts/truetype"


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
    image = Build(bench, "fractions", fractions=True).step(font_base).finish()
    bench.same("valid as built where the layer has fractions", (1, True), fonts(bench.unpack(image)))
    for mode in EVERY:
        root = bench.stamped(image, *rule(mode))
        bench.same(f"and after {mode}", (1, True), root and fonts(root))
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
        root = bench.stamped(image, "--repair", "all", *rule(mode))
        bench.same(f"hits after {mode} with --repair all", (["8080 8080 8080"], 0), root and ruby(root))
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


QUICK = [fontconfig, bootsnap, opcache, class_data]
