# nixpkgs.py - evaluates with the real nixpkgs, where AGENTVM_NIXPKGS names a tree of it and Nix is new enough to read it.
import functools
import json
import os
import re
import shutil
import subprocess

from nix import Refused

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.environ.get("AGENTVM_NIXPKGS", "")
# A program that takes nix's arguments: a wrapper, where Nix is not on PATH or has its store elsewhere.
NIX = os.environ.get("AGENTVM_NIX") or shutil.which("nix")
OLDEST = (2, 18)  # what nixpkgs asks for (its lib/minver.nix)


@functools.cache
def missing():
    """Why there is no evaluation with the real nixpkgs; "" when there is."""
    if not TREE:
        return "AGENTVM_NIXPKGS does not name a nixpkgs tree"
    if not os.path.exists(os.path.join(TREE, "nixos", "lib", "eval-config.nix")):
        return f"AGENTVM_NIXPKGS is {TREE}, which is not a nixpkgs tree"
    if not NIX:
        return "nix is not on PATH, and AGENTVM_NIX does not name it"
    said = subprocess.run([NIX, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < OLDEST:
        return f"{NIX} is {said.strip() or 'not Nix'}, and nixpkgs needs 2.18 or newer"
    return ""


def evaluate(file, limit=600, **arguments):
    """The JSON of a function's value in a file of this directory, called with strings, lists, sets and `nixpkgs`."""
    given = " ".join(f"{name} = builtins.fromJSON {_string(json.dumps(value))};" for name, value in arguments.items())
    expression = f"import {os.path.join(HERE, file)} {{ nixpkgs = {TREE}; {given} }}"
    done = subprocess.run([NIX, "--extra-experimental-features", "nix-command", "eval", "--impure", "--offline", "--json", "--expr",
                           expression], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return json.loads(done.stdout)


def _string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'
