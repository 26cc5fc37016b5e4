//! Python, conda and Jupyter.

use super::{Cause, Class, cache, follows, mended, row};

pub(super) const ROWS: &[Cause] = &[
    row(
        "pip-direct-url",
        Class::PackageDb,
        &["**/*.dist-info/direct_url.json"],
        "pip's record of where a package came from: a directory with a random name, or a commit",
        "install from a fixed directory, or a wheel by name and version",
    ),
    row(
        "uv",
        Class::PackageDb,
        &["**/*.dist-info/uv_cache.json", "**/*.dist-info/uv_build.json"],
        "uv's note of how it installed a local package, with the time at which it looked at it",
        "set UV_NO_INSTALLER_METADATA=1 for the RUN, which leaves it out",
    ),
    follows(
        "python-installer",
        Class::PackageDb,
        &["**/*.dist-info/INSTALLER", "**/*.dist-info/REQUESTED"],
        "which tool (pip, uv, conda) installed a Python package, and whether it was asked for by name",
        "install with the same tool and arguments; uv leaves both out with UV_NO_INSTALLER_METADATA=1",
    ),
    follows(
        "pip-record",
        Class::PackageDb,
        &["**/*.dist-info/RECORD", "**/*.egg-info/installed-files.txt", "**/*.egg-info/SOURCES.txt"],
        "the list of a Python package's files with their checksums; it depends on the files, and its order on the \
         installer",
        "compare the files that it lists first; where only the order differs, sort -o RECORD RECORD in the same RUN",
    ),
    row(
        "python-env-cache",
        Class::Content,
        &[
            "~/.cache/pypoetry/virtualenvs/**",
            "~/.cache/uv/environments-v*/**",
            "~/.cache/uv/archive-v*/**",
            "~/.local/share/virtualenvs/**",
            "~/.cache/pre-commit/**",
        ],
        "a Python environment in a cache, in a folder whose name is random or a hash",
        "make it in a folder of your choice: poetry config virtualenvs.in-project true, PIPENV_VENV_IN_PROJECT=1, uv sync",
    ),
    cache(
        row(
            "pip-cache",
            Class::LogOrCache,
            &["~/.cache/pip/**"],
            "pip's cache of what it downloaded and built",
            "pip install --no-cache-dir, or a cache mount",
        ),
        "pip's documentation, Caching; pip cache purge",
    ),
    row(
        "python-installer-cache",
        Class::LogOrCache,
        &["~/.cache/uv/**", "~/.cache/pypoetry/**", "~/.cache/pipenv/**", "~/.cache/pdm/**", "~/.cache/hatch/**"],
        "caches of uv, poetry, pipenv, PDM or Hatch",
        "uv sync --no-cache, poetry cache clear --all . in the same RUN, or a cache mount",
    ),
    mended(
        "rewrite",
        row(
            "pyc",
            Class::Content,
            &["**/*.pyc", "**/*.pyo"],
            "Python bytecode: its header holds the source's mtime, and its body may depend on the hash seed",
            "PYTHONDONTWRITEBYTECODE=1, or python -m compileall --invalidation-mode unchecked-hash",
        ),
    ),
    row(
        "numba-cache",
        Class::Content,
        &["**/__pycache__/*.nbi", "**/__pycache__/*.nbc"],
        "numba's compiled functions and their index, which depend on the CPU and on the times of the sources",
        "let numba compile at run time, or set NUMBA_CPU_NAME=generic and NUMBA_CACHE_DIR to a cache mount",
    ),
    cache(
        row(
            "python-check-cache",
            Class::LogOrCache,
            &["**/.pytest_cache/**", "**/.mypy_cache/**", "**/.ruff_cache/**"],
            "the cache of pytest, mypy or ruff",
            "list it in .dockerignore, or remove it in the RUN that writes it",
        ),
        "pytest's --cache-clear, mypy's --cache-dir, ruff clean",
    ),
    row(
        "python-tool-cache",
        Class::LogOrCache,
        &["**/.hypothesis/**", "**/.ipynb_checkpoints/**"],
        "what a test or notebook tool keeps of former runs",
        "list it in .dockerignore, or remove it in the RUN that writes it",
    ),
    row(
        "jupyter-state",
        Class::LogOrCache,
        &[
            "~/.ipython/profile_default/history.sqlite",
            "~/.local/share/jupyter/nbsignatures.db",
            "~/.local/share/jupyter/runtime/**",
            "~/.jupyter/migrated",
        ],
        "Jupyter's and IPython's history and run-time files, with the time of each session",
        "rm -rf ~/.ipython ~/.local/share/jupyter/runtime in the same RUN",
    ),
    row(
        "conda-history",
        Class::PackageDb,
        &["**/conda-meta/history"],
        "conda's history, with the time and the command of every transaction",
        "conda install from a lock file (conda-lock, or --file with @EXPLICIT), and truncate conda-meta/history in the same RUN",
    ),
    follows(
        "conda-record",
        Class::PackageDb,
        &["**/conda-meta/*.json"],
        "conda's record of a package and its files, with the folders it was unpacked in",
        "install from a lock file (conda-lock, or --file with @EXPLICIT)",
    ),
    row(
        "conda-cache",
        Class::LogOrCache,
        &[
            "**/pkgs/urls",
            "**/pkgs/urls.txt",
            "**/pkgs/cache/[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].*",
            "**/conda/pkgs/cache/**",
            "**/*conda3/pkgs/cache/**",
            "**/*forge3/pkgs/cache/**",
            "**/*mamba*/pkgs/cache/**",
            "~/.conda/environments.txt",
            "~/.cache/conda/**",
        ],
        "conda's list of the packages that it loaded, and the channels' indexes as they were on the day of the build",
        "conda clean --all --yes in the same RUN, or a cache mount",
    ),
];
