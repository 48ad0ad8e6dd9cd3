# options_test.py - every option in --help has a test that shows its effect: here, or where it is named.
import json
import os
import tomllib
import unittest

import harness
import help_text
from harness import Sandbox


def plan(*path):
    """The value at a place of a dry run's plan."""

    def read(test, words):
        value = test.dry_run(*words)
        for step in path:
            value = value[step]
        return value

    return read


# Flags that set a key of the profile: the words on the line, the key, and its value in `profile show`.
KEYS = {
    "--vcpus": (["3"], "machine.vcpus", 3),
    "--memory": (["768MiB"], "machine.memory", "768MiB"),
    "--disk": (["3GiB"], "machine.disk", "3GiB"),
    "--hypervisor": (["qemu"], "machine.hypervisor", "qemu"),
    "--connect": (["session"], "machine.connect", "session"),
    "--pool": (["rust"], "pool", "rust"),
    "--guest": (["host"], "guest.source", "host"),
    "--tool": (["sh"], "guest.tools", ["sh"]),
    "--expose": (["/opt"], "guest.expose", ["/opt"]),
    "--workspace-mode": (["read-only"], "workspace.mode", "read-only"),
    "--mount": (["/work"], "workspace.mount", "/work"),
    "--egress": (["none"], "network.egress", "none"),
    "--publish": (["127.0.0.1:8080:80"], "network.publish", ["127.0.0.1:8080:80"]),
    "--agent": (["command", "--set", 'agent.command=["make"]'], "agent.kind", "command"),
    "--agent-package": (["host"], "agent.package", "host"),
    "--autonomy": (["ask"], "agent.autonomy", "ask"),
    "--agent-arg": (["--search"], "agent.args", ["--search"]),
    "--timeout": (["30m"], "agent.timeout", "30m"),
    "--model": (["my-model"], "model.name", "my-model"),
    "--upstream": (["http://127.0.0.1:11434/v1"], "model.upstream", "http://127.0.0.1:11434/v1"),
    "--env": (["A=b"], "agent.env.A", "b"),
    "--set": (["agents_md.write=false"], "agents_md.write", False),
}

# What a key's flag changes in the plan of a run of the agent: where, and the new value.
PLANNED = {
    "--vcpus": (["--vcpus", "1"], ("vcpus",), 1),
    "--memory": (["--memory", "768MiB"], ("memory_bytes",), 768 << 20),
    "--disk": (["--disk", "3GiB"], ("disk_bytes",), 3 << 30),
    "--hypervisor": (["--hypervisor", "qemu"], ("hypervisor",), "qemu"),
    "--connect": (["--connect", "session"], ("connect",), "session"),
    "--guest": (["--guest", "host"], ("image", "kind"), "host"),
    "--workspace-mode": (["--workspace-mode", "read-only"], ("workspace_mode",), "read-only"),
    "--mount": (["--mount", "/work"], ("agent", "cwd"), "/work"),
    "--egress": (["--egress", "none"], ("egress",), "none"),
    "--timeout": (["--timeout", "30m"], ("agent", "timeout_ms"), 1_800_000),
    "--env": (["--env", "A=b"], ("agent", "env", "A"), "b"),
    "--model": (["--model", "my-model"], ("model", "name"), "my-model"),
    "--upstream": (["--upstream", "http://127.0.0.1:1/v1"], ("model", "upstream"), "http://127.0.0.1:1/v1"),
    "--publish": (["--publish", "127.0.0.1:8080:80"], ("publish", 0, "guest_port"), 80),
}

# Options whose effect needs a VM or another program: the test that shows it.
ELSEWHERE = {
    ("map", "--profile"): ("tests/unit/map/run_words_test.cpp", "every setting of map reaches the run"),
    ("map", "--boot-timeout"): ("tests/unit/map/run_words_test.cpp", "every setting of map reaches the run"),
    ("map", "--trust-workspace"): ("tests/unit/map/run_words_test.cpp", "every setting of map reaches the run"),
    ("map", "--jobs"): ("tests/cli/map_test.py", "def test_so_many_at_a_time"),
    ("map", "--results"): ("tests/cli/map_test.py", "def test_results_and_the_code_that_says_whether_all_is_well"),
    ("map", "--logs"): ("tests/cli/map_test.py", "def test_logs_of_each_task"),
    ("map", "--retries"): ("tests/cli/map_test.py", "def test_what_was_lost_is_tried_again"),
    ("map", "--retry-failed"): ("tests/cli/map_test.py", "def test_what_failed_is_tried_again_when_asked"),
    ("map", "--resume"): ("tests/cli/map_test.py", "def test_resume_does_what_has_no_result"),
    ("map", "--json"): ("tests/cli/map_test.py", "def test_results_and_the_code_that_says_whether_all_is_well"),
    ("map", "--slurm"): ("tests/cli/map_test.py", "def test_slurm_is_given_an_array_and_its_results_are_gathered"),
    ("map", "--one"): ("tests/cli/map_test.py", "def test_one_task_of_a_scheduler"),
    ("map", "--sbatch-option"): ("tests/cli/map_test.py", "def test_slurm_is_given_an_array_and_its_results_are_gathered"),
    ("exec", "--tty"): ("tests/vm/exec_test.py", "def test_terminal"),
    ("exec", "--user"): ("tests/vm/exec_test.py", "def test_as_root_and_environment"),
    ("exec", "--workdir"): ("tests/vm/exec_test.py", "def test_directory_and_docker_words"),
    ("exec", "--env"): ("tests/vm/exec_test.py", "def test_as_root_and_environment"),
    ("exec", "--interactive"): ("tests/vm/exec_test.py", "def test_directory_and_docker_words"),
    ("shell", "--root"): ("tests/vm/exec_test.py", "def test_shell_as_root"),
    ("ls", "--json"): ("tests/vm/exec_test.py", "def test_ls_inspect_logs"),
    ("ls", "--quiet"): ("tests/vm/exec_test.py", "def test_ls_inspect_logs"),
    ("logs", "--follow"): ("tests/vm/exec_test.py", "def test_logs_follow"),
    ("logs", "--source"): ("tests/unit/verbs/logs_test.cpp", "logs of what a guest can write to"),
    ("stop", "--deadline"): ("tests/unit/verbs/stop_test.cpp", "stop sends its deadline"),
    ("destroy", "--all"): ("tests/vm/exec_test.py", 'run("destroy", "--all")'),
    ("pool status", "--json"): ("tests/vm/pool_test.py", '"status", "--json"'),
    ("pool drain", "--json"): ("tests/vm/pool_test.py", '"drain", "small", "--json"'),
    ("pool resize", "--json"): ("tests/vm/pool_test.py", '"resize", "small", "0", "--json"'),
    ("pool serve", "--config"): ("tests/vm/pool_test.py", '"--config", config'),
    ("pool serve", "--cgroup"): ("tests/nested/cloud_hypervisor_pool_test.py", 'options=("--cgroup",)'),
    ("pool serve", "--metrics"): ("tests/vm/pool_test.py", 'agentvm_pool_hits_total'),
    ("net show", "--json"): ("tests/netns/life_test.py", "show()"),
    ("build", "--update"): ("tests/cli/build_test.py", '"--update"'),
    ("build", "--profile"): ("tests/cli/build_test.py", "def test_built_once"),
    ("definition", "--force"): ("tests/cli/definition_test.py", "def test_written_over_only_by_force"),
    ("definition", "--output"): ("tests/cli/definition_test.py", "def test_printed_and_written_are_the_same"),
    ("definition", "--profile"): ("tests/cli/definition_test.py", "def test_printed_and_written_are_the_same"),
    ("definition", "--json"): ("tests/cli/definition_test.py", "def test_printed_and_written_are_the_same"),
    ("profile check", "--trust-workspace"): ("tests/cli/profile_test.py", "def test_check_trusts_a_workspace_when_told"),
    ("definition", "--trust-workspace"): ("tests/cli/definition_test.py", "def test_a_workspace_reaches_for_nothing_unasked"),
    ("init", "--profile"): ("tests/cli/definition_test.py", "def test_every_line_can_be_switched_on"),
    ("init", "--agents-md"): ("tests/cli/definition_test.py", "def test_never_over_a_file"),
    ("init", "--force"): ("tests/cli/definition_test.py", "def test_never_over_a_file"),
    ("doctor", "--json"): ("tests/cli/state_test.py", "def test_doctor"),
    ("profile list", "--json"): ("tests/cli/profile_test.py", "def test_list"),
    ("profile list", "--quiet"): ("tests/cli/profile_test.py", "def test_list"),
}


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(Sandbox())
        cls.env = {"OPENAI_API_KEY": "sk-test", "AGENTVM_ACCEL": "tcg"}
        cls.verbs = help_text.verbs(cls.sandbox.run)
        probe = cls.sandbox.run("run", "--dry-run", "--json", cls.sandbox.workspace, "--", "x", env=cls.env)
        cls.cannot_plan = "" if probe.code == 0 else probe.stderr

    def dry_run(self, *words, last=("--", "do it")):
        run = self.sandbox.run("run", "--dry-run", "--json", self.sandbox.workspace, *words, *last, env=self.env)
        self.assertEqual(run.code, 0, run)
        return run.json()

    def needs_plans(self):
        if self.cannot_plan:
            self.skipTest(f"no run can be planned here: {self.cannot_plan}")

    # What each option does; a method's name is option_VERB_OPTION with "_" for every other sign.

    def option_all_help(self):
        for verb in self.verbs:
            self.assertIn("Usage:", self.sandbox.run(*verb, "-h").stdout)

    def option_all_verbose(self):
        self.assertNotIn("ms]", self.sandbox.run("run", "--dry-run", self.sandbox.workspace, "--command", "--", "true").stderr)
        self.assertIn("ms]", self.sandbox.run("run", "-vv", "--dry-run", self.sandbox.workspace, "--command", "--", "true").stderr)

    def option_all_no_color(self):
        for words, env, colored in (((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)):
            with self.sandbox.terminal("doctor", *words, env=env) as terminal:
                terminal.finish()
                self.assertEqual("\x1b[3" in terminal.screen, colored, terminal.screen)
        self.assertNotIn("\x1b", self.sandbox.run("doctor").stdout, "never into a pipe")

    def option_all_version(self):
        self.assertRegex(self.sandbox.run("--version").stdout, r"\Aagentvm \d")

    def option_run_profile(self):
        self.assertEqual(self.dry_run("--profile", "small")["memory_bytes"], 640 << 20)

    def option_run_name(self):
        self.assertEqual(self.dry_run("--name", "mine")["name"], "mine")

    def option_run_prompt(self):
        self.assertEqual(self.dry_run("-p", "by flag", last=())["agent"]["argv"][-1], "by flag")

    def option_run_prompt_file(self):
        path = self.sandbox.write("prompt", "from a file\n")
        self.assertEqual(self.dry_run("--prompt-file", path, last=())["agent"]["argv"][-1], "from a file")
        run = self.sandbox.run("run", "--dry-run", "--json", self.sandbox.workspace, "--prompt-file", "-", env=self.env,
                               input=b"from stdin\n")
        self.assertEqual(run.json()["agent"]["argv"][-1], "from stdin")

    def option_run_command(self):
        planned = self.dry_run("--command", last=("--", "make", "test"))
        self.assertEqual((planned["agent"]["kind"], planned["agent"]["argv"]), ("command", ["make", "test"]))

    def option_run_detach(self):
        self.assertTrue(self.dry_run("--detach")["detached"])
        self.assertFalse(self.dry_run()["detached"])

    def option_run_keep(self):
        self.assertTrue(self.dry_run("--keep")["keep"])

    def option_run_tty(self):
        planned = self.dry_run("-t")
        self.assertTrue(planned["agent"]["pty"])
        self.assertNotIn("exec", planned["agent"]["argv"], "the agent's own screen")
        self.assertFalse(self.dry_run()["agent"]["pty"])
        self.assertIn("exec", self.dry_run()["agent"]["argv"])
        refused = self.sandbox.run("run", "-t", self.sandbox.workspace, "--", "x", env=self.env)
        self.assertEqual(refused.code, 2, refused)

    def option_run_no_tty(self):
        with self.sandbox.terminal("run", "--dry-run", self.sandbox.workspace, "--command", "--", "true", columns=200) as shown:
            shown.expect(r"terminal +yes")
            shown.finish()
        with self.sandbox.terminal("run", "--dry-run", "--no-tty", self.sandbox.workspace, "--command", "--", "true",
                                   columns=200) as shown:
            shown.expect(r"terminal +no")
            shown.finish()

    def option_run_report(self):
        self.assertEqual(self.dry_run("--report", self.sandbox.path("r.json"))["report_file"], self.sandbox.path("r.json"))

    def option_run_json(self):
        self.assertEqual(self.dry_run()["workspace"], self.sandbox.workspace)

    def option_run_dry_run(self):
        self.dry_run()
        self.assertEqual(self.sandbox.left(), [])

    def option_run_boot_timeout(self):
        # tests/vm/ending_test.py sees a guest that is too slow.
        self.assertEqual(self.dry_run("--boot-timeout", "10m")["boot_timeout_ms"], 600_000)
        for wrong in ("", "0", "soon", "-1s", "2d"):
            run = self.sandbox.run("run", "--dry-run", self.sandbox.workspace, f"--boot-timeout={wrong}", "--", "x", env=self.env)
            self.assertEqual(run.code, 2, wrong)
            self.assertIn("--boot-timeout", run.stderr, wrong)

    def option_run_trust_workspace(self):
        self.sandbox.write("other/agentvm.toml", 'guest.expose = ["/opt"]\n')
        words = ("run", "--dry-run", self.sandbox.path("other"), "--command", "--", "true")
        self.assertEqual(self.sandbox.run(*words).code, 2)
        self.assertEqual(self.sandbox.run("run", "--trust-workspace", *words[1:]).code, 0)

    def option_profile_show_origins(self):
        self.assertIn("# built-in", self.sandbox.run("profile", "show", "--origins", "rust").stdout)
        self.assertNotIn("# built-in", self.sandbox.run("profile", "show", "rust").stdout)

    def option_gc_dry_run(self):
        path = self.sandbox.path("state/agentvm/vms/left")
        os.makedirs(path)
        self.assertIn("would remove", self.sandbox.run("gc", "--dry-run").stdout)
        self.assertTrue(os.path.isdir(path))
        self.assertEqual(self.sandbox.run("gc").code, 0)
        self.assertFalse(os.path.isdir(path))

    def option_gc_quiet(self):
        os.makedirs(self.sandbox.path("state/agentvm/vms/left"))
        quiet = self.sandbox.run("gc", "--quiet")
        self.assertEqual((quiet.code, quiet.stdout, quiet.stderr), (0, "", ""))

    def option_build_quiet(self):
        nix = self.sandbox.write("nix/nix", "#!/bin/sh\necho building it >&2\nexit 1\n", mode=0o755)
        env = {"PATH": f"{os.path.dirname(nix)}:/usr/bin:/bin", "XDG_CACHE_HOME": self.sandbox.path("cache")}
        self.assertIn("agentvm: building it\n", self.sandbox.run("build", "--profile", "rust", env=env).stderr)
        self.assertNotIn("agentvm: building it\n", self.sandbox.run("build", "-q", "--profile", "rust", env=env).stderr)

    def option_build_trust_workspace(self):
        self.sandbox.write("stranger/agentvm.toml", 'guest.nixpkgs = "path:/srv"\n')
        env = {"PATH": self.sandbox.path("nothing")}
        refused = self.sandbox.run("build", cwd=self.sandbox.path("stranger"), env=env)
        self.assertIn("--trust-workspace", refused.stderr)
        taken = self.sandbox.run("build", "--trust-workspace", cwd=self.sandbox.path("stranger"), env=env)
        self.assertNotIn("--trust-workspace", taken.stderr)

    def method_for(self, verb, option):
        names = (f"option_{'_'.join(verb)}_{option[2:].replace('-', '_')}", f"option_all_{option[2:].replace('-', '_')}")
        return next((getattr(self, name) for name in names if hasattr(self, name)), None)

    def test_every_option_has_an_effect(self):
        self.needs_plans()
        done = set()
        for verb in [(), *self.verbs]:
            for option, section in help_text.options(self.sandbox.run, verb).items():
                with self.subTest(verb=" ".join(verb), option=option):
                    if section == "Profile keys":
                        self.assertIn(option, KEYS, "a new flag needs a line in KEYS")
                        continue
                    place = ELSEWHERE.get((" ".join(verb), option))
                    method = self.method_for(verb, option)
                    self.assertTrue(place or method, "a new option needs a test: a method here, or a line in ELSEWHERE")
                    if place:
                        with open(os.path.join(harness.SOURCE, place[0]), encoding="utf-8") as file:
                            self.assertIn(place[1], file.read(), place[0])
                    elif method not in done:
                        done.add(method)
                        method()

    def test_flags_of_profile_keys(self):
        offered = [option for option, section in help_text.options(self.sandbox.run, ("run",)).items() if section == "Profile keys"]
        self.assertEqual(sorted(offered), sorted(KEYS))
        for option, (values, key, expected) in KEYS.items():
            with self.subTest(option=option):
                shown = self.sandbox.run("profile", "show", "default", option, *values)
                self.assertEqual(shown.code, 0, shown)
                value = tomllib.loads(shown.stdout)
                for step in key.split("."):
                    value = value[step]
                self.assertEqual(value, expected)

    def test_the_verbs_with_such_flags_have_all_of_them(self):
        self.sandbox.write("tasks.jsonl", '{"workspace": "ws", "command": ["true"]}\n')
        for verb in (("run",), ("map",), ("profile", "show"), ("definition",), ("build",)):
            with self.subTest(verb=verb):
                offered = [option for option, section in help_text.options(self.sandbox.run, verb).items()
                           if section == "Profile keys"]
                self.assertEqual(sorted(offered), sorted(KEYS))
                words = {("run",): ("--dry-run",), ("map",): (self.sandbox.path("tasks.jsonl"),)}.get(verb, ())
                wrong = self.sandbox.run(*verb, *words, "--vcpus", "none", env={"PATH": "/nonexistent"}, cwd=self.sandbox.workspace)
                self.assertEqual(wrong.code, 2, wrong)
                self.assertIn("--vcpus", wrong.stderr)

    def test_flags_of_profile_keys_in_the_plan(self):
        self.needs_plans()
        for option, (words, path, expected) in PLANNED.items():
            with self.subTest(option=option):
                value = plan(*path)(self, words)
                self.assertEqual(value, expected)

    def test_env_passes_the_callers_own(self):
        self.needs_plans()
        run = self.sandbox.run("run", "--dry-run", "--json", "--env", "MINE", "--env", "NOT_SET", self.sandbox.workspace,
                               "--command", "--", "true", env={"MINE": "a=b"})
        environment = run.json()["agent"]["env"]
        self.assertEqual(environment.get("MINE"), "a=b")
        self.assertNotIn("NOT_SET", environment)

    def test_no_color_is_passed_on_and_cargo_is_not_told_otherwise(self):
        self.needs_plans()
        words = ("run", "--dry-run", "--json", "--set", 'guest.tools=[]', "--profile", "rust", self.sandbox.workspace, "--command",
                 "--", "true")
        plain = self.sandbox.run(*words, env={"NO_COLOR": "1"})
        self.assertEqual(plain.code, 0, plain)
        environment = plain.json()["agent"]["env"]
        self.assertEqual(environment.get("NO_COLOR"), "1")
        self.assertNotIn("CARGO_TERM_COLOR", environment)
        self.assertNotIn("NO_COLOR", json.dumps(self.sandbox.run(*words).json()["agent"]["env"]))


if __name__ == "__main__":
    harness.main()
