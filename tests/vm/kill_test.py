# kill_test.py - SIGKILL of every program of a VM in every phase: nothing is left, and the VM beside it notices nothing.
import threading

import harness
from harness import VmTestCase, small

CLI, SUPERVISOR, QEMU, VIRTIOFSD, REAPER = "agentvm", "agentvm-supervisor", "qemu-system", "virtiofsd", "agentvm-reaper"
SHORT = {CLI: "c", SUPERVISOR: "sv", QEMU: "qemu", VIRTIOFSD: "fs", REAPER: "r"}


EVERYONE = ((SUPERVISOR,), (QEMU,), (VIRTIOFSD,), (CLI,), (REAPER,), (SUPERVISOR, REAPER), (SUPERVISOR, REAPER, CLI))
# When the caller has gone its way.
WITHOUT_CALLER = tuple(victims for victims in EVERYONE if CLI not in victims)


class Kill(VmTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run = cls.sandbox.run(*small("--name", "beside", "--detach"), cls.sandbox.workspace, "--command", "--", "sleep", "3600")
        if run.code != 0:
            raise AssertionError(f"the VM beside did not start: {run}")
        cls.beside = cls.sandbox.vm("beside").wait_known()
        cls.life_of_beside = cls.vital_signs()

    @classmethod
    def vital_signs(cls):
        """What changes when a VM or any of its programs is another one than before."""
        probe = cls.sandbox.run("exec", "beside", "--", "sh", "-c",
                                "cat /proc/sys/kernel/random/boot_id; pgrep -o -x sleep; touch /workspace/alive")
        if probe.code != 0:
            raise AssertionError(f"the VM beside does not answer: {probe}")
        programs = sorted((process.pid, process.program) for process in cls.beside.processes()
                          if process.program.startswith((SUPERVISOR, QEMU, VIRTIOFSD, REAPER)))
        return probe.stdout, programs

    def kill_at(self, moment, victims, failures):
        """One VM, one kill; what goes wrong is added to `failures`, for it runs on a thread."""
        name = "-".join([*(SHORT[victim] for victim in victims), moment])
        try:
            self.one_kill(name, moment, victims)
        except AssertionError as error:
            failures.append(f"{name}: {error}")

    def one_kill(self, name, moment, victims):
        if moment in ("ended", "stopping"):
            self.one_late_kill(name, moment, victims)
            return
        running = self.sandbox.start(*small("--name", name, "--json"), self.sandbox.workspace, "--command", "--", "sh", "-c",
                                     "echo agent-works; exec sleep 3600")
        vm = self.sandbox.vm(name).wait_known()
        if moment == "ready":
            running.wait_event("ready")
        elif moment == "running":
            running.wait_event("agent-started")
            self.assertEqual(self.sandbox.run("exec", name, "--", "true").code, 0, "the agent runs and exec works")
        targets = []
        for victim in victims:
            wanted = SUPERVISOR if victim == CLI else victim
            found = harness.wait_until(lambda: vm.find(wanted) or running.process.poll() is not None, 60, f"{wanted} of {name}")
            self.assertIsNot(found, True, f"the run ended before {wanted} was there: {running.so_far()}")
            targets += found if victim != CLI else []
        if CLI in victims:
            running.process.kill()
        for target in targets:
            target.kill()
        result = running.finish(30)
        if CLI not in victims:
            self.assertEqual(result.code, 125, result)
            complaint = harness.sentences(result)
            self.assertTrue(complaint, f"no word about the failure: {result}")
        # Where all three are killed nobody is left to clean up, so there is nothing to wait for.
        swept = self.sandbox.assert_nothing_left(vm, gc=True, limit=1 if len(victims) == 3 else 10)
        print(f"{name}: {'gc had to remove: ' + swept.stdout.strip() if swept.stdout.strip() else 'clean by itself'}")

    def one_late_kill(self, name, moment, victims):
        """Of a kept VM whose agent has ended, or while `agentvm stop` waits for a guest that takes its time."""
        command = ("true",) if moment == "ended" else ("sh", "-c", "trap '' TERM; while :; do sleep 60; done")
        started = self.sandbox.run(*small("--name", name, *(("--keep",) if moment == "ended" else ("--detach",))), self.sandbox.workspace,
                                   "--command", "--", *command)
        self.assertEqual(started.code, 0, started)
        vm = self.sandbox.vm(name).wait_known()
        targets = [process for victim in victims for process in vm.find(victim)]
        self.assertTrue(targets, f"{victims} of {name}")
        stopping = self.sandbox.start("stop", name, "--deadline", "20") if moment == "stopping" else None
        harness.wait_until(lambda: (vm.state() or {"phase": moment})["phase"] == moment, 30, f"{name} to be {moment}")
        for target in targets:
            target.kill()
        if stopping:
            stopping.finish(60)
        else:
            harness.wait_until(lambda: not vm.processes() or SUPERVISOR in victims, 20, f"{name} to end")
            # What was to be kept is kept, to be read, where somebody was left to do it.
            if SUPERVISOR not in victims:
                self.assertEqual(self.sandbox.run("destroy", name).code, 0)
        swept = self.sandbox.assert_nothing_left(vm, gc=True, limit=1 if len(victims) > 1 else 10)
        print(f"{name}: {'gc had to remove: ' + swept.stdout.strip() if swept.stdout.strip() else 'clean by itself'}")

    def kill_each_at(self, moment, everyone=EVERYONE):
        failures = []
        lanes = threading.Semaphore(2)

        def lane(victims):
            with lanes:
                self.kill_at(moment, victims, failures)

        threads = [threading.Thread(target=lane, args=(victims,)) for victims in everyone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [], "\n".join(failures))
        self.assertEqual(self.vital_signs(), self.life_of_beside, "the VM beside it was touched")

    def test_while_booting(self):
        self.kill_each_at("booting")

    def test_when_ready(self):
        self.kill_each_at("ready")

    def test_while_the_agent_runs(self):
        self.kill_each_at("running")

    def test_when_the_agent_has_ended(self):
        self.kill_each_at("ended", WITHOUT_CALLER)

    def test_while_it_is_stopped(self):
        self.kill_each_at("stopping", WITHOUT_CALLER)

    def test_z_the_vm_beside_ends_in_order(self):
        self.assertEqual(self.sandbox.run("destroy", "beside").code, 0)
        self.sandbox.assert_nothing_left(self.beside)
        self.sandbox.assert_nothing_left(gc=True)


if __name__ == "__main__":
    harness.main()
