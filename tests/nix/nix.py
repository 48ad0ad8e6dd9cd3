# nix.py - runs Debian's Nix for the tests: no network, no daemon, and a store of the test's own where one is needed.
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
INSTANTIATE = shutil.which("nix-instantiate")
MISSING = "" if INSTANTIATE else "there is no nix-instantiate on PATH (Debian: nix-bin)"


def _run(command, env, limit):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False,
                          timeout=limit)


def _environment(home):
    # dummy://: nothing is written, so evaluating needs neither root nor a daemon.
    return {"PATH": os.environ["PATH"], "HOME": home, "NIX_REMOTE": "dummy://", "NIX_PATH": "", "LANG": "C.UTF-8"}


class Refused(Exception):
    """Nix found a mistake; the text is what it said."""


def evaluate(file, home, limit=120, **paths):
    """The JSON of a file's value, called with paths as arguments."""
    arguments = [word for name, path in paths.items() for word in ("--arg", name, path)]
    done = _run([INSTANTIATE, "--readonly-mode", "--eval", "--strict", "--json", os.path.join(HERE, file), *arguments],
                _environment(home), limit)
    if done.returncode != 0:
        raise Refused(done.stderr.decode(errors="replace"))
    return json.loads(done.stdout)


def parse(path, home, limit=60):
    """Throws Refused when a file is no Nix."""
    done = _run([INSTANTIATE, "--parse", path], _environment(home), limit)
    if done.returncode != 0:
        raise Refused(done.stderr.decode(errors="replace"))


def lock(flake, inputs, home, limit=120):
    """The lock file that `nix flake lock` makes when every input is the flake in `inputs`."""
    environment = _environment(home)
    del environment["NIX_REMOTE"]
    # Nothing is built, so there need be no users to build as.
    environment["NIX_CONFIG"] = "build-users-group ="
    for name in ("STORE", "STATE", "LOG", "CONF"):
        environment[f"NIX_{name}_DIR"] = os.path.join(home, "nix", name.lower())
        os.makedirs(environment[f"NIX_{name}_DIR"], exist_ok=True)
    overrides = [word for name, path in inputs.items() for word in ("--override-input", name, f"path:{path}")]
    done = _run(["nix", "--extra-experimental-features", "nix-command flakes", "flake", "lock", "--offline", f"path:{flake}",
                 *overrides], environment, limit)
    if done.returncode != 0:
        raise Refused(done.stderr.decode(errors="replace"))
    with open(os.path.join(flake, "flake.lock"), encoding="utf-8") as file:
        return json.load(file)
