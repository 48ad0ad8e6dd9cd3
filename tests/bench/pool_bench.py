# pool_bench.py - a run on a pool's VM over a cold run, in turn in one run, and the hand-over alone; JSON on stdout.
import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
import harness  # noqa: E402
from bench import summary  # noqa: E402
from pool_server import PoolServer  # noqa: E402


def timed_run(sandbox, *options):
    """Milliseconds from `run` to a ready guest, to its agent, and to the caller's exit."""
    report = sandbox.path("report.json")
    result = sandbox.run("run", "-v", *options, "--report", report, sandbox.workspace, "--command", "--", "true")
    if result.code != 0:
        raise RuntimeError(repr(result))
    with open(report, encoding="utf-8") as file:
        figures = json.load(file)
    return figures["ready_ms"], figures["agent_started_ms"], result.took * 1000, "of the pool small" in result.stderr


def started_ms(sandbox, run, name):
    with open(sandbox.path(f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)["agent_started_ms"] if run.code == 0 else None


def at_once(sandbox, pool, count):
    """So many claims in one moment: when each agent was started."""
    pool.resize(count)
    pool.wait_full(count * 30)
    quiet()
    runs = []
    for number in range(count):
        runs.append((f"many{number}", sandbox.start("run", "--pool", "small", "--name", f"many{number}", "--report",
                                                    sandbox.path(f"many{number}.json"), sandbox.workspace, "--command", "--", "true")))
    return [started_ms(sandbox, run.finish(300), name) for name, run in runs]


def quiet():
    """What a boot began in the background is over."""
    time.sleep(3)


def bench(sandbox, runs, count):
    pool = PoolServer(sandbox, size=1, at_once=1)
    try:
        pool.wait_full()
        cold, claimed, refilling = [], [], []
        for _ in range(runs):
            pool.wait_full()
            quiet()
            cold.append(timed_run(sandbox, "--profile", "small"))
            claimed.append(timed_run(sandbox, "--pool", "small"))
            if not claimed[-1][3]:
                raise RuntimeError("the pool gave no VM")
        pool.resize(2)
        for _ in range(runs):
            pool.wait_full()
            quiet()
            timed_run(sandbox, "--pool", "small")
            refilling.append(timed_run(sandbox, "--pool", "small"))
        together = at_once(sandbox, pool, count)
        status = pool.status()
    finally:
        pool.end()
    ratios = [one[1] / other[1] for one, other in zip(claimed, cold)]
    return {"cold_ms": summary([one[1] for one in cold], 1), "claimed_ms": summary([one[1] for one in claimed], 1),
            "ratio": summary(ratios, 1), "target_ratio": 0.05,
            "cold_exit_ms": summary([one[2] for one in cold], 1), "claimed_exit_ms": summary([one[2] for one in claimed], 1),
            "claimed_while_refilling_ms": summary([one[1] for one in refilling], 1),
            f"{count}_at_once_ms": summary([value for value in together if value is not None], 1),
            "hand_over_ms": status["claim_ms"], "target_hand_over_ms": 20, "refill_ms": status["refill_ms"],
            "memory_per_idle_bytes": status["memory_per_idle_bytes"], "hits": status["hits"], "misses": status["misses"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=4)
    options = parser.parse_args()
    missing = harness.missing_for_vms()
    if missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return harness.SKIPPED
    with harness.Sandbox() as sandbox:
        json.dump(bench(sandbox, options.runs, options.at_once), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
