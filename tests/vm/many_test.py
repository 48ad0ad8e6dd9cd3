# many_test.py - several VMs at once: on workspaces of their own, on the same one, and every one ends clean.
import os

import harness
from harness import VmTestCase, small


class Many(VmTestCase):
    # A name in one step: who waits for a file must not find it before its content.
    WAIT_FOR_OTHER = 'echo "$1" > "mine-$1"; mv "mine-$1" "here-$1"; while [ ! -e "here-$2" ]; do sleep 0.05; done; cat "here-$2"; hostname'

    def test_two_on_two_workspaces(self):
        runs = {}
        for name in ("left", "right"):
            os.mkdir(self.sandbox.path(name))
            runs[name] = self.sandbox.start(*small("--json"), self.sandbox.path(name), "--command", "--", "sh", "-c",
                                            "hostname > me; while [ ! -e go ]; do sleep 0.05; done; exit 3")
        for name, run in runs.items():
            run.wait_event("agent-started")
        self.assertEqual(sorted(self.sandbox.run("ls", "-q").stdout.split()), ["left", "right"], "named after the workspaces")
        for name, run in runs.items():
            self.sandbox.write(f"{name}/go")
            self.assertEqual(run.finish().code, 3)
            with open(self.sandbox.path(name, "me"), encoding="utf-8") as file:
                self.assertEqual(file.read(), f"{name}\n")
        self.sandbox.assert_nothing_left()

    def test_two_on_the_same_workspace(self):
        os.mkdir(self.sandbox.path("same"))
        runs = [self.sandbox.start(*small(), self.sandbox.path("same"), "--command", "--", "sh", "-c", self.WAIT_FOR_OTHER,
                                   "sh", mine, other) for mine, other in (("1", "2"), ("2", "1"))]
        results = [run.finish() for run in runs]
        self.assertEqual([result.code for result in results], [0, 0], results)
        self.assertEqual([result.stdout.splitlines()[0] for result in results], ["2", "1"], "each saw the other's file")
        self.assertEqual(sorted(result.stdout.splitlines()[1] for result in results), ["same", "same-2"])
        self.sandbox.assert_nothing_left()

    def test_destroy_without_a_name_where_several_are(self):
        for name in ("some", "other"):
            os.mkdir(self.sandbox.path(name))
        runs = [self.sandbox.start(*small("--json"), self.sandbox.path(name), "--command", "--", "sleep", "600")
                for name in ("some", "other")]
        for run in runs:
            run.wait_event("agent-started")
        refused = self.sandbox.run("destroy", cwd="/")
        self.assert_code(refused, 2)
        self.assertIn("some", refused.stderr)
        self.assertIn("other", refused.stderr)
        self.assert_code(self.sandbox.run("destroy", "--all"), 0)
        for run in runs:
            run.finish(20)
        self.sandbox.assert_nothing_left(limit=2)


if __name__ == "__main__":
    harness.main()
