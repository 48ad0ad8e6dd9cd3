# bench.py - agentvm's figures as ratios to the bare thing, each pair measured in turn in one run; JSON on stdout.
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
import harness  # noqa: E402
import mcp_call  # noqa: E402
from bare_vm import BareVm, build_init, overlay_init  # noqa: E402
from nix_world import INIT, NixWorld  # noqa: E402

CMDLINE = "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1"


def summary(values, scale=1000.0):
    ordered = sorted(values)
    return {"n": len(ordered), "min": round(ordered[0] * scale, 3), "p50": round(statistics.median(ordered) * scale, 3),
            "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * scale, 3)}


def plan(sandbox):
    result = sandbox.run("run", "--profile", "small", "--dry-run", "--json", sandbox.workspace, "--command", "--", "true")
    return json.loads(result.stdout)


def bench_start(sandbox, runs):
    """run -> agent process started, over QEMU alone booting the same kernel, initramfs and shares to an init."""
    sandbox.run("run", "--profile", "small", sandbox.workspace, "--command", "--", "true")  # caches filled
    spec = plan(sandbox)
    init = build_init(sandbox.directory)
    bare_image = overlay_init(newest_initramfs(), init, sandbox.path("bare.cpio"))
    bare, ours, ready = [], [], []
    for _ in range(runs):
        vm = BareVm(spec, bare_image, sandbox.directory, CMDLINE)
        try:
            bare.append(vm.wait_up())
        finally:
            vm.stop()
        report = sandbox.path("report.json")
        result = sandbox.run("run", "--profile", "small", "--report", report, sandbox.workspace, "--command", "--", "true")
        if result.code != 0:
            raise RuntimeError(repr(result))
        with open(report, encoding="utf-8") as file:
            figures = json.load(file)
        ours.append(figures["agent_started_ms"] / 1000)
        ready.append(figures["ready_ms"] / 1000)
    ratios = [a / b for a, b in zip(ours, bare)]
    return {"bare_init_ms": summary(bare), "agent_started_ms": summary(ours), "ready_ms": summary(ready),
            "ratio": summary(ratios, 1), "target_ratio": 1.15}


def newest_initramfs():
    images = os.path.join(harness.shared_cache(), "agentvm", "images")
    found = [os.path.join(root, name) for root, _, names in os.walk(images) for name in names if name.startswith("initramfs")]
    return max(found, key=os.path.getmtime)


def round_trips(write, read, count):
    times = []
    for number in range(count + 20):
        line = b"%08d\n" % number
        start = time.perf_counter()
        write(line)
        got = b""
        while len(got) < len(line):
            got += read(len(line) - len(got))
        if number >= 20:
            times.append(time.perf_counter() - start)
    return times


def bench_exec(sandbox, count):
    """A line to `cat` in the guest and back through exec, over a raw echo on the same kind of virtio-serial port."""
    spec = plan(sandbox)
    image = overlay_init(newest_initramfs(), build_init(sandbox.directory), sandbox.path("bare.cpio"))
    vm = BareVm(spec, image, sandbox.directory, CMDLINE, "agentvm.bench=echo")
    try:
        vm.wait_up()
        port = vm.port()
        raw = round_trips(port.sendall, port.recv, count)
    finally:
        vm.stop()
    sandbox.run("run", "--profile", "small", "--detach", "--keep", "--name", "bench", sandbox.workspace, "--command", "--", "true")
    try:
        child = subprocess.Popen([harness.program("agentvm"), "exec", "bench", "--", "cat"], env=sandbox.env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def write(data):
            child.stdin.write(data)
            child.stdin.flush()

        ours = round_trips(write, lambda size: os.read(child.stdout.fileno(), size), count)
        child.stdin.close()
        child.wait()
        starts = []
        for _ in range(20):
            begin = time.perf_counter()
            subprocess.run([harness.program("agentvm"), "exec", "bench", "--", "true"], env=sandbox.env, check=True)
            starts.append(time.perf_counter() - begin)
        memory = supervisor_memory(sandbox, "bench")
    finally:
        begin = time.monotonic()
        sandbox.run("destroy", "bench")
        destroy = time.monotonic() - begin
    return {"raw_echo_ms": summary(raw), "exec_echo_ms": summary(ours),
            "ratio_p50": round(statistics.median(ours) / statistics.median(raw), 2), "target_ratio": 3,
            "exec_true_ms": summary(starts), **memory, "target_rss_mib": 20,
            "destroy_s": round(destroy, 3), "target_destroy_s": 1}


def supervisor_memory(sandbox, name):
    """MiB: all resident pages, and those no other process shares (what one more VM costs)."""
    supervisor = sandbox.vm(name).wait_known().find("agentvm-supervisor")[0]
    with open(f"/proc/{supervisor.pid}/smaps_rollup", encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in list(file)[1:]}
    return {"supervisor_rss_mib": round(sizes["Rss"] / 1024, 1), "supervisor_private_dirty_mib": round(sizes["Private_Dirty"] / 1024, 1)}


def bench_mcp(count):
    """An MCP call through the gateway, over the same server on a pipe; no VM is between."""
    world = os.environ.get("AGENTVM_TEST_GATEWAYS", "")
    server = os.path.join(harness.real_cache() or "", "tools", "mcp-nixos", "bin", "mcp-nixos")
    if not os.access(world, os.X_OK) or not os.access(server, os.X_OK):
        return {"skipped": "needs gateway_world (AGENTVM_TEST_GATEWAYS) and mcp-nixos (./dev setup)"}
    ours, direct = mcp_call.measure(world, server, count)
    return {"direct_ms": summary(direct), "through_ms": summary(ours),
            "added_ms_p50": round((statistics.median(ours) - statistics.median(direct)) * 1000, 3), "target_added_ms": 1}


def bench_dry_run(sandbox, count):
    """A warm plan, for the host's guest and for one that Nix built, over the program's own start; in turn."""
    def timed(*words, env=None):
        begin = time.perf_counter()
        result = sandbox.run(*words, env=env)
        taken = time.perf_counter() - begin
        if result.code != 0:
            raise RuntimeError(repr(result))
        return taken

    def planned(guest, env=None):
        return timed("run", "--profile", "small", "--guest", guest, "--dry-run", sandbox.workspace, "--command", "--", "true", env=env)

    planned("host")  # caches filled
    version, host, nix = [], [], []
    world = NixWorld(sandbox) if INIT else None
    if world and sandbox.run("build", "--profile", "small", env=world.env).code != 0:
        raise RuntimeError("the made-up Nix guest cannot be built")
    for _ in range(count):
        version.append(timed("--version"))
        host.append(planned("host"))
        if world:
            nix.append(planned("nix", world.env))
    figures = {"version_ms": summary(version), "dry_run_ms": summary(host), "target_ms": 15,
               "ratio_p50": round(statistics.median(host) / statistics.median(version), 2)}
    if nix:  # found, not built: no program is executed
        figures.update(nix_dry_run_ms=summary(nix), nix_ratio_p50=round(statistics.median(nix) / statistics.median(version), 2))
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--only", choices=("start", "exec", "mcp", "plan"))
    options = parser.parse_args()
    missing = harness.missing_for_vms()
    if missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return harness.SKIPPED
    figures = {}
    with harness.Sandbox() as sandbox:
        if options.only in (None, "start"):
            figures["start"] = bench_start(sandbox, options.runs)
        if options.only in (None, "exec"):
            figures["exec"] = bench_exec(sandbox, options.count)
        if options.only in (None, "mcp"):
            figures["mcp"] = bench_mcp(options.count)
        if options.only in (None, "plan"):
            figures["plan"] = bench_dry_run(sandbox, 20)
    json.dump(figures, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
