# inside.py - PID 1's second half in the machine that nested.py boots: KVM, a few mounts, the command, the power off.
import ctypes
import json
import os
import signal
import subprocess
import sys

RB_POWER_OFF = 0x4321FEDC  # reboot(2)
PORTS = "/sys/class/virtio-ports"
SHARED_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"


def port(name):
    """Opens the virtio-serial port of that name."""
    for entry in os.listdir(PORTS):
        with open(f"{PORTS}/{entry}/name", encoding="utf-8") as file:
            if file.read().strip() == name:
                return os.open(f"/dev/{entry}", os.O_RDWR | os.O_CLOEXEC)
    raise RuntimeError(f"there is no port {name}")


def run(*words):
    subprocess.run(words, check=True)


def read_line(descriptor):
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 65536)
        if not piece:
            raise RuntimeError("the host went away")
        line += piece
    return line


def prepare(order):
    """Memory of its own where programs write much; what the host has there and is needed shows through."""
    for index, path in enumerate(order["keep"]):
        os.makedirs(f"/mnt/{index}", exist_ok=True)
        run("mount", "--bind", path, f"/mnt/{index}")
    for path in ("/tmp", "/run", "/var/tmp"):
        run("mount", "-t", "tmpfs", "-o", "mode=1777,nr_inodes=0", "tmpfs", path)
    os.chmod("/run", 0o755)
    for index, path in enumerate(order["keep"]):
        os.makedirs(path, exist_ok=True)
        run("mount", "--move", f"/mnt/{index}", path)
    for module in order["modules"]:
        run("modprobe", "-d", order["modules_root"], module)
    # Without huge pages a guest's shared memory costs half of its boot in here.
    with open(SHARED_HUGE_PAGES, "w", encoding="ascii") as file:
        file.write("always")


def wait_for(child):
    """Its exit code; whatever else ends meanwhile is reaped, as PID 1 must."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def main():
    control = port("nested.control")
    order = json.loads(read_line(control))
    prepare(order)
    out, err = port("nested.out"), port("nested.err")
    child = subprocess.Popen(order["argv"], env=order["env"], cwd=order["cwd"], stdin=subprocess.DEVNULL, stdout=out,
                             stderr=err, start_new_session=True)
    code = wait_for(child.pid)
    os.kill(-1, signal.SIGKILL)
    os.close(out)
    os.close(err)
    os.write(control, json.dumps({"exit": code}).encode() + b"\n")
    os.close(control)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # pylint: disable=broad-except
        print(f"inside.py: {error!r}", file=sys.stderr)  # stderr is the machine's console, which nested.py shows
    ctypes.CDLL(None).reboot(RB_POWER_OFF)
