# map_test.py - agentvm map with a stand-in for `agentvm run`: mistakes, results, retries, resuming, signals, Slurm's words.
import json
import os
import signal
import unittest

import harness
from harness import Sandbox, sentences
from patience import wait_until

# In the place of `agentvm run WORKSPACE --json ...`: the task's last word says how it ends.
RUN = """\
#!/bin/sh
for word; do :; done
echo "$$ $*" >>{calls}
echo '{{"event":"run","name":"vm-'"${{2##*/}}"'"}}'
case "$word" in
  lost) echo '{{"event":"failed","message":"the VM was lost"}}'; echo "agentvm: error: the VM was lost" >&2; exit 125 ;;
  flaky) [ -e "$2/tried" ] || {{ touch "$2/tried"; exit 125; }}; word=0 ;;
  wait) trap 'exit 143' TERM; touch "$2/waits"; while [ ! -e "$2/go" ]; do sleep 0.02; done; word=0 ;;
esac
echo '{{"event":"agent-ended","exit_code":'$word'}}'
echo '{{"event":"stopped","report":{{"name":"x","exit_code":'$word',"ended":"agent ended","files":[]}}}}'
exit $word
"""

# A Slurm that does everything at once: an array's elements one after the other, each as its node would.
SBATCH = """\
#!/bin/sh
echo "$*" >>{calls}.sbatch
for script; do :; done
for word; do case "$word" in --array=*) last=${{word#--array=1-}}; last=${{last%%%*}} ;; esac; done
at=1
while [ $at -le $last ]; do
  SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$at SLURMD_NODENAME=node$at sh "$script" >/dev/null 2>&1 </dev/null || :
  at=$((at + 1))
done
echo 7
"""
SQUEUE = "#!/bin/sh\nexit 0\n"


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Map(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        self.calls = self.sandbox.path("calls")
        fake = self.sandbox.write("bin/run", RUN.format(calls=self.calls), mode=0o755)
        self.sandbox.write("slurm/sbatch", SBATCH.format(calls=self.calls), mode=0o755)
        self.sandbox.write("slurm/squeue", SQUEUE, mode=0o755)
        self.env = {"AGENTVM": fake, "PATH": f"{self.sandbox.path('slurm')}:{self.sandbox.env['PATH']}"}
        self.results = self.sandbox.path("tasks.results.jsonl")

    def task(self, name, word, **more):
        os.makedirs(self.sandbox.path("work", name), exist_ok=True)
        return {"id": name, "workspace": f"work/{name}", "command": [str(word)], "profile": "small", **more}

    def tasks(self, *tasks):
        self.file = self.sandbox.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
        return self.file

    def map(self, *words, env=None):
        return self.sandbox.run("map", self.file, *words, env={**self.env, **(env or {})}, limit=60)

    def start(self, *words):
        return self.sandbox.start("map", self.file, *words, env=self.env)

    def read(self, path=None):
        with open(path or self.results, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def called(self):
        """The runs that were started, as lists of words."""
        if not os.path.exists(self.calls):
            return []
        with open(self.calls, encoding="utf-8") as file:
            return [line.split()[1:] for line in file]

    def refuse(self, run, *words):
        self.assertEqual((run.code, run.stdout), (2, ""), run)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertEqual(self.called(), [])
        self.assertEqual(self.sandbox.left(), [])

    # The file.

    def test_every_mistake_is_told_with_its_line_before_anything_runs(self):
        self.tasks(self.task("good", 0), {"workspace": "nowhere", "prompt": "x"}, self.task("good", 0),
                   self.task("a", 0, options=["--memroy=1GiB"]), self.task("b", 0, extra=1), self.task("c", 0, profile="samll"))
        run = self.map()
        self.refuse(run, f"{self.file}:2: workspace: ", f"{self.file}:3: id: 'good' is the name of line 1 already",
                    f"{self.file}:4: options: run: unknown option '--memroy'", "Did you mean '--memory'?",
                    f"{self.file}:5: unknown key 'extra'", f"{self.file}:6: profile: ")
        self.assertEqual(len(sentences(run)), 5, run)
        self.assertFalse(os.path.exists(self.results))

    def test_a_file_that_cannot_be_read(self):
        self.file = self.sandbox.path("none.jsonl")
        self.refuse(self.map(), "the tasks file", "none.jsonl", "cannot be read")

    def test_tasks_that_a_guest_may_write_are_refused(self):
        self.tasks(self.task("a", 0))
        inside = self.sandbox.write("ws/tasks.jsonl", '{"workspace":".","command":["0"],"profile":"small"}\n')
        run = self.sandbox.run("map", inside, env=self.env)
        self.refuse(run, "the tasks file lies in the workspace")
        places = self.sandbox.path("state/agentvm/guest-places")
        os.makedirs(places)
        os.symlink(self.sandbox.workspace, f"{places}/1")
        inside = self.sandbox.write("ws/tasks.jsonl", json.dumps({**self.task("a", 0), "workspace": self.sandbox.path("work/a")}))
        run = self.sandbox.run("map", inside, env=self.env)
        self.refuse(run, "where a guest may write")
        self.refuse(self.map("--results", self.sandbox.path("work/a/out.jsonl")), "the results would lie in the workspace")
        self.refuse(self.map("--logs", self.sandbox.path("work/a/logs")), "the logs would lie in the workspace")

    def test_options_that_do_not_fit(self):
        self.tasks(self.task("a", 0))
        self.refuse(self.map("--jobs", "0"), "--jobs 0 runs nothing")
        self.refuse(self.map("--sbatch-option=--mem=1G"), "--sbatch-option is for --slurm")
        self.refuse(self.map("--", "x"), "takes nothing after --")
        self.refuse(self.map("--one", "1"), "--one needs --results")
        self.refuse(self.sandbox.run("map", env=self.env), "tasks")

    # Runs and results.

    def test_results_and_the_code_that_says_whether_all_is_well(self):
        self.tasks(self.task("a", 0), self.task("b", 3), self.task("c", 0, options=["--env=A=b"]))
        run = self.map("--memory", "700MiB", "--json")
        self.assertEqual(run.code, 1, run)
        results = {result["id"]: result for result in self.read()}
        self.assertEqual({name: result["exit_code"] for name, result in results.items()}, {"a": 0, "b": 3, "c": 0})
        self.assertEqual(self.read(), run.events(), "stdout has the same lines")
        one = results["b"]
        self.assertEqual((one["ended"], one["name"], one["attempts"]), ("agent ended", "vm-b", 1))
        self.assertEqual((one["report"]["exit_code"], one["host"]), (3, os.uname().nodename))
        self.assertRegex(one["started"], r"\A\d{4}-\d\d-\d\dT[\d:.]+Z\Z")
        self.assertIsInstance(one["total_ms"], int)
        self.assertIn("3 of 3 tasks are done, 1 with another exit code than 0 (b: 3)", run.stderr)
        self.assertEqual(harness.mode_of(self.results), 0o600)
        words = {call[1].rsplit("/", 1)[1]: call for call in self.called()}
        self.assertEqual(words["c"], ["run", self.sandbox.path("work/c"), "--json", "--command", "--memory=700MiB",
                                      "--profile=small", "--env=A=b", "--", "0"])
        self.tasks(self.task("a", 0))
        self.assertEqual(self.map("--results", self.sandbox.path("other.jsonl")).code, 0)

    def test_what_was_lost_is_tried_again(self):
        self.tasks(self.task("flaky", "flaky"), self.task("lost", "lost"), self.task("failed", 1))
        run = self.map("--retries", "2")
        self.assertEqual(run.code, 1, run)
        results = {result["id"]: (result["exit_code"], result["attempts"]) for result in self.read()}
        self.assertEqual(results, {"flaky": (0, 2), "lost": (125, 3), "failed": (1, 1)})
        lost = next(result for result in self.read() if result["id"] == "lost")
        self.assertEqual((lost["error"], lost["ended"], lost["report"]), ("the VM was lost", "failed", None))
        self.assertIn("lost is tried again (2)", run.stderr)

    def test_what_failed_is_tried_again_when_asked(self):
        self.tasks(self.task("failed", 1))
        self.map("--retry-failed")
        self.assertEqual(self.read()[0]["attempts"], 2)

    def test_logs_of_each_task(self):
        self.tasks(self.task("a", 0))
        self.assertEqual(self.map("--logs", self.sandbox.path("logs")).code, 0)
        events = [event["event"] for event in self.read(self.sandbox.path("logs/a.jsonl"))]
        self.assertEqual(events, ["attempt", "run", "agent-ended", "stopped"])

    def test_so_many_at_a_time(self):
        self.tasks(*(self.task(name, "wait") for name in "abc"))
        running = self.start("--jobs", "2")
        waits = [self.sandbox.path("work", name, "waits") for name in "abc"]
        wait_until(lambda: all(map(os.path.exists, waits[:2])), 20, "two runs")
        self.assertFalse(os.path.exists(waits[2]))
        for name in "abc":
            self.sandbox.write(f"work/{name}/go")
        result = running.finish()
        self.assertEqual(result.code, 0, result)
        self.assertIn("3 tasks; 2 at a time\n", result.stderr)

    def test_the_default_is_said(self):
        self.tasks(self.task("a", 0))
        self.assertRegex(self.map().stderr, r"1 task; 1 at a time \(\d+ CPUs?, and [\d.]+ \w+ of memory for VMs of 640 MiB")

    def test_tasks_on_the_same_files_take_turns(self):
        self.tasks(self.task("a", 0), {**self.task("b", 0), "workspace": "work/a"})
        run = self.map("--jobs", "2")
        self.assertEqual(run.code, 0, run)
        self.assertIn("1 of them may write the files of another and waits for it", run.stderr)

    # Going on.

    def test_resume_does_what_has_no_result(self):
        self.tasks(self.task("a", 0), self.task("b", "wait"))
        running = self.start("--jobs", "2")
        wait_until(lambda: os.path.exists(self.sandbox.path("work/b/waits")) and self.read(), 20, "one result and one run")
        running.process.kill()
        running.finish()
        harness.processes.wait_gone(lambda: harness.processes.find(self.sandbox.path("bin/run")), 10)
        self.assertEqual([result["id"] for result in self.read()], ["a"])
        refused = self.map()
        self.assertEqual(refused.code, 2, refused)
        self.assertIn("has results already", refused.stderr)
        with open(self.results, "a", encoding="utf-8") as file:
            file.write('{"id":"b","exit_co')
        self.sandbox.write("work/b/go")
        run = self.map("--resume")
        self.assertEqual(run.code, 0, run)
        self.assertIn("was half written", run.stderr)
        self.assertIn("1 task (1 more have results already)", run.stderr)
        self.assertEqual(sorted(result["id"] for result in self.read()), ["a", "b"])
        again = self.map("--resume")
        self.assertEqual(again.code, 0, again)
        self.assertEqual(len(self.called()), 3)

    def test_resume_counts_what_failed_before(self):
        self.tasks(self.task("a", 4))
        self.map()
        run = self.map("--resume")
        self.assertEqual(run.code, 1, run)
        self.assertIn("1 of 1 tasks are done, 1 with another exit code than 0", run.stderr)

    def test_a_result_of_another_task_is_not_taken(self):
        first, second = self.task("a", 0), self.task("b", 0)
        first.pop("id"), second.pop("id")
        self.tasks(first)
        self.map()
        self.tasks(second, first)
        run = self.map("--resume")
        self.assertEqual(run.code, 2, run)
        self.assertIn(f"{self.results}:1: the result of '1' is of another task than line 1", run.stderr)

    def test_two_maps_do_not_share_results(self):
        self.tasks(self.task("a", "wait"))
        running = self.start()
        wait_until(lambda: os.path.exists(self.sandbox.path("work/a/waits")), 20, "the run")
        run = self.map("--resume")
        self.assertEqual(run.code, 2, run)
        self.assertIn("another agentvm map writes to the results file", run.stderr)
        self.sandbox.write("work/a/go")
        self.assertEqual(running.finish().code, 0)

    def test_a_signal_ends_every_run_in_order(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(signal=number):
                self.tasks(self.task("done", 0), *(self.task(f"{number}-{name}", "wait") for name in "ab"))
                running = self.start("--jobs", "3", "--results", self.sandbox.path(f"{number}.jsonl"))
                waits = [self.sandbox.path("work", f"{number}-{name}", "waits") for name in "ab"]
                wait_until(lambda: all(map(os.path.exists, waits)), 20, "both runs")
                wait_until(lambda: "done ended" in running.text("stderr"), 20, "the first task")
                running.process.send_signal(number)
                result = running.finish(30)
                self.assertEqual(result.code, code, result)
                self.assertIn("agentvm map --resume does the rest", result.stderr)
                self.assertEqual([one["id"] for one in self.read(self.sandbox.path(f"{number}.jsonl"))], ["done"])
                self.assertEqual(harness.processes.find(self.sandbox.path("bin/run")), [])

    def test_progress_is_one_line_on_a_terminal(self):
        self.tasks(self.task("a", 0), self.task("b", 5))
        with self.sandbox.terminal("map", self.file, "--jobs", "1", env=self.env, columns=100) as terminal:
            terminal.finish()
            self.assertIn("\r\x1b[K", terminal.screen)
            self.assertIn("agentvm: b ended with 5 after", terminal.screen)
            self.assertIn("2 of 2 tasks are done", terminal.screen)
        self.assertNotIn("\x1b", self.map("--results", self.sandbox.path("piped.jsonl")).stderr)

    # Slurm.

    def test_slurm_is_given_an_array_and_its_results_are_gathered(self):
        self.tasks(self.task("a", 0), self.task("b", 3))
        run = self.map("--slurm", "--jobs", "5", "--memory=700MiB", "--sbatch-option=--partition=long",
                       "--logs", self.sandbox.path("logs"))
        self.assertEqual(run.code, 1, run)
        results = {result["id"]: result for result in self.read()}
        self.assertEqual({name: (one["exit_code"], one["host"], one["job"]) for name, one in results.items()},
                         {"a": (0, "node1", "7_1"), "b": (3, "node2", "7_2")})
        with open(f"{self.calls}.sbatch", encoding="utf-8") as file:
            words = file.read().split()
        self.assertIn("--array=1-2%5", words)
        self.assertIn("--partition=long", words)
        self.assertIn("--memory=700MiB", self.called()[0])
        self.assertTrue(os.path.exists(self.sandbox.path("logs/b.jsonl")))
        self.assertTrue(os.path.isdir(f"{self.results}.slurm"), "what the elements printed stays where something failed")
        refused = self.map("--resume")
        self.assertEqual(refused.code, 2, refused)
        self.assertIn("was left by an agentvm map --slurm", refused.stderr)
        self.assertEqual(self.map("--resume", "--slurm").code, 1)
        self.assertEqual(len(self.called()), 2, "nothing was done again")

    def test_slurm_leaves_nothing_when_all_is_well(self):
        self.tasks(self.task("a", 0))
        self.assertEqual(self.map("--slurm").code, 0)
        self.assertFalse(os.path.exists(f"{self.results}.slurm"))

    def test_slurm_with_tasks_that_write_the_same_files(self):
        self.tasks(self.task("a", 0), {**self.task("b", 0), "workspace": "work/a"})
        self.refuse(self.map("--slurm"), "the tasks a and b may write the same files", "clone")

    def test_nothing_is_started_from_a_workspace_of_the_map(self):
        self.tasks(self.task("a", 0))
        workspace = self.sandbox.path("work/a")
        for name in ("squeue", "sbatch", "agentvm"):
            self.sandbox.write(f"work/a/{name}", f"#!/bin/sh\necho {name} >>{self.calls}\n", mode=0o755)
        run = self.map("--slurm", env={"PATH": f"{workspace}:{self.sandbox.path('nothing')}"})
        self.assertEqual(run.code, 2, run)
        self.assertIn("squeue: no such program on PATH", run.stderr)
        os.rmdir(f"{self.results}.slurm/done"), os.rmdir(f"{self.results}.slurm/claims"), os.rmdir(f"{self.results}.slurm")
        run = self.map(env={"AGENTVM": f"{workspace}/agentvm"})
        self.assertNotEqual(run.code, 0)
        self.assertEqual(self.called(), [])

    def test_one_task_of_a_scheduler(self):
        """What a job of any scheduler runs: done once, and its result is a line of a results file."""
        self.tasks(self.task("a", 0), self.task("b", 3))
        directory = self.sandbox.path("results")
        for _ in range(2):
            run = self.map("--one", "2", "--results", directory, "--memory=700MiB")
            self.assertEqual(run.code, 3, run)
        self.assertEqual(len(self.called()), 1, "it was done once")
        self.assertIn("--memory=700MiB", self.called()[0])
        self.assertEqual(os.listdir(f"{directory}/done"), ["b"])
        self.assertEqual(self.map("--one", "1", "--results", directory).code, 0)
        with open(self.sandbox.path("all.jsonl"), "w", encoding="utf-8") as file:
            for name in ("a", "b"):
                file.write(json.dumps(self.read(f"{directory}/done/{name}")[0]) + "\n")
        run = self.map("--resume", "--results", self.sandbox.path("all.jsonl"))
        self.assertIn("2 of 2 tasks are done", run.stderr)
        self.assertEqual(self.map("--one", "3", "--results", directory).code, 2)
        self.assertEqual(self.map("--one", "1", "--results", directory, "--resume").code, 2)

    def test_one_task_that_is_ended_leaves_no_result(self):
        self.tasks(self.task("a", "wait"))
        directory = self.sandbox.path("results")
        running = self.start("--one", "1", "--results", directory)
        wait_until(lambda: os.path.exists(self.sandbox.path("work/a/waits")), 20, "the run")
        other = self.start("--one", "1", "--results", directory)
        other.wait_text("another node works on the task a", "stderr")
        running.process.send_signal(signal.SIGTERM)
        self.assertEqual(running.finish(30).code, 143)
        self.assertEqual(os.listdir(f"{directory}/done"), [])
        self.sandbox.write("work/a/go")
        self.assertEqual(other.finish(30).code, 0)
        self.assertEqual(os.listdir(f"{directory}/done"), ["a"])

    def test_slurm_that_is_not_there(self):
        self.tasks(self.task("a", 0))
        run = self.map("--slurm", env={"PATH": self.sandbox.path("nothing")})
        self.assertEqual(run.code, 2, run)
        self.assertIn("squeue: no such program on PATH", run.stderr)
        self.assertIn("slurm-client", run.stderr)


if __name__ == "__main__":
    harness.main()
