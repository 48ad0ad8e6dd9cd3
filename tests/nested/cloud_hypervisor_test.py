# cloud_hypervisor_test.py - `agentvm run --hypervisor cloud-hypervisor`: streams, kills, a panic, changes of a running VM.
import os

import harness
import nested_case
from harness import VmTestCase, small
from live_machine import LIFE, live_machine

HERE = ("--hypervisor", "cloud-hypervisor")
SUPERVISOR, VMM, VIRTIOFSD, REAPER = "agentvm-supervisor", "cloud-hypervisor", "virtiofsd", "agentvm-reaper"


class CloudHypervisor(VmTestCase):
    def command(self, *words, **how):
        return self.sandbox.run(*small(*HERE), self.sandbox.workspace, "--command", "--", *words, **how)

    def test_streams_and_exit_code(self):
        run = self.command("sh", "-c", "id; echo out; echo err >&2; cat /proc/cmdline; grep -c -w -e svm -e vmx /proc/cpuinfo; exit 7")
        self.assert_code(run, 7)
        self.assertRegex(run.stdout, r"\Auid=1000\(agent\)[^\n]*\nout\n[^\n]*agentvm.transport=vsock[^\n]*\n0\n\Z")
        self.assertIn("\nerr\n", "\n" + run.stderr)
        self.assertIn("cloud-hypervisor with KVM", run.stderr, "the banner says who runs it")
        self.sandbox.assert_nothing_left()

    def test_auto_takes_it_where_kvm_works(self):
        plan = self.sandbox.run(*small("--dry-run", "--json"), self.sandbox.workspace, "--command", "--", "true").json()
        self.assertEqual((plan["hypervisor"], plan["accelerator"]), ("cloud-hypervisor", "kvm"))

    def test_much_data_both_ways(self):
        """A stream of 4 MiB in, the same out, and its end, over the vsock."""
        data = os.urandom(1 << 20) * 4
        run = self.command("cat", input=data)
        self.assert_code(run, 0)
        self.assertTrue(run.out == data, f"{len(run.out)} bytes came back")
        self.sandbox.assert_nothing_left()

    def test_kept_vm(self):
        started = self.sandbox.run(*small(*HERE, "--name", "kept", "--detach", "--keep"), self.sandbox.workspace, "--command", "--",
                                   "sh", "-c", "echo from the agent > written; sleep 3600")
        self.assert_code(started, 0)
        vm = self.sandbox.vm("kept").wait_known()
        vmm = vm.find(VMM)[0]
        self.assertEqual(vmm.environment, f"AGENTVM_INSTANCE={vm.uuid}\0".encode(), "nothing else, no key")
        self.assertEqual(os.getpgid(vmm.pid), vmm.pid, "a process group of its own")
        self.assertEqual(self.filtered(vmm.pid), "2", "its vCPU's seccomp filter is on")
        run = self.sandbox.run("exec", "kept", "--", "sh", "-c", "cat written; exit 3")
        self.assertEqual((run.code, run.stdout), (3, "from the agent\n"), run)
        logs = self.sandbox.run("logs", "kept", "--source", "vmm")
        self.assert_code(logs, 0)
        self.assert_code(self.sandbox.run("destroy", "kept"), 0)
        self.sandbox.assert_nothing_left(vm)

    @staticmethod
    def filtered(pid):
        """The Seccomp: field of the process's first vCPU thread (proc(5)); 2 is a filter."""
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if fields["Name"] == "vcpu0":
                return fields["Seccomp"]
        return "no vCPU"

    def test_kill_of_each_program(self):
        for victim in (SUPERVISOR, VMM, VIRTIOFSD, REAPER):
            with self.subTest(victim=victim):
                name = "k-" + victim[-4:].strip("-")
                running = self.sandbox.start(*small(*HERE, "--name", name, "--json"), self.sandbox.workspace, "--command", "--",
                                             "sleep", "3600")
                running.wait_event("agent-started")
                vm = self.sandbox.vm(name).wait_known()
                for process in vm.find(victim):
                    process.kill()
                result = running.finish(30)
                self.assert_code(result, 125)
                swept = self.sandbox.assert_nothing_left(vm, gc=True)
                print(f"{victim}: {'gc had to remove: ' + swept.stdout.strip() if swept.stdout.strip() else 'clean by itself'}")

    def test_kill_while_it_boots(self):
        for victim in (SUPERVISOR, VMM):
            with self.subTest(victim=victim):
                name = "b-" + victim[-4:].strip("-")
                running = self.sandbox.start(*small(*HERE, "--name", name, "--json"), self.sandbox.workspace, "--command", "--",
                                             "sleep", "3600")
                vm = self.sandbox.vm(name).wait_known()
                vm.wait_for(VMM)
                for process in vm.find(victim):
                    process.kill()
                self.assert_code(running.finish(30), 125)
                self.sandbox.assert_nothing_left(vm, gc=True)

    def test_panic(self):
        """The guest's kernel dies: 125, what happened in a sentence, and the end of its console."""
        run = self.command("sh", "-c", "sudo -n sh -c 'echo c > /proc/sysrq-trigger'; sleep 60")
        self.assert_code(run, 125)
        self.assertIn("the guest crashed", run.stderr)
        self.assertIn("Kernel panic - not syncing", run.stderr, "the end of the console")
        self.sandbox.assert_nothing_left()

    def test_reboot_is_an_end(self):
        """cloud-hypervisor would boot the guest anew, with nobody's agent in it."""
        run = self.command("sh", "-c", "sudo -n sh -c 'echo b > /proc/sysrq-trigger'; sleep 60")
        self.assert_code(run, 125)
        self.assertIn("the guest powered off", run.stderr)
        self.sandbox.assert_nothing_left()

    def test_vmm_that_cannot_start(self):
        program = self.sandbox.write("bin/cloud-hypervisor", "#!/bin/sh\necho 'no such option' >&2\nexit 3\n", 0o755)
        run = self.command("true", env={"AGENTVM_CLOUD_HYPERVISOR": program})
        self.assert_code(run, 125)
        self.assertIn("cloud-hypervisor ended: no such option", run.stderr)
        self.sandbox.assert_nothing_left()

    def test_changes_of_a_running_vm(self):
        self.assertEqual(live_machine(self.sandbox, *HERE), LIFE)


if __name__ == "__main__":
    nested_case.main()
