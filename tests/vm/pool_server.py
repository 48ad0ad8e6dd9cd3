# pool_server.py - agentvm-poold in a sandbox: started, asked, killed, ended, and claims of its pool `small`.
import contextlib
import glob
import json
import signal

import processes
from harness import seconds, wait_until


def marks_of(sandbox):
    """What its VMs' processes have among their words or variables: cloud-hypervisor has no path of it, only its VM's uuid."""
    marks = [sandbox.directory]
    for path in glob.glob(sandbox.path("state/agentvm/vms/*/spec.json")):
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            marks.append(json.load(file)["uuid"])
    return marks


def find(sandbox, *programs):
    """Processes of the sandbox's VMs, idle and claimed."""
    return [process for process in processes.find(*marks_of(sandbox)) if process.program.startswith(programs)]


class PoolServer:
    def __init__(self, sandbox, size=2, at_once=2, limits="", options=()):
        self.sandbox = sandbox
        self.size = size
        self.config = sandbox.write("pools.toml", f"boots_at_once = {at_once}\nvms_per_user = 0\n[pools.small]\nsize = {size}\n{limits}")
        self.options = options
        self.running = None
        self.start()

    def start(self):
        self.running = self.sandbox.start("pool", "serve", "--config", self.config, *self.options)

    def kill(self):
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait()

    def status(self):
        run = self.sandbox.run("pool", "status", "--json")
        return json.loads(run.stdout)["pools"][0] if run.code == 0 else None

    def resize(self, size):
        self.size = size
        wait_until(lambda: self.sandbox.run("pool", "resize", "small", str(size), "--json").code == 0, 20, "agentvm-poold")

    def wait_full(self, limit=120):
        return wait_until(lambda: (lambda pool: pool if pool and pool["idle"] == self.size else None)(self.status()), limit,
                          f"{self.size} idle VMs")

    def find(self, *programs):
        return find(self.sandbox, *programs)

    def end(self):
        """Drains it; returns what is left of it on this machine."""
        marks = marks_of(self.sandbox)  # the uuids go with the VMs' directories
        self.sandbox.run("pool", "drain", "small", "--json")
        self.running.process.terminate()
        self.running.finish(20)
        return processes.wait_gone(lambda: processes.find(*marks), seconds(20))
