# examples_test.py - every example of --help is typed as it stands: it works, or lacks nothing but the VM it names.
import os
import subprocess
import unittest

import build_test
import harness
import help_text
import map_test
from harness import Sandbox
from patience import seconds

# What stands between an example and its end where no VM runs.
NO_VM = ("there is no agentvm-poold here", "opening ./pools.toml", "there is no VM named", "there are no VMs", "there is no VM named 'my-app', so there is nothing to destroy")

# `agentvm` of the examples: a run is planned and not started.
SHIM = """\
#!/bin/sh
if [ "$1" = run ]; then shift; exec {program} run --dry-run "$@"; fi
exec {program} "$@"
"""


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Examples(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        path = self.sandbox.path
        self.sandbox.write("bin/agentvm", SHIM.format(program=harness.program("agentvm")), mode=0o755)
        self.sandbox.write("bin/jq", "#!/bin/sh\nexec cat\n", mode=0o755)
        self.sandbox.write("manifest.json", build_test.MANIFEST)
        self.sandbox.write("bin/nix", build_test.FAKE.format(calls=path("calls"), store=path("store"), behaviour="",
                                                             manifest=path("manifest.json")), mode=0o755)
        for directory in ("here/my-app", "here/src", "home/.config/fish/completions", "here/functions"):
            os.makedirs(path(directory))
        # A map's runs end at once; so does its Slurm.
        self.sandbox.write("elsewhere/run", "#!/bin/sh\nexit 0\n", mode=0o755)
        self.sandbox.write("bin/sbatch", map_test.SBATCH.format(calls=path("sbatch-calls")), mode=0o755)
        self.sandbox.write("bin/squeue", map_test.SQUEUE, mode=0o755)
        self.sandbox.write("here/tasks.jsonl", '{"workspace": "my-app", "command": ["true"], "profile": "small"}\n')
        self.env = {**self.sandbox.env, "AGENTVM": path("elsewhere/run"), "PATH": f"{path('bin')}:{self.sandbox.env['PATH']}",
                    "AGENTVM_ACCEL": "tcg", "XDG_CACHE_HOME": path("cache")}
        for name in ("kernel", "tools"):
            if harness.real_cache():
                os.makedirs(path("cache/agentvm"), exist_ok=True)
                os.symlink(os.path.join(harness.real_cache(), name), path("cache/agentvm", name))

    def type(self, line):
        # zsh's array of functions' directories, as bash sees it.
        script = f"fpath=(x ./functions)\nset -o pipefail\n{line}\n"
        return subprocess.run(["bash", "--norc", "-c", script], env=self.env, cwd=self.sandbox.path("here"), check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds(60))

    def test_every_example(self):
        verbs = [(), *help_text.verbs(self.sandbox.run)]
        typed = 0
        for verb in verbs:
            for line in help_text.examples(self.sandbox.run, verb):
                with self.subTest(verb=" ".join(verb), line=line):
                    # The agent's runs need Rust's tools of a profile, not those of this machine.
                    if "--profile rust" in line and "agentvm run" in line:
                        line = line.replace("--profile rust", "--profile rust --set 'guest.tools=[]'")
                    if "./agentvm.toml" in line:
                        self.sandbox.write("here/agentvm.toml", "")
                    elif os.path.exists(self.sandbox.path("here/agentvm.toml")):
                        os.unlink(self.sandbox.path("here/agentvm.toml"))
                    done = self.type(line)
                    typed += 1
                    if "there is no Codex" in done.stderr:
                        self.skipTest("there is no Codex here")
                    self.assertNotIn("usage", done.stderr.lower())
                    if "--set guest.devshell=true" in line:
                        self.assertIn("flake.nix", done.stderr, "there is no flake here")
                    elif line == "agentvm doctor":
                        self.assertIn(done.returncode, (0, 1), done.stderr)
                    elif done.returncode != 0:
                        self.assertTrue(any(words in done.stderr for words in NO_VM), done)
        self.assertGreater(typed, 35)


if __name__ == "__main__":
    harness.main()
