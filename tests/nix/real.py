# real.py - a real Nix on the sources of nixpkgs, microvm.nix and others, where variables name their trees.
"""A tree is a directory with the sources of a repository, as `git archive` or a checkout gives them:

    AGENTVM_NIXPKGS, AGENTVM_MICROVM        needed by all that uses this file; nixpkgs of NixOS 26.05 or newer
    AGENTVM_NIX                             the Nix to ask, 2.18 or newer; otherwise `nix` on PATH
    AGENTVM_CODEX_CLI_NIX, AGENTVM_FLAKE_UTILS, AGENTVM_NIX_SYSTEMS     together: Codex as the built-in profiles take it
    AGENTVM_LLM_AGENTS, AGENTVM_BLUEPRINT   together: the other agents
    AGENTVM_HOME_MANAGER                    a module of a user's own

Evaluated in a store that takes nothing (dummy://), without network: nothing is built, fetched or written.
"""
import json
import os
import subprocess
import tempfile

import nixpkgs
from nix import HERE, Refused
from nixpkgs import NIX
from patience import seconds

SOURCE = os.path.dirname(os.path.dirname(HERE))
# By the names of the inputs of flakes.
VARIABLES = {"nixpkgs": "AGENTVM_NIXPKGS", "microvm": "AGENTVM_MICROVM", "codex-cli-nix": "AGENTVM_CODEX_CLI_NIX",
             "flake-utils": "AGENTVM_FLAKE_UTILS", "systems": "AGENTVM_NIX_SYSTEMS", "llm-agents": "AGENTVM_LLM_AGENTS",
             "blueprint": "AGENTVM_BLUEPRINT", "home-manager": "AGENTVM_HOME_MANAGER"}
TREES = {name: os.path.realpath(os.environ[variable]) for name, variable in VARIABLES.items() if os.environ.get(variable)}


def missing_trees(*names):
    """Why something that reads these trees cannot run; "" when it can."""
    for name in names:
        # flake-utils' list of systems is one file.
        marks = ("flake.nix", "default.nix")
        if name not in TREES:
            return f"{VARIABLES[name]} names no tree of {name}"
        if not any(os.path.exists(os.path.join(TREES[name], mark)) for mark in marks):
            return f"{VARIABLES[name]} is {TREES[name]}, which has no {marks[0]}"
    return ""


MISSING = nixpkgs.missing() or missing_trees("microvm")


def run(words, home, limit, more=()):
    """nix with these words: what it printed, and what it said meanwhile."""
    # Nothing of the user's, but what a Nix that is not installed is told by its variables.
    environment = {name: value for name, value in os.environ.items() if name.startswith("NIX_") and name != "NIX_PATH"}
    environment.update(PATH=os.environ["PATH"], HOME=home, LANG="C.UTF-8", **dict(more))
    command = [NIX, "--extra-experimental-features", "nix-command flakes", "--offline", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          check=False, timeout=seconds(limit))
    told = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        raise Refused(told)
    return done.stdout.decode(), told


def evaluate(file, home, limit=300, **request):
    """(The value of a file's function of `request` and the trees as JSON, what Nix said)."""
    with tempfile.NamedTemporaryFile("w", dir=home, suffix=".json", encoding="utf-8") as asked:
        json.dump({"trees": TREES, "source": SOURCE, **request}, asked)
        asked.flush()
        expression = f'import {os.path.join(HERE, file)} (builtins.fromJSON (builtins.readFile "{asked.name}"))'
        shown, told = run(["eval", "--store", "dummy://", "--read-only", "--impure", "--json", "--option",
                           "allow-import-from-derivation", "false", "--expr", expression], home, limit)
    return json.loads(shown), told


def evaluate_each(file, home, cases, limit=300, **request):
    """What `file` makes of each case, by name; Refused in the place of one that fails.

    One process for all, which reads nixpkgs once; Nix stops at the first mistake, so then each is asked for alone.
    """
    try:
        return evaluate(file, home, limit, cases=cases, **request)[0]
    except Refused as error:
        if len(cases) == 1:
            return {name: error for name in cases}
    found = {}
    for name, case in cases.items():
        found.update(evaluate_each(file, home, {name: case}, limit, **request))
    return found
