# bare_vm.py - QEMU by hand with what agentvm gives its VMs, less agentvm: the other half of every ratio.
import os
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def build_init(directory):
    """The static init of bare_init.c."""
    program = os.path.join(directory, "bare_init")
    subprocess.run(["gcc", "-static", "-O2", "-o", program, os.path.join(HERE, "bare_init.c")], check=True)
    return program


def newc(name, mode, content):
    """One entry of a cpio archive of the newc format (initramfs buffer format, kernel documentation)."""
    raw = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
    entry = b"070701" + b"".join(f"{field:08x}".encode() for field in fields) + raw
    entry += b"\0" * (-len(entry) % 4) + content
    return entry + b"\0" * (-len(content) % 4)


def overlay_init(initramfs, init, target):
    """The same initramfs with /init replaced: archives follow one another and the last one wins."""
    with open(initramfs, "rb") as file:
        base = file.read()
    base += b"\0" * (-len(base) % 512)
    with open(init, "rb") as file:
        archive = newc("init", 0o100755, file.read()) + newc("TRAILER!!!", 0, b"")
    with open(target, "wb") as file:
        file.write(base + archive)
    return target


class BareVm:
    """Machine, memory, CPUs, kernel, initramfs and shares of a spec (`agentvm run --dry-run --json`), nothing else."""

    def __init__(self, spec, initramfs, directory, cmdline, extra=""):
        self.directory = directory
        self.serial_path = os.path.join(directory, "serial.sock")
        self.port_path = os.path.join(directory, "port.sock")
        for path in (self.serial_path, self.port_path):
            if os.path.exists(path):
                os.unlink(path)
        self.servers = []
        memory = spec["memory_bytes"] >> 20
        argv = [spec["emulator"], "-machine", f"q35,accel={spec['accelerator']},memory-backend=mem,usb=off",
                "-cpu", "max" if spec["accelerator"] == "tcg" else "host", "-smp", str(spec["vcpus"]), "-m", str(memory),
                "-object", f"memory-backend-memfd,id=mem,size={memory}M,share=on", "-nodefaults", "-no-user-config",
                "-nographic", "-no-reboot", "-kernel", spec["image"]["kernel"], "-initrd", initramfs,
                "-append", f"{cmdline} {extra}", "-chardev", f"socket,id=s,path={self.serial_path},server=on,wait=on",
                "-serial", "chardev:s", "-device", "virtio-serial-pci", "-chardev",
                f"socket,id=p,path={self.port_path},server=on,wait=off", "-device",
                "virtserialport,chardev=p,name=bench.echo", "-device", "virtio-rng-pci"]
        for index, share in enumerate(spec["shares"]):
            path = os.path.join(directory, f"fs{index}.sock")
            if os.path.exists(path):
                os.unlink(path)
            server = [spec["virtiofsd"], "--sandbox=namespace", f"--socket-path={path}", f"--shared-dir={share['source']}",
                      "--no-announce-submounts"]
            self.servers.append(subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            argv += ["-chardev", f"socket,id=c{index},path={path}", "-device",
                     f"vhost-user-fs-pci,chardev=c{index},tag={share['tag']}"]
            while not os.path.exists(path):
                time.sleep(0.002)
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _connect(self, path):
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(path)
                return connection
            except OSError:
                connection.close()
                if self.qemu.poll() is not None:
                    raise RuntimeError("QEMU ended early") from None
                time.sleep(0.002)

    def wait_up(self):
        """Seconds from the start of QEMU to the init's first word."""
        serial = self._connect(self.serial_path)
        serial.settimeout(60)
        text = b""
        while b"up" not in text:
            piece = serial.recv(4096)
            if not piece:
                raise RuntimeError("the guest ended")
            text += piece
        took = time.monotonic() - self.started
        self._serial = serial
        return took

    def port(self):
        return self._connect(self.port_path)

    def stop(self):
        self.qemu.kill()
        self.qemu.wait()
        for server in self.servers:
            server.kill()
            server.wait()
