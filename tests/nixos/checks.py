# checks.py - what every booted NixOS guest of the set must show, asked through `agentvm exec` and `agentvm shell`.
import os
import subprocess
import time

from boots import Boot
from world import INTERNET, HOST_PUBLIC

CLOCK_TOLERANCE = 0.05  # seconds
# The guest's time for each line that comes.
TELL_TIME = 'while read -r line; do echo "$EPOCHREALTIME $line;"; done'
# One network connection: what it hears, or that there is none.
REACH = f"timeout 10 bash -c 'exec 3<>/dev/tcp/{INTERNET}/80 && printf hello >&3 && cat <&3' 2>/dev/null || echo unreachable"
# In Nix's sandbox. The hybrid's programs want their libraries where Debian has them.
BUILD = r"""
world=$(readlink -f /usr)
made=$(nix build --impure --no-link --print-out-paths --option substituters '' \
  --option extra-sandbox-paths "/lib=$world/lib /lib64=$world/lib64" --expr "
    derivation { name = \"made-inside\"; system = \"x86_64-linux\"; builder = \"\${builtins.storePath $world}/bin/bash\";
                 args = [ \"-c\" \"echo of the build > \$out\" ]; }") && cat "$made"
"""


class Checks(Boot):
    """Tests that leave the VM as it was; a class adds what is its own, and the VM's end as `test_z_...`."""

    def test_exit_codes(self):
        for command, code in ((("true",), 0), (("sh", "-c", "exit 7"), 7), (("no-such-command",), 127), (("/etc/hostname",), 126),
                              (("sh", "-c", "kill -9 $$"), 137), (("sh", "-c", "kill -TERM $$"), 143)):
            with self.subTest(command=command):
                self.assertEqual(self.exec(*command).code, code)

    def test_megabytes_both_ways(self):
        data = os.urandom(1 << 20) * 4
        run = self.exec("cat", input=data)
        self.assertEqual(run.code, 0, run.stderr)
        self.assertTrue(run.out == data, f"{len(run.out)} of {len(data)} bytes came back, or others")

    def test_account(self):
        seen = self.said("sh", "-c", "id -un; id -u; pwd; echo $HOME $SHELL; sudo -n id -u; sudo -n -u '#65534' id -u").splitlines()
        self.assertEqual(seen[:3] + seen[4:], ["agent", "1000", "/workspace", "0", "65534"])
        self.assertRegex(seen[3], r"\A/home/agent /nix/store/\S+/bin/bash\Z")
        groups = set(self.said("id", "-Gn").split())
        self.assertLessEqual({"agent", "wheel", "systemd-journal", "of-the-module"}, groups)
        self.assertEqual(self.said("id", "-un", options=("--user", "root")), "root\n")

    def test_shell(self):
        words = b"id -un; shopt -q login_shell && echo a login shell; pwd; exit 3\n"
        for options, user in (((), "agent"), (("--root",), "root")):
            run = self.sandbox.run("shell", *options, self.NAME, input=words)
            self.assertEqual((run.code, run.stdout), (3, f"{user}\na login shell\n/workspace\n"), run)

    def test_a_given_path_holds_in_login_shells(self):
        """Codex runs its commands with `bash -lc`."""
        path = "/mine:/run/current-system/sw/bin"
        seen = self.said("bash", "-lc", "echo $PATH; bash -lc 'echo $PATH'", options=("--env", f"PATH={path}"))
        self.assertEqual(seen, f"{path}\n" * 2)

    def test_units(self):
        self.assertEqual(self.said("systemctl", "--failed", "--no-legend", "--plain"), "")
        self.assertEqual(self.said("systemctl", "is-system-running", "--wait"), "running\n")
        self.assertEqual(self.said("systemctl", "--failed", "--no-legend", "--plain"), "")
        self.assertEqual(self.said("loginctl", "--no-legend", "list-sessions"), "", "nobody sits at it")
        self.assertTrue(self.said("journalctl", "--quiet", "--no-pager", "--boot", "--lines=1"), "the agent reads the journal")

    def test_clock(self):
        """Against the host's, at the quickest of several answers."""
        running = self.sandbox.start("exec", self.NAME, "--", "bash", "-c", TELL_TIME, stdin=subprocess.PIPE)
        answers = []
        for number in range(12):
            before = time.time()
            running.process.stdin.write(f"{number}\n".encode())
            running.process.stdin.flush()
            running.wait_text(f" {number};")
            after = time.time()
            told = float(running.text("stdout").split(f" {number};")[0].splitlines()[-1])
            answers.append((after - before, told - (before + after) / 2))
        running.process.stdin.close()
        self.assertEqual(running.finish(20).code, 0)
        took, offset = min(answers)
        print(f"{self.NAME}: the clock is {offset * 1000:+.1f} ms off the host's, known to {took * 500:.1f} ms")
        self.assertLess(abs(offset), CLOCK_TOLERANCE)

    def test_workspace(self):
        self.assertEqual(self.said("cat", "from-the-host"), "of the host\n")
        self.said("sh", "-c", "echo of the guest > by-the-guest; mkdir -p a/b; ln -s b a/link; mv by-the-guest a/b/moved")
        with open(f"{self.workspace}/a/link/moved", encoding="utf-8") as file:
            self.assertEqual(file.read(), "of the guest\n")
        with open(f"{self.workspace}/later", "w", encoding="utf-8") as file:
            file.write("of later\n")
        self.assertEqual(self.said("cat", "later"), "of later\n")
        self.assert_workspace_options()

    def assert_workspace_options(self):
        mounted = self.said("sh", "-c", "grep ' /workspace ' /proc/self/mounts").split()
        self.assertEqual(mounted[2], "virtiofs")
        self.assertLessEqual({"nosuid", "nodev"}, set(mounted[3].split(",")))

    def test_network(self):
        cards = sorted(self.said("ls", "/sys/class/net").split())
        answer = self.said("sh", "-c", REACH).strip()
        if self.EGRESS == "none":
            self.assertEqual((cards, answer), (["lo"], "unreachable"))
        else:
            self.assertEqual((cards, answer), (["eth0", "lo"], f"{HOST_PUBLIC} hello"))

    def test_store(self):
        kind = self.said("sh", "-c", "awk '$2 == \"/nix/.ro-store\" || $2 == \"/nix/store\" {print $2, $3}' /proc/self/mounts | sort -u")
        self.assertIn(f"/nix/.ro-store {'virtiofs' if self.STORE == 'host' else 'erofs'}\n", kind)
        self.assertIn("/nix/store overlay\n", kind)
        self.assertNotEqual(self.exec("touch", "/nix/store/by-the-agent").code, 0, "the daemon's alone")
        self.assertEqual(self.said("sh", "-c", BUILD, limit=300), "of the build\n")
