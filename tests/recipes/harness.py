"""What every case needs: expectations that are counted, programs that are run, folders that go away."""

import os
import subprocess
import time
import traceback


class Results:
    """Counts what was expected and how it came out."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, what, is_so, said=""):
        """One expectation; `said` is printed where it is not met."""
        if is_so:
            self.passed += 1
            print(f"ok: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {what}", flush=True)
            for line in str(said).splitlines()[-40:]:
                print(f"    {line}", flush=True)

    def same(self, what, expected, found, said=""):
        self.expect(what, expected == found, f"expected {expected!r}\nfound    {found!r}\n{said}")

    def has(self, what, text, all_of):
        """Every one of these is in the text."""
        missing = [part for part in all_of if part not in text]
        self.expect(what, not missing, f"not found: {missing} in\n{text}")

    def group(self, name, case, *arguments):
        """Runs a group of cases; one that breaks does not hide the others."""
        started = time.monotonic()
        try:
            case(*arguments)
        except Exception:  # noqa: BLE001: whatever it is, it is a failure of this group
            self.expect(f"{name} ends without an error", False, traceback.format_exc())
        print(f"   {name}: {time.monotonic() - started:.1f} s", flush=True)


def run(command, cwd=None, env=None, timeout=300):
    """Runs a program: its exit status and what it said on both streams."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def must(command, **options):
    """Runs a program that has to succeed: what it said."""
    status, said = run(command, **options)
    if status:
        raise RuntimeError(f"{command}: exit status {status}\n{said}")
    return said


def write(path, text, mode=0o644):
    """A file with its folders."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)
    return path


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def base_environment(home, path):
    """What a job sees of the machine: no variable of the one who runs the test."""
    return {"HOME": home, "PATH": path, "LANG": "C.UTF-8", "USER": "root"}
