# patience.py - how long tests wait on this machine: AGENTVM_TEST_PATIENCE multiplies every deadline.
import os
import time

_FACTOR = float(os.environ.get("AGENTVM_TEST_PATIENCE", "1"))


def seconds(limit):
    return limit * _FACTOR


def wait_until(look, limit, what):
    """Asks look() until it gives something true, for things that tell nobody when they change; fails at the deadline."""
    deadline = time.monotonic() + seconds(limit)
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds(limit):.0f} s for {what}")
        time.sleep(0.02)
