# nested_case.py - tests with a real cloud-hypervisor: here where KVM works, in the machine of nested.py where it does not.
import os
import subprocess
import sys

import harness
import nested

INSIDE = "AGENTVM_TEST_INSIDE"


def missing():
    """Why these tests cannot run at all; "" when they can."""
    reason = harness.missing_for_vms()
    if reason:
        return reason
    item = nested.doctor("cloud-hypervisor")
    if not item["good"]:
        return f"cloud-hypervisor is {item['found']}; put one on PATH or set AGENTVM_CLOUD_HYPERVISOR"
    return "" if nested.doctor("kvm")["good"] else nested.missing()


def main(memory_mib=4096):
    """Runs the calling file's tests where KVM works; exit code 77 with the reason where that is nowhere."""
    reason = "" if os.environ.get(INSIDE) else missing()
    if reason:
        print(f"skipped: {sys.argv[0]}: {reason}", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    if os.environ.get(INSIDE) or nested.doctor("kvm")["good"]:
        harness.main()
    environment = {name: value for name, value in os.environ.items() if name.startswith(("AGENTVM_", "PYTHON"))}
    environment.update({INSIDE: "1", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                        # A VM in an emulated VM takes five times as long as an emulated one.
                        "AGENTVM_TEST_PATIENCE": str(5 * float(os.environ.get("AGENTVM_TEST_PATIENCE", "1")))})
    code = nested.run_in_machine(["/usr/bin/python3", os.path.abspath(sys.argv[0]), *sys.argv[1:]], environment, memory_mib)
    sys.exit(code)


def processes_left():
    """What still runs of nested.py's machines; for its own test."""
    return subprocess.run(["pgrep", "-f", "name=nested.control|--shared-dir=/ --readonly"], stdout=subprocess.PIPE,
                          check=False).stdout.split()


def directories_left():
    return [os.path.join("/tmp", name) for name in os.listdir("/tmp") if name.startswith("nested-")]
