# run_command_test.py - `agentvm run --command`: streams, exit codes, the guest's limits, what is left on the host.
import fcntl
import json
import os
import shutil
import stat
import subprocess
import unittest

import harness
from harness import VmTestCase, mode_of, small
from swapper import Swapper


MCP_SERVER = """\
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "die":
        print("there is no module y\\x1b]52;c;aGk=\\x07", file=sys.stderr, flush=True)
        os._exit(3)
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": os.environ["TOKEN"]}), flush=True)
"""


class RunCommand(VmTestCase):
    def command(self, *words, options=(), workspace=None, **how):
        """A run of one command in a fresh VM."""
        return self.sandbox.run(*small(*options), workspace or self.sandbox.workspace, "--command", "--", *words, **how)

    def test_streams_and_exit_code(self):
        run = self.sandbox.run("run", "--profile", "default", "./ws", "--command", "--", "sh", "-c",
                               "id; echo out; echo err >&2; exit 7")
        self.assert_code(run, 7)
        self.assertRegex(run.stdout, r"\Auid=1000\(agent\) gid=1000\(agent\)[^\n]*\nout\n\Z", run)
        self.assertIn("err\n", run.stderr, run)
        self.sandbox.assert_nothing_left()

    def test_stdin_is_passed_on(self):
        run = self.command("sh", "-c", "cat; echo end", input=b"hi\nthere")
        self.assert_code(run, 0)
        self.assertEqual(run.stdout, "hi\nthereend\n", run)
        self.sandbox.assert_nothing_left()

    def test_command_that_is_not_there(self):
        run = self.command("no-such-command-here")
        self.assert_code(run, 127)
        self.assertIn("no-such-command-here", run.stderr)
        self.assertEqual(run.stdout, "", run)
        self.sandbox.assert_nothing_left()

    def test_command_that_cannot_start(self):
        with open(os.path.join(self.sandbox.workspace, "plain"), "w", encoding="utf-8") as file:
            file.write("no program")
        run = self.command("./plain")
        self.assert_code(run, 126)
        self.assertIn("plain", run.stderr)
        self.sandbox.assert_nothing_left()

    def test_timeout(self):
        run = self.command("sh", "-c", "echo before; sleep 600", options=("--timeout", "1s"))
        self.assert_code(run, 124)
        self.assertEqual(run.stdout, "before\n", run)
        self.sandbox.assert_nothing_left()

    def test_mcp_server_that_is_a_script(self):
        """An interpreter with a script of its own, variables of the profile, and the last words of one that dies."""
        script = self.sandbox.write("servers/srv.py", MCP_SERVER)
        profile = self.sandbox.write_profile("served", f"""{harness.SMALL_PROFILE}
[mcp.x]
command = ["/usr/bin/python3", "{script}"]
env = {{ TOKEN = "of the profile" }}
""")
        ask = """printf '%s\\n' '{"jsonrpc":"2.0","id":1,"method":"a"}' '{"jsonrpc":"2.0","id":2,"method":"die"}' | /run/agentvm/agentvm-guest bridge mcp/x"""
        run = self.sandbox.run("run", "--profile", profile, self.sandbox.workspace, "--command", "--", "sh", "-c", ask)
        self.assertIn('"result": "of the profile"', run.stdout, run)
        self.assertIn("the MCP server x ended by itself with code 3", run.stderr, run)
        self.assertIn("there is no module y]52;", run.stderr, run)
        self.assertNotIn("\x1b]52", run.stderr)
        self.sandbox.assert_nothing_left()

    def test_report_and_changed_files(self):
        workspace = self.sandbox.path("project")
        os.makedirs(workspace)
        self.sandbox.write("project/kept.txt", "one\ntwo\nthree\n")
        self.sandbox.write("project/gone.txt", "bye\n")
        self.sandbox.write("project/same.txt", "same\n")
        report_file = self.sandbox.path("report.json")
        run = self.command("sh", "-c", "printf 'one\\n2\\nthree\\nfour\\n' > kept.txt; rm gone.txt; echo new > new.txt; cat same.txt",
                           options=("--report", report_file), workspace=workspace)
        self.assert_code(run, 0)
        self.assertEqual(run.stdout, "same\n", run)
        with open(report_file, encoding="utf-8") as file:
            report = json.load(file)
        changes = {change["path"]: (change["kind"], change.get("added"), change.get("removed")) for change in report["files"]}
        self.assertEqual(changes, {"kept.txt": ("M", 2, 1), "gone.txt": ("D", 0, 1), "new.txt": ("A", 1, 0)})
        self.assertEqual(report["exit_code"], 0)
        self.assertEqual(report["ended"], "agent ended")
        self.assertTrue(0 < report["ready_ms"] <= report["agent_started_ms"] <= report["total_ms"], report)
        for name in ("kept.txt", "gone.txt", "new.txt"):
            self.assertIn(name, run.stderr, "the report for people names what changed")
        self.assertNotIn("same.txt", run.stderr)
        self.sandbox.assert_nothing_left()

    @unittest.skipUnless(os.geteuid() == 0, "giving a link away takes root")
    def test_a_workspace_that_is_exchanged_all_the_time(self):
        """Its parent's owner exchanges it for a link to a secret directory, from before the check to after the report."""
        parent, secret = self.sandbox.path("parent"), self.sandbox.path("secret")
        work, evil = f"{parent}/work", f"{parent}/evil"
        for directory, mark in ((work, "mine"), (secret, "secret")):
            os.makedirs(directory, 0o700)
            with open(f"{directory}/mark", "w", encoding="utf-8") as file:
                file.write(mark)
        os.symlink(secret, evil)
        os.lchown(evil, 4711, 4711)
        with Swapper(work, evil):
            for _ in range(200):
                run = self.command("sh", "-c", "cat mark; echo written > written", workspace=work,
                                   options=("--report", f"{work}/report.json"))
                if run.code != 2:
                    break
                self.assertIn("belongs to another user", run.stderr, run)
        self.assert_code(run, 0)
        self.assertEqual(run.stdout, "mine", run)
        self.assertEqual(os.listdir(secret), ["mark"])
        self.assertEqual(sorted(os.listdir(work)), ["mark", "report.json", "written"])
        with open(f"{work}/report.json", encoding="utf-8") as file:
            self.assertEqual([change["path"] for change in json.load(file)["files"]], ["written"])
        self.sandbox.assert_nothing_left()

    def test_json_events(self):
        run = self.command("sh", "-c", "echo out; exit 3", options=("--json",))
        self.assert_code(run, 3)
        events = [json.loads(line) for line in run.stdout.splitlines()]
        names = [event["event"] for event in events]
        order = [name for name in names if name in ("ready", "agent-started", "agent-ended", "stopped")]
        self.assertEqual(order, ["ready", "agent-started", "agent-ended", "stopped"], run)
        self.assertTrue(all("time" in event for event in events if event["event"] not in ("output", "run")))
        self.assertEqual("".join(event["data"] for event in events if event["event"] == "output"), "out\n")
        ready = events[names.index("ready")]
        self.assertGreater(ready["guest"]["ready_ms"], 0)
        self.assertEqual(events[names.index("agent-ended")]["exit_code"], 3)
        self.assertEqual(events[names.index("stopped")]["report"]["exit_code"], 3)
        self.sandbox.assert_nothing_left()

    def test_dry_run_starts_nothing(self):
        run = self.command("true", options=("--dry-run",))
        self.assert_code(run, 0)
        self.assertIn(self.sandbox.workspace, run.stdout)
        self.assertEqual(self.sandbox.left(), [])


class LikeTheHost(VmTestCase):
    """What people do every day and expect to be as it is outside, or to be told that it is not."""

    GIT = r"""
set -eu
sudo -n true
git init -q .
git commit -q --allow-empty -m default
GIT_AUTHOR_NAME=Variable git commit -q --allow-empty -m variable
git config --global user.name Home
git commit -q --allow-empty -m home
git config user.name Repository
git commit -q --allow-empty -m repository
git log --reverse --format='%an <%ae> %cn'
git config --list --show-origin | grep -c -e credential -e alias -e SECRET || true
"""

    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_git_commits_as_the_caller(self):
        self.sandbox.write("home/.gitconfig", """\
[user]
	name = "Jürgen \\"JJ\\" \\\\ #1; O'Neill"
	email = jj@example.org
	signingKey = SECRET
[credential]
	helper = store
[alias]
	x = !true
""")
        workspace = self.sandbox.path("repository")
        os.makedirs(workspace)
        run = self.sandbox.run(*small(), workspace, "--command", "--", "sh", "-c", self.GIT)
        self.assert_code(run, 0)
        caller = "Jürgen \"JJ\" \\ #1; O'Neill"
        self.assertEqual(run.stdout.splitlines(), [
            f"{caller} <jj@example.org> {caller}", f"Variable <jj@example.org> {caller}", "Home <jj@example.org> Home",
            "Repository <jj@example.org> Repository", "0"], run)
        self.sandbox.assert_nothing_left()

    # A file system of the agent's own: the kernel's first request is answered, so the mount lives.
    FUSE = r"""
import ctypes, os, struct, subprocess, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
place = tempfile.mkdtemp()
options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
if libc.mount(b"mine", place.encode(), b"fuse", 6, options) != 0:
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
request = os.read(device, 65536)
opcode, unique = struct.unpack_from("<xxxxIQ", request)
answer = struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 1, 0, 0)
os.write(device, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
print("fuse", opcode, f" {place} " in open("/proc/self/mounts").read())
"""

    def test_fuse_and_modules(self):
        self.sandbox.write("fuse/mount.py", self.FUSE)
        plan = self.sandbox.run(*small("--dry-run", "--json"), self.sandbox.path("fuse"), "--command", "--", "true").json()
        said = any("modprobe finds no modules" in note for note in plan["notes"])
        run = self.sandbox.run(*small(), self.sandbox.path("fuse"), "--command", "--", "sh", "-c",
                               "unshare -rm python3 mount.py; sudo -n modprobe -n -q loop && echo modules; true")
        self.assert_code(run, 0)
        self.assertIn("fuse 26 True", run.stdout, run)
        if shutil.which("modprobe"):
            self.assertEqual("modules" not in run.stdout.splitlines(), said, plan["notes"])
        self.sandbox.assert_nothing_left()

    HOLD = """
import ctypes, fcntl, os, select, sys
lock = open("shared/lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
libc = ctypes.CDLL(None)
watch = libc.inotify_init1(0)
libc.inotify_add_watch(watch, b"shared", 0x100)  # IN_CREATE
print("held", flush=True)
sys.stdin.read()
print("there" if os.path.exists("shared/by-second") else "missing", "told" if select.select([watch], [], [], 0)[0] else "not told")
"""

    def test_two_vms_on_the_same_files(self):
        """The note is said, and it is true: three hold the one lock, and no watcher hears of another VM."""
        around, shared = self.sandbox.path("around"), self.sandbox.path("around/shared")
        self.sandbox.write("around/shared/lock")
        self.sandbox.write("around/hold.py", self.HOLD)
        first = self.sandbox.start(*small("--name", "first"), around, "--command", "--", "python3", "hold.py", stdin=subprocess.PIPE)
        first.wait_text("held\n", limit=120)
        self.assertNotIn("inotify", first.text("stderr"))
        with open(f"{shared}/lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            second = self.sandbox.run(*small("--name", "second", "--json"), shared, "--command", "--", "sh", "-c",
                                      "flock -n lock touch by-second")
        self.assert_code(second, 0)
        told = [note for note in second.events()[0]["notes"] if f"(first on {around})" in note]
        self.assertEqual(len(told), 1, second)
        self.assertIn("neither file locks nor news of changes (inotify) cross between VMs", told[0])
        third = self.sandbox.run(*small("--name", "third"), around, "--command", "--", "true")
        self.assert_code(third, 0)
        note = " ".join(third.stderr.split())
        self.assertEqual(note.count("Another VM works on these files already (first), and neither file locks nor"), 1, third)
        self.assertLess(note.index("Another VM"), note.index("booting the guest"), third)
        first.process.stdin.close()
        ended = first.finish()
        self.assert_code(ended, 0)
        self.assertEqual(ended.stdout, "held\nthere not told\n", ended)
        self.sandbox.assert_nothing_left()


class WhatTheGuestMayDo(VmTestCase):
    """One VM, whose agent tries what it should not be able to do; the host is looked at afterwards."""

    SCRIPT = r"""
set -u
say() { printf '%s=%s\n' "$1" "$2"; }
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then say "$name" yes; else say "$name" no; fi; }
echo written > by-agent
sudo -n sh -c 'echo written > by-root'
say sudo "$(sudo -n id -u)"
say home "$HOME"
say pwd "$(pwd)"
say owner-inside "$(stat -c %u by-agent)"
sudo -n cp /bin/true suid; sudo -n chown 0:0 suid; sudo -n chmod 4755 suid
sudo -n cp /bin/true sgid; sudo -n chmod 2755 sgid
sudo -n sh -c 'cat /bin/true >host-suid'; echo more >>host-suid
mkdir group; chmod 2775 group; say group "$(stat -c %a group)"
sudo -n install -d -m 2770 group/more; say more "$(stat -c %a group/more)"
say groups "$(id -Gn)"
say fuse "$(stat -c %a /dev/fuse)"
say mounts "$(grep -q " /workspace " /etc/mtab && echo there)"
try dpkg dpkg-query -s dpkg
try alternatives update-alternatives --query awk
try man man -w true
try device sudo -n mknod device b 1 1
try device-char sudo -n mknod device-char c 1 5
try setcap sudo -n setcap cap_sys_admin+ep by-root
try usr-write sudo -n touch /usr/agentvm-was-here
try usr-remount sudo -n sh -c 'mount -o remount,rw /usr && touch /usr/agentvm-was-here'
ln -s /etc/passwd link-etc
ln -s ../secret link-out
try read-link-out cat link-out
try read-parent cat ../secret
say secret "$(sudo -n find / -xdev -name agentvm-host-secret 2>/dev/null | head -1)"
say etc "$(sudo -n grep -rl agentvm-host-secret /etc 2>/dev/null | head -1)"
say homes "$(ls /home | tr '\n' ' ')"
say root-home "$(sudo -n ls -A /root 2>/dev/null | tr '\n' ' ')"
say host-user "$(grep -c agentvm-test-host-user /etc/passwd)"
say nic "$(ls /sys/class/net | tr '\n' ' ')"
say hostname "$(hostname)"
ln by-agent hard-link && say hard-link yes
exit 0
"""

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("files of another owner are made by root only")

    def test_as_root_of_the_guest(self):
        workspace = self.sandbox.workspace
        os.chown(workspace, 1234, 1234)
        self.sandbox.write("secret", "agentvm-host-secret")
        # Of root, set-user-id, and writable for everybody: the host's mistake, and not to be turned into the guest's program.
        owned = os.path.join(workspace, "host-suid")
        with open(owned, "wb"):
            os.chmod(owned, 0o4777)
        run = self.sandbox.run(*small("--name", "limits"), workspace, "--command", "--", "sh", "-c", self.SCRIPT)
        self.assert_code(run, 0)
        said = dict(line.split("=", 1) for line in run.stdout.splitlines())

        with self.subTest("the agent is an ordinary user who can become root"):
            self.assertEqual(said["sudo"], "0", run)
            self.assertEqual(said["pwd"], "/workspace")
            self.assertEqual(said["hostname"], "limits")
            self.assertNotIn("/root", said["home"])
        with self.subTest("files belong to the workspace's owner"):
            for name in ("by-agent", "by-root", "hard-link"):
                info = os.stat(os.path.join(workspace, name))
                self.assertEqual((info.st_uid, info.st_gid), (1234, 1234), name)
        with self.subTest("no set-user-id file of root, no device, no file capability"):
            for name in ("suid", "sgid"):
                info = os.lstat(os.path.join(workspace, name))
                self.assertFalse(info.st_uid == 0 and info.st_mode & stat.S_ISUID, name)
                self.assertFalse(info.st_mode & stat.S_ISGID, name)
            info = os.lstat(owned)
            self.assertGreater(info.st_size, 0, "the guest has written to it")
            self.assertFalse(info.st_mode & stat.S_ISUID, oct(info.st_mode))
            for name in ("device", "device-char"):
                self.assertEqual(said[name], "no", name)
            for entry in os.scandir(workspace):
                self.assertFalse(stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode), entry.name)
                self.assertFalse(stat.S_ISCHR(entry.stat(follow_symlinks=False).st_mode), entry.name)
            self.assertEqual(said["setcap"], "no")
        with self.subTest("a directory can hand its group on"):
            self.assertEqual((said["group"], said["more"]), ("2775", "2770"))
            for name, mode in (("group", 0o2775), ("group/more", 0o2770)):
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(workspace, name)).st_mode), mode)
        with self.subTest("the agent has its account's groups"):
            self.assertEqual(said["groups"].split(), ["agent", "sudo"])
        with self.subTest("programs of /usr find what they are made of"):
            self.assertEqual((said["fuse"], said["mounts"]), ("666", "there"))
            for name, program in (("dpkg", "dpkg-query"), ("alternatives", "update-alternatives"), ("man", "man")):
                if shutil.which(program):
                    self.assertEqual(said[name], "yes", name)
        with self.subTest("the host's programs are read-only"):
            self.assertEqual((said["usr-write"], said["usr-remount"]), ("no", "no"))
            self.assertFalse(os.path.lexists("/usr/agentvm-was-here"))
        with self.subTest("nothing of the host beside /usr and the workspace is seen"):
            self.assertEqual((said["read-link-out"], said["read-parent"]), ("no", "no"))
            self.assertEqual((said["secret"], said["etc"], said["root-home"]), ("", "", ""), run)
            self.assertEqual(said["homes"].strip(), "agent")
            self.assertEqual(said["nic"].strip(), "lo")
        self.sandbox.assert_nothing_left()

    def test_read_only_workspace(self):
        self.sandbox.write("read-only/file", "as it was\n")
        self.sandbox.write_profile("fixed", harness.SMALL_PROFILE + '[workspace]\nmode = "read-only"\n')
        self.sandbox.write("exposed/file", "as it was\n")
        exposed = self.sandbox.path("exposed")
        # A file's size is remembered for a second, so a look within it may end early.
        running = self.sandbox.start(
            "run", "--profile", "fixed", "--expose", exposed, self.sandbox.path("read-only"), "--command", "--", "sh", "-c",
            "cat file; touch new; sudo -n touch new; sudo -n mount -o remount,rw /workspace; "
            f"sudo -n sh -c 'echo x > file'; sudo -n rm file; cat file {exposed}/file; echo look; "
            f"for i in $(seq 100); do [ $(cat file {exposed}/file | grep -c since) = 2 ] && break; sleep 0.1; done; "
            f"cat file {exposed}/file")
        running.wait_text("look\n")
        for directory in ("read-only", "exposed"):
            with open(self.sandbox.path(directory, "file"), "w", encoding="utf-8") as file:
                file.write("changed since\n")
        run = running.finish()
        self.assert_code(run, 0)
        self.assertEqual(run.stdout, "as it was\n" * 3 + "look\n" + "changed since\n" * 2, run)
        self.assertEqual(os.listdir(self.sandbox.path("read-only")), ["file"])
        self.assertEqual(mode_of(self.sandbox.path("read-only/file")), 0o644)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
