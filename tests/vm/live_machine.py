# live_machine.py - runs live_machine.cpp with the plan of a small VM, for both hypervisors' tests.
import json
import os
import subprocess

import harness
from harness import seconds, small

PROGRAM = os.environ.get("AGENTVM_TEST_LIVE_MACHINE", "")
LIFE = [
    "the guest is ready", "a share added to the running guest is read", "and written",
    "a share that the guest cannot mount is an error", "and can be added in another place", "a paused guest does not answer",
    "a resumed one does", "over dropped links a process of the guest goes on", "and its shares stay mounted",
    "the guest powers off when it is asked to", "nothing of it is left"
]


def live_machine(sandbox, *flags):
    """The lines it prints; a failure is one more."""
    plan = sandbox.run(*small(*flags, "--dry-run", "--json"), sandbox.workspace, "--command", "--", "true")
    spec = sandbox.write("plan.json", json.dumps(plan.json()))
    os.mkdir(sandbox.path("l"))
    done = subprocess.run([PROGRAM, spec, sandbox.path("l")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**sandbox.env, "AGENTVM_GUEST": harness.program("agentvm-guest")}, timeout=seconds(120),
                          check=False)
    return done.stdout.splitlines() + ([f"exit code {done.returncode}: {done.stderr}"] if done.returncode else [])
