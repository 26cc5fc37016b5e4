"""What reads mtimes from outside: apt's lists, a web server's ETag, compiled files that have to be newer, and what is left out."""

import contextlib
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import images
from cases import BUILT, EPOCH, EVERY, Build, do, files, need, put, rule

# apt's lists


@contextlib.contextmanager
def served(folder):
    """Serves a folder on this machine, with Last-Modified and If-Modified-Since; its address."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def publish(folder, version, mtime):
    """A repository with one package."""
    packages = (f"Package: demo\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <n@example>\nDescription: demo\n"
                f"Filename: ./demo_{version}.deb\nSize: 1\nSHA256: {'0' * 64}\n\n")
    date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(mtime))
    digest = hashlib.sha256(packages.encode()).hexdigest()
    put(folder, "Packages", packages, mtime)
    put(folder, "Release", f"Origin: demo\nSuite: demo\nDate: {date}\nArchitectures: all amd64\nSHA256:\n {digest} {len(packages)} Packages\n", mtime)


def apt(root, folder, address, *arguments):
    """The real apt on the lists of a root."""
    put(folder, "state/status", "")
    put(folder, "sources.list", f"deb [trusted=yes] {address}/ ./\n")
    settings = {"Dir::State": f"{folder}/state", "Dir::State::status": f"{folder}/state/status", "Dir::State::Lists": f"{root}/var/lib/apt/lists",
                "Dir::Cache": f"{folder}/cache", "Dir::Etc::sourcelist": f"{folder}/sources.list", "Dir::Etc::sourceparts": "-",
                "APT::Sandbox::User": "root", "Acquire::Check-Date": "false", "Acquire::http::Proxy": "DIRECT", "Acquire::Languages": "none"}
    os.makedirs(f"{folder}/cache/archives/partial", exist_ok=True)
    return images.run([*arguments[:1], *[f"-o{key}={value}" for key, value in settings.items()], *arguments[1:]], env=images.environment())[0]


def apt_lists(bench):
    """A raised mtime makes `apt-get update` say Hit, and the newer release is never seen."""
    need("apt-get", "apt-cache")
    folder = bench.path("apt")
    with served(f"{folder}/repository") as address:
        publish(f"{folder}/repository", 1, 1600000000)

        def work(root):
            os.makedirs(f"{root}/var/lib/apt/lists/partial")
            apt(root, folder, address, "apt-get", "update")

        image = Build(bench, "apt").step(work).finish()
        publish(f"{folder}/repository", 2, 1650000000)

        def sees(root):
            apt(root, folder, address, "apt-get", "update")
            return "demo | 2 |" in " ".join(apt(root, folder, address, "apt-cache", "madison", "demo").split())

        bench.expect("the newer release is seen as built", sees(bench.unpack(image)))
        for mode in EVERY:
            out = bench.rewrite(image, *rule(mode))
            bench.expect(f"the newer release is seen after {mode}", out and sees(bench.unpack(out)))
            text, status = bench.run("check", "--epoch", str(EPOCH), *rule(mode), out or image)
            bench.expect(f"check knows of the lists after {mode}", status == 0, text)
        root = bench.stamped(image, epoch=1550000000)
        found = {int(os.stat(f"{root}/var/lib/apt/lists/{name}").st_mtime) for name in os.listdir(f"{root}/var/lib/apt/lists")} if root else None
        bench.same("what is later than the epoch is lowered", {1550000000}, found)


# Web servers


@contextlib.contextmanager
def nginx(folder, root):
    """A real nginx that serves srv/www of a root; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    put(folder, "nginx.conf", f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;\n"
        f"uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t; server {{ listen 127.0.0.1:{port}; root {root}/srv/www; }} }}\n")
    with subprocess.Popen(["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], env=images.environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/index.html"
        finally:
            server.terminate()


def ask(bench, root, etag=None):
    """The status and the ETag that nginx answers with."""
    folder = bench.path("nginx")
    os.makedirs(folder)
    with nginx(folder, root) as address:
        request = urllib.request.Request(address, headers={"If-None-Match": etag} if etag else {})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers["ETag"]
        except urllib.error.HTTPError as error:
            return error.code, error.headers["ETag"]


def etags(bench):
    """An ETag is an mtime: one epoch for two versions makes them look alike to a cache."""
    need("nginx")
    versions = [Build(bench, "www").step(lambda root, n=n: put(root, "srv/www/index.html", f"<h1>Version {n} of the page, 48 bytes long</h1>\n",
                                                              BUILT + n)).finish() for n in (1, 2)]

    def second(*options, epochs=(EPOCH, EPOCH)):
        roots = [bench.stamped(version, *options, epoch=epoch) for version, epoch in zip(versions, epochs)]
        if not all(roots):
            return None
        return ask(bench, roots[1], ask(bench, roots[0])[1])[0]

    roots = [bench.unpack(version) for version in versions]
    bench.same("as built, version 2 is sent", 200, ask(bench, roots[1], ask(bench, roots[0])[1])[0])
    bench.same("documented: with one epoch, version 2 is not sent", 304, second())
    bench.same("with an epoch for each version, it is", 200, second(epochs=(EPOCH, EPOCH + 60)))
    content = ["--mtime-by-content", "srv/www/**"]
    bench.same("with --mtime-by-content and one epoch, it is", 200, second(*content))
    out = bench.rewrite(versions[0], *content)
    if out:
        again = bench.stamped(out, *content)
        bench.same("--mtime-by-content twice is the same", ask(bench, bench.unpack(out))[1], again and ask(bench, again)[1])
        found = int(os.stat(f"{bench.unpack(out)}/srv/www/index.html").st_mtime)
        bench.expect("its mtime is not later than the epoch", found <= EPOCH, found)
        text, status = bench.run("check", "--epoch", str(EPOCH), *content, out)
        bench.expect("check with --mtime-by-content", status == 0, text)


def warnings(bench):
    """Epochs that do harm are warned of, others are not."""
    image = Build(bench, "www").step(lambda root: put(root, "usr/share/nginx/html/index.html", "<h1>page</h1>\n")).finish()
    for epoch in (0, 1, 315532800):
        text, status = bench.run("rewrite", "--epoch", str(epoch), image, "oci:" + bench.path("out"))
        bench.expect(f"a web root and the constant {epoch}", status == 0 and "warning" in text and "usr/share/nginx/html" in text, text)
    text, status = bench.run("rewrite", "--epoch", str(EPOCH), image, "oci:" + bench.path("out"))
    bench.expect("a web root and a commit's time", status == 0 and "warning" not in text, text)
    other = Build(bench, "other").step(lambda root: put(root, "srv/file", "content\n")).finish()
    text, status = bench.run("rewrite", "--epoch", "315532799", other, "oci:" + bench.path("out"))
    bench.expect("an epoch before 1980", status == 0 and "warning" in text and "1980" in text, text)


# What has to be newer


TWIG = """<?php require '/srv/Twig/autoload.php';
$cache = new \\Twig\\Cache\\FilesystemCache('/srv/var/cache/twig');
$twig = new \\Twig\\Environment(new \\Twig\\Loader\\FilesystemLoader('/srv/views'), ['cache' => $cache, 'auto_reload' => true]);
$time = $cache->getTimestamp($cache->generateKey('a.twig', $twig->getTemplateClass('a.twig')));
echo $time && $twig->isTemplateFresh('a.twig', $time) ? 'fresh ' : 'stale ', $twig->render('a.twig', ['n' => 8080]);
"""


def keep_order(bench):
    """Compiled views have to be strictly newer than their sources."""
    need("php")

    def work(root):
        put(root, "srv/views/a.twig", "port {{ n }}\n")
        put(root, "srv/twig.php", TWIG)
        # The compiled file has to be as new as the library, too.
        shutil.copytree("/usr/share/php/Twig", f"{root}/srv/Twig")
        os.makedirs(f"{root}/srv/var/cache/twig")
        do(root, "php /srv/twig.php")
        put(root, "srv/resources/views/a.blade.php", "{{ $n }}\n")
        put(root, "srv/storage/framework/views/8f3c.php", "<?php echo $n; /**PATH /srv/resources/views/a.blade.php ENDPATH**/\n", BUILT + 60)

    def twig(root):
        return do(root, "php /srv/twig.php").split()[0]

    image = Build(bench, "twig").step(work).finish()
    bench.same("Twig's cache as built", "fresh", twig(bench.unpack(image)))
    out = bench.rewrite(image)
    bench.same("documented: with one time for all, it is stale", "stale", out and twig(bench.unpack(out)))
    text, _ = bench.run("rewrite", "--epoch", str(EPOCH), image, "oci:" + bench.path("out"))
    bench.expect("which is warned of", "warning" in text and "--keep-order" in text, text)
    option = ["--keep-order", "srv/var/cache/**", "--keep-order", "srv/storage/framework/views/*.php"]
    for mode in EVERY:
        options = [*option, *rule(mode)]
        out = bench.rewrite(image, *options)
        if out:
            root = bench.unpack(out)
            times = [int(os.stat(f"{root}/srv/{name}").st_mtime) for name in ("resources/views/a.blade.php", "storage/framework/views/8f3c.php")]
            bench.same(f"a compiled view stays newer after {mode}", [EPOCH - 1, EPOCH], times)
            bench.same(f"Twig's cache with --keep-order after {mode}", "fresh", twig(root))
            text, status = bench.run("check", "--epoch", str(EPOCH), *options, out)
            bench.expect(f"check with --keep-order after {mode}", status == 0, text)


# What is left out


LOGS = ("var/log/dpkg.log", "var/log/apt/history.log", "var/log/apt/term.log", "var/log/alternatives.log")
CACHES = ("var/cache/apt/pkgcache.bin", "var/cache/ldconfig/aux-cache", "var/cache/debconf/templates.dat-old")
KEPT = ("etc/passwd", "var/lib/dpkg/status", "srv/log/readme", "usr/share/doc/log")


def omit(bench):
    """--omit leaves files out, each is listed, and nothing else goes."""
    def work(root):
        for name in (*LOGS, *CACHES, *KEPT, "srv/drop/a.tmp"):
            put(root, name, f"{name}\n")

    image = Build(bench, "logs").step(work).finish()
    everything = files(bench.unpack(image))
    bench.same("nothing goes by default", everything, files(bench.stamped(image)))
    for what, gone in (("logs", LOGS), ("caches", CACHES), ("logs,caches", LOGS + CACHES), ("srv/drop/**", ("srv/drop/a.tmp",))):
        report = bench.path("report")
        out = bench.rewrite(image, "--omit", what, "--report", report)
        if out:
            bench.same(f"--omit {what}", sorted(set(everything) - set(gone)), files(bench.unpack(out)))
            with open(report, encoding="utf-8") as file:
                text = file.read()
            bench.expect(f"--omit {what} lists each in the report", all(name in text for name in gone), text[:2000])
            _, status = bench.run("check", "--epoch", str(EPOCH), out)
            bench.same(f"check after --omit {what}", 0, status)


def order(bench):
    """Entries in another order: --order name makes them one."""
    def build(turned):
        made = Build(bench, "order")
        for number in range(6):
            put(made.root, f"srv/d{number % 2}/f{number}", f"{number}\n")
        os.link(f"{made.root}/srv/d0/f0", f"{made.root}/srv/d1/a-link")
        names = images.by_name(images.snapshot(made.root))
        folders = [name for name in names if os.path.isdir(f"{made.root}/{name}")]
        # The file that the hard link leads to comes first, whatever the order of the others.
        inner = [name for name in names if name not in (*folders, "srv/d0/f0")]
        made.layout.add(made.root, [*folders, "srv/d0/f0", *(reversed(inner) if turned else inner)], command="order")
        return made.finish()

    builds = [build(turned) for turned in (False, True)]
    for options, equal in (([], False), (["--order", "name"], True)):
        outs = [bench.rewrite(image, *options) for image in builds]
        if all(outs):
            digests = [images.documents_of(out)[0]["layers"] for out in outs]
            bench.same(f"equal with {' '.join(options) or 'no option'}", equal, digests[0] == digests[1])
            bench.same(f"the files with {' '.join(options) or 'no option'}", files(bench.unpack(builds[0])), files(bench.unpack(outs[1])))


QUICK = [apt_lists, etags, warnings, keep_order, omit, order]
