"""A file's own times: archives, gzip and key stores with `--repair`, each read by its own tool afterwards."""

import os
import re
import struct
import subprocess
import zipfile

import images
from cases import BUILT, EPOCH, Build, do, files, here, need, put, read

FORMATS = "gzip,zip,ar,tar,jks"


def content(root, mtime):
    """What goes into the archives: some files, all with this mtime."""
    for number in range(5):
        put(root, f"srv/in/f{number}.txt", f"file {number}\n" * 100, mtime + 2 * number)
    put(root, "srv/in/lib/mod.py", "PORT = 8080\n", mtime)
    os.utime(f"{root}/srv/in/lib", (mtime, mtime))
    os.utime(f"{root}/srv/in", (mtime, mtime))


def archives(root, mtime):
    """One of each kind, by the tool that makes it."""
    content(root, mtime)
    os.makedirs(f"{root}/srv/out")
    do(root, "cd /srv/in; zip -q -r ../out/a.zip .; cp ../out/a.zip ../out/a.whl; zip -q -r -X ../out/plain.zip .; "
             "tar -cf ../out/a.tar .; gzip -c f0.txt >/dev/null; cp -p f0.txt g.txt; gzip -k g.txt; mv g.txt.gz ../out/a.gz; rm g.txt; "
             "for n in 1 2; do cp -p f$n.txt g.txt; gzip g.txt; cat g.txt.gz >>../out/members.gz; rm g.txt.gz; done; "
             "ar rcU ../out/a.a f0.txt f1.txt; tar --format=pax -cf ../out/pax.tar .; "
             "cp -p f3.txt g.txt; gzip g.txt; mv g.txt.gz ../out/; tar -cf ../out/nested.tar -C ../out g.txt.gz; rm ../out/g.txt.gz; "
             f"touch -d @{mtime} ../out/* ../out")
    # A class file need not be one: jar packs anything.
    do(root, f"cd /srv/in; jar cf ../out/a.jar . ; touch -d @{mtime} ../out/*")
    store = "-keystore /srv/out/cacerts -storetype JKS -storepass changeit -noprompt"
    with open("/etc/ssl/certs/ca-certificates.crt", encoding="utf-8") as bundle:
        certificates = re.findall(r"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", bundle.read(), re.S)[:2]
    for number, text in enumerate(certificates):
        put(root, "srv/in.pem", text, mtime)
        do(root, f"keytool -importcert {store} -alias c{number} -file /srv/in.pem 2>/dev/null")
    os.remove(f"{root}/srv/in.pem")
    # What apk keeps of its scripts, in the older and the newer form.
    os.makedirs(f"{root}/lib/apk/db")
    do(root, "tar --format=ustar -cf /srv/scripts.tar -C /srv/in f0.txt f1.txt; gzip -nk /srv/scripts.tar")
    os.replace(f"{root}/srv/scripts.tar", f"{root}/lib/apk/db/scripts.tar")
    os.replace(f"{root}/srv/scripts.tar.gz", f"{root}/lib/apk/db/scripts.tar.gz")
    images.must(["rm", "-rf", f"{root}/srv/in"])


def two_builds(bench, name, work):
    """The same twice, an hour apart by the mtimes."""
    return [Build(bench, name).step(lambda root, mtime=mtime: work(root, mtime)).finish() for mtime in (BUILT, BUILT + 3600)]


def trees_differ(one, other):
    """Names of files whose bytes differ between two roots."""
    names = sorted({*files(one), *files(other)})
    return [name for name in names
            if not all(os.path.isfile(f"{root}/{name}") for root in (one, other)) or read(one, name) != read(other, name)]


LISTINGS = {
    "srv/out/a.zip": "unzip -tqq", "srv/out/a.whl": "unzip -tqq", "srv/out/plain.zip": "unzip -tqq", "srv/out/a.jar": "jar tf",
    "srv/out/a.tar": "tar -tf", "srv/out/pax.tar": "tar -tf", "srv/out/nested.tar": "tar -tf", "srv/out/a.gz": "gzip -t",
    "srv/out/members.gz": "gzip -t", "srv/out/a.a": "ar t", "lib/apk/db/scripts.tar": "tar -tf", "lib/apk/db/scripts.tar.gz": "tar -tzf",
    "srv/out/cacerts": "keytool -list -storepass changeit -keystore",
}


def archives_repaired(bench):
    """Two builds that differ in these files alone come out equal, and every tool still reads them."""
    need("zip", "unzip", "jar", "ar", "gzip", "tar", "keytool")
    builds = two_builds(bench, "archives", archives)
    roots = [bench.unpack(build) for build in builds]
    differing = trees_differ(*roots)
    bench.same("every archive differs as built", sorted(LISTINGS), differing)
    stamped = [bench.stamped(build) for build in builds]
    if all(stamped):
        bench.same("and by default still does", sorted(LISTINGS), trees_differ(*stamped))
    for options in (["--repair", "all"], ["--repair", f"copies,{FORMATS}"], ["--repair", "all", "--clamp"]):
        outs = [bench.rewrite(build, *options) for build in builds]
        if not all(outs):
            continue
        text = " ".join(options[1:])
        stamped = [bench.unpack(out) for out in outs]
        bench.same(f"none differs after --repair {text}", [], trees_differ(*stamped))
        configs = [images.documents_of(out)[0]["config"]["digest"] for out in outs]
        bench.expect(f"the images are equal after --repair {text}", configs[0] == configs[1], configs)
        for name, command in LISTINGS.items():
            before, _ = images.run(["sh", "-c", f"cd {roots[0]} && {command} {name}"], env=images.environment())
            after, status = images.run(["sh", "-c", f"cd {stamped[0]} && {command} {name}"], env=images.environment())
            # keytool and unzip print times, which are what changes.
            times = r"\w{3} \d{1,2}, \d{4}"
            bench.expect(f"{command} {name} after --repair {text}", status == 0 and re.sub(times, "", before) == re.sub(times, "", after), after)
        check_times(bench, stamped[0], text)


def check_times(bench, root, text):
    """What the archives say of times now, read by Python's modules."""
    stamps = {(info.date_time) for info in zipfile.ZipFile(f"{root}/srv/out/a.zip").infolist()}
    bench.same(f"DOS times after --repair {text}", {(2023, 11, 14, 22, 13, 20)}, stamps)
    bench.same(f"gzip's MTIME after --repair {text}", EPOCH, struct.unpack_from("<I", read(root, "srv/out/a.gz"), 4)[0])
    listed = subprocess.run(["tar", "--utc", "--full-time", "-tvf", f"{root}/srv/out/a.tar"], capture_output=True, text=True, check=True)
    bench.expect(f"times in a tar after --repair {text}", all("2023-11-14 22:13:20" in line for line in listed.stdout.splitlines()), listed.stdout)
    listed = subprocess.run(["ar", "tvO", f"{root}/srv/out/a.a"], capture_output=True, text=True, check=True, env={**os.environ, "TZ": "UTC"})
    bench.expect(f"times in an ar after --repair {text}", all("Nov 14 22:13 2023" in line for line in listed.stdout.splitlines()), listed.stdout)


def signed_jar(bench):
    """The times of a signed jar are not signed: it still verifies."""
    need("jar", "jarsigner", "keytool")

    def work(root):
        content(root, BUILT)
        do(root, "cd /srv; keytool -genkeypair -keystore k.p12 -storepass changeit -alias k -keyalg RSA -dname CN=k 2>/dev/null; "
                 "jar cf a.jar -C in .; jarsigner -keystore k.p12 -storepass changeit a.jar k >/dev/null; rm -r in")

    root = bench.stamped(Build(bench, "signed").step(work).finish(), "--repair", "all")
    text, status = here(root, "jarsigner -verify /srv/a.jar") if root else ("", 1)
    bench.expect("jarsigner -verify", status == 0 and "jar verified" in text, text)


def odd_epochs(bench):
    """A .pyc in a zip holds the zip's DOS time, which has even seconds alone; Python allows for one second."""
    need("python3")

    def work(root):
        os.makedirs(f"{root}/srv/in")
        put(root, "srv/in/conf.py", "PORT = 8080\n", BUILT)
        do(root, "cd /srv/in; python3 -c 'import py_compile; py_compile.compile(\"conf.py\", cfile=\"conf.pyc\")'")
        # The text says another thing, so that it is seen which of the two Python takes.
        put(root, "srv/in/conf.py", "PORT = 9090\n", BUILT)
        do(root, "cd /srv/in; TZ=UTC zip -q ../app.egg conf.py conf.pyc; rm -r /srv/in")

    image = Build(bench, "egg").step(work).finish()
    look = "cd /; TZ=UTC PYTHONPATH=/srv/app.egg python3 -B -c 'import conf; print(conf.PORT)'"
    bench.same("the .pyc in a zip is valid as built", "8080", here(bench.unpack(image), look)[0].strip())
    for epoch in (EPOCH, EPOCH + 1):
        out = bench.rewrite(image, "--repair", "all", epoch=epoch)
        bench.same(f"and after --repair all with {epoch}", "8080", out and here(bench.unpack(out), look)[0].strip())


def clojure_jars(bench):
    """Clojure loads a class only if it is newer than its source in the same jar."""
    need("python3")

    def work(root):
        put(root, "srv/in/app.clj", "(ns app)\n", BUILT)
        put(root, "srv/in/app__init.class", b"\xca\xfe\xba\xbe", BUILT + 60)
        do(root, "cd /srv/in; zip -q ../app.jar *; rm -r /srv/in")

    image = Build(bench, "clojure").step(work).finish()
    before, after = bench.unpack(image), bench.stamped(image, "--repair", "all")
    bench.expect("a jar with X.clj and X__init.class stays as it is", after and read(before, "srv/app.jar") == read(after, "srv/app.jar"))


def damaged(bench):
    """Damaged files stay as they are, and never fail a run."""
    need("zip")

    def work(root):
        archives(root, BUILT)
        put(root, "srv/app/conf.py", "PORT = 8080\n")
        do(root, "/usr/bin/python3 -m compileall -q /srv/app")
        for name in files(f"{root}/srv"):
            data = read(root, f"srv/{name}")
            for what, cut in (("half", data[:len(data) // 2]), ("head", data[:20]), ("mixed", data[:30] + b"\xff" * 40 + data[70:])):
                put(root, f"srv/damaged/{what}/{os.path.basename(name)}", cut)

    image = Build(bench, "damaged").step(work).finish()
    for options in ([], ["--repair", "all"], ["--repair", "all", "--clamp"]):
        bench.expect(f"damaged files, {' '.join(options) or 'default'}", bench.rewrite(image, *options) is not None)


QUICK = [archives_repaired, signed_jar, odd_epochs, clojure_jars, damaged]
