# exec_test.py - one VM that stays: exec, shell, attach, ls, inspect, logs, stop, destroy.
import hashlib
import json
import os
import random
import threading
import time

import harness
from harness import Sandbox, VmTestCase, small
from patience import wait_until


class Exec(VmTestCase):
    """All tests share one VM; its agent waits for lines on the terminal that `run` has, and answers them."""

    AGENT = 'echo agent is here; while read -r line; do echo "got $line"; done'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.enterClassContext(cls.sandbox.terminal(
            *small("--name", "one"), cls.sandbox.workspace, "--command", "--", "sh", "-c", cls.AGENT))
        cls.owner.expect("agent is here", 90)
        cls.vm = cls.sandbox.vm("one").wait_known()

    def exec(self, *words, **how):
        return self.sandbox.run("exec", "one", "--", *words, **how)

    def test_exit_codes(self):
        for command, code in ((("true",), 0), (("false",), 1), (("no-such-command",), 127), (("/etc/passwd",), 126),
                              (("sh", "-c", "kill -9 $$"), 137), (("sh", "-c", "exit 200"), 200)):
            with self.subTest(command=command):
                self.assert_code(self.exec(*command), code)

    def test_streams_are_apart(self):
        run = self.exec("sh", "-c", "echo to out; echo to err >&2; pwd; id -un")
        self.assert_code(run, 0)
        self.assertEqual(run.stdout, "to out\n/workspace\nagent\n")
        self.assertEqual(run.stderr, "to err\n")

    def test_as_root_and_environment(self):
        run = self.sandbox.run("exec", "--user", "root", "--env", "COLOUR=blue", "one", "--", "sh", "-c", "id -u; echo $COLOUR")
        self.assertEqual((run.code, run.stdout), (0, "0\nblue\n"), run)

    def test_the_clock_is_the_hosts(self):
        """To the time that an exec takes: the guest's clock lies between the host's before and after."""
        before = time.time()
        run = self.exec("date", "+%s.%N")
        after = time.time()
        self.assertGreater(float(run.stdout), before - 0.05)
        self.assertLess(float(run.stdout), after + 0.05)

    def test_addresses_are_random_where_that_is_a_defence(self):
        planned = json.loads(self.sandbox.run(*small("--dry-run", "--json"), self.sandbox.workspace, "--command", "--", "true").stdout)
        shown = self.exec("cat", "/proc/sys/kernel/randomize_va_space").stdout.strip()
        self.assertEqual(shown, "0" if planned["accelerator"] == "tcg" else "2")

    def test_stdin_half_close(self):
        run = self.exec("sh", "-c", "sort; echo after", input=b"b\na\nc\n")
        self.assertEqual((run.code, run.stdout), (0, "a\nb\nc\nafter\n"), run)

    def test_200_mb_both_ways(self):
        data = random.Random(3).randbytes(200_000_000)
        run = self.exec("cat", input=data, limit=180)
        self.assertEqual((run.code, len(run.out)), (0, len(data)), run.stderr)
        self.assertEqual(hashlib.sha256(run.out).hexdigest(), hashlib.sha256(data).hexdigest())
        print(f"200 MB through cat: {run.took:.1f} s")

    def test_slow_reader_holds_its_writer(self):
        running = self.sandbox.start("exec", "one", "--", "sh", "-c", "yes | head -c 50000000; echo >&2 done")
        self.assertEqual(self.exec("echo", "beside").stdout, "beside\n")
        self.assertEqual(len(running.finish().out), 50_000_000)

    def test_two_at_once(self):
        first = self.sandbox.start("exec", "one", "--", "sh", "-c", "echo first; while [ ! -e go ]; do sleep 0.05; done; echo end")
        first.wait_text("first\n")
        second = self.exec("sh", "-c", "echo second; touch go")
        self.assertEqual(second.stdout, "second\n")
        self.assertEqual(first.finish().stdout, "first\nend\n")

    def test_200_in_parallel(self):
        results = [None] * 200
        turns = threading.Semaphore(24)  # processes of ours at once; each is an exec in the guest

        def one(index):
            with turns:
                results[index] = self.exec("sh", "-c", f"echo {index}; exit {index % 100}")

        threads = [threading.Thread(target=one, args=(index,)) for index in range(len(results))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wrong = [str(run) for index, run in enumerate(results)
                 if run is None or run.code != index % 100 or run.stdout != f"{index}\n"]
        self.assertEqual(wrong, [])

    def test_killed_client_takes_its_process_along(self):
        running = self.sandbox.start("exec", "one", "--", "sh", "-c", "echo $$; exec sleep 987")
        pid = wait_until(lambda: running.text("stdout").strip(), 30, "the process's number")
        running.process.kill()
        wait_until(lambda: self.exec("test", "-e", f"/proc/{pid}").code == 1, 30, "the end of the guest's process")

    def test_terminal(self):
        with self.sandbox.terminal("exec", "-t", "one", "--", "sh", rows=33, columns=101) as terminal:
            terminal.send("PS1=; stty -echo; stty size; tty; echo is-$((1+1))\n")
            terminal.expect(r"33 101\r?\n/dev/pts/\d+\r?\nis-2")
            terminal.resize(40, 120)
            terminal.send("while [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; stty size\n")
            terminal.expect(r"40 120")
            terminal.send("trap 'echo heard-INT' INT; sleep 611; echo over-$?\n")
            wait_until(lambda: "+" in self.exec("sh", "-c", "ps -o stat= -p $(pgrep -fx 'sleep 611')").stdout, 30,
                       "sleep to be the terminal's foreground process")
            terminal.send("\x03")
            terminal.expect(r"heard-INT[\s\S]*over-130")
            terminal.send("exit 5\n")
            self.assertEqual(terminal.finish(), 5)
            self.assertTrue(terminal.echo_on(), "the terminal is put back")

    def test_z_end_of_input_ends_the_run(self):
        """Ctrl-D on the terminal of `run`: the agent ends, and the VM with it."""
        self.owner.send("\x04")
        self.assertEqual(self.owner.finish(), 0)
        self.assertIn("agent ended", self.owner.screen)
        self.sandbox.assert_nothing_left()

    def test_window_change_signal(self):
        with self.sandbox.terminal("exec", "-t", "one", "--", "bash", "--norc", "-c",
                                   "trap 'stty size; exit 0' WINCH; echo rea''dy; while :; do sleep 0.1; done") as terminal:
            terminal.expect("ready")
            terminal.resize(50, 132)
            terminal.expect("50 132")
            self.assertEqual(terminal.finish(), 0)

    def test_no_terminal_wanted_where_none_is(self):
        run = self.sandbox.run("exec", "-t", "one", "--", "tty")
        self.assertIn(run.code, (0, 2), run)
        if run.code == 2:
            self.assertIn("terminal", run.stderr)

    def test_shell(self):
        with self.sandbox.terminal("shell", "one") as terminal:
            terminal.send("echo $((40+2)); pwd; exit 3\n")
            terminal.expect(r"42\r?\n/workspace")
            self.assertEqual(terminal.finish(), 3)

    def test_attach_and_detach(self):
        with self.sandbox.terminal("attach", "one") as terminal:
            terminal.expect("agent is here")
            terminal.send("one line\n")
            terminal.expect("got one line")
            terminal.send("\x10\x11")  # Ctrl-P Ctrl-Q
            self.assertEqual(terminal.finish(), 0)
        with self.sandbox.terminal("attach", "one") as terminal:
            terminal.expect("got one line")
            terminal.send("second\n")
            terminal.expect("got second")
            terminal.hang_up()
            terminal.finish()
        self.assertEqual(self.exec("true").code, 0, "the VM outlives whoever was attached")
        self.owner.expect("got second")

    def test_ls_inspect_logs(self):
        listing = self.sandbox.run("ls", "--json")
        self.assert_code(listing, 0)
        entry = next(vm for vm in listing.json() if vm["name"] == "one")
        self.assertEqual((entry["state"], entry["profile"], entry["workspace"]), ("running", "small", self.sandbox.workspace))
        self.assertIn("one", self.sandbox.run("ls").stdout)
        self.assertEqual(self.sandbox.run("ls", "-q").stdout, "one\n")
        inspected = self.sandbox.run("inspect", "one")
        self.assert_code(inspected, 0)
        self.assertIn(self.vm.uuid, inspected.stdout)
        inspected.json()
        self.assertIn("agent is here", self.sandbox.run("logs", "one").stdout)
        events = self.sandbox.run("logs", "--source", "events", "one")
        self.assertIn("agent-started", [event["event"] for event in events.events()])
        for source in ("console", "supervisor", "virtiofsd"):
            self.assert_code(self.sandbox.run("logs", "--source", source, "one"), 0)
        wrong = self.sandbox.run("logs", "--source", "nonsense", "one")
        self.assert_code(wrong, 2)
        self.assertIn("console", wrong.stderr, "the message names the sources there are")

    def test_logs_follow(self):
        following = self.sandbox.start("logs", "-f", "one")
        following.wait_text("agent is here")
        with self.sandbox.terminal("attach", "one") as terminal:
            terminal.send("for the log\n")
            terminal.expect("got for the log")
        following.wait_text("got for the log")
        following.process.terminate()
        following.finish()

    def test_name_in_use(self):
        run = self.sandbox.run(*small("--name", "one"), self.sandbox.workspace, "--command", "--", "true")
        self.assertIn(run.code, (2, 125), run)
        self.assertIn("one", run.stderr)
        self.assertLessEqual(len(harness.sentences(run)), 3, run)
        self.assertEqual(self.exec("true").code, 0)

    def test_unknown_vm(self):
        run = self.sandbox.run("exec", "onne", "--", "true")
        self.assertIn(run.code, (2, 125), run)
        self.assertIn("one", run.stderr, "the nearest name is told")

    def test_memory_of_the_supervisor(self):
        self.exec("true")
        supervisor = self.vm.find("agentvm-supervisor")[0]
        peak = harness.processes.peak_memory(supervisor.pid)
        print(f"supervisor: peak RSS {peak / 2**20:.1f} MiB")
        if not harness.SANITIZED:
            self.assertLess(peak, 60 * 2**20)


class Ending(VmTestCase):
    """The verbs that end a VM; each leaves nothing."""

    def begin(self, name):
        run = self.sandbox.run(*small("--name", name, "--detach"), self.sandbox.workspace, "--command", "--", "sleep", "600")
        self.assert_code(run, 0)
        return self.sandbox.vm(name).wait_known()

    def test_stop(self):
        vm = self.begin("stopped")
        run = self.sandbox.run("stop", "stopped")
        self.assert_code(run, 0)
        self.sandbox.assert_nothing_left(vm, limit=2)
        self.assertEqual(self.sandbox.run("ls", "-q").stdout, "")

    def test_destroy_of_the_current_directory(self):
        vm = self.begin("ws")
        run = self.sandbox.run("destroy", cwd=self.sandbox.workspace)
        self.assert_code(run, 0)
        self.assertLess(run.took, 3, "destroy -> everything gone")
        self.sandbox.assert_nothing_left(vm, limit=2)

    def test_detached_run_ends_by_itself(self):
        report = self.sandbox.path("report.json")
        run = self.sandbox.run(*small("--name", "brief", "--detach", "--report", report), self.sandbox.workspace, "--command",
                               "--", "sh", "-c", "exit 4")
        self.assert_code(run, 0)
        wait_until(lambda: os.path.exists(report), 30, "the report of the detached run")
        self.sandbox.assert_nothing_left(limit=10)

    def test_kept_vm_stays_after_its_agent(self):
        run = self.sandbox.run(*small("--name", "kept", "--keep"), self.sandbox.workspace, "--command", "--", "sh", "-c",
                               "echo here > /tmp/mark; exit 9")
        self.assert_code(run, 9)
        self.assertEqual(self.sandbox.run("exec", "kept", "--", "cat", "/tmp/mark").stdout, "here\n")
        self.assert_code(self.sandbox.run("destroy", "--all"), 0)
        self.sandbox.assert_nothing_left(limit=2)

    def test_stopped_kept_vm_is_its_logs_alone(self):
        run = self.sandbox.run(*small("--name", "read", "--keep"), self.sandbox.workspace, "--command", "--", "echo", "to be read")
        self.assert_code(run, 0)
        vm = self.sandbox.vm("read").wait_known()
        self.assert_code(self.sandbox.run("stop", "read"), 0)
        self.assert_code(self.sandbox.run("gc"), 0)
        self.assertEqual([one["state"] for one in self.sandbox.run("ls", "--json").json()], ["stopped"])
        self.assertIn("to be read", self.sandbox.run("logs", "read").stdout)
        self.assertFalse(os.path.exists(self.sandbox.path("run", "agentvm", "read")), "its sockets are gone")
        self.assertEqual([process.program for process in vm.processes()], [])
        self.assert_code(self.sandbox.run("destroy", "read"), 0)
        self.sandbox.assert_nothing_left(vm, limit=2)

    def test_interrupted_run(self):
        with Sandbox() as sandbox:
            with sandbox.terminal(*small("--name", "typed"), sandbox.workspace, "--command", "--", "sh", "-c",
                                  "trap 'echo inside-INT; exit 6' INT; echo re''ady; while :; do sleep 0.1; done") as terminal:
                terminal.expect("ready")
                terminal.send("\x03")
                terminal.expect("inside-INT")
                self.assertEqual(terminal.finish(), 6)
            sandbox.assert_nothing_left()

    def test_terminated_run(self):
        running = self.sandbox.start(*small("--name", "ended"), self.sandbox.workspace, "--command", "--", "sh", "-c",
                                     "echo ready; exec sleep 600")
        running.wait_text("ready")
        running.process.terminate()
        result = running.finish(30)
        self.assertIn(result.code, (-15, 143, 125), result)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
