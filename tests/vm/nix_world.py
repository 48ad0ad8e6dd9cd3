# nix_world.py - a `nix` that builds a made-up NixOS: the host's kernel, an initramfs and a store of a few programs.
import json
import os
import re
import shutil
import stat
import subprocess

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
INIT = os.environ.get("AGENTVM_TEST_NIX_INIT", "")

# $1 as "flake" or "build"; what it was asked is in `calls`.
FAKE_NIX = """\
#!/bin/sh
shift 2
echo "$*" >>{world}/calls
. {world}/behaviour
case "$1" in
  flake) echo "locking inputs" >&2; echo lock >"${{3#path:}}/flake.lock" ;;
  build)
    while [ "$1" != --out-link ]; do shift; done
    echo "building the system" >&2
    root={store}/$(basename "$2")-agentvm
    mkdir -p "$root" && cp {world}/manifest.json "$root/" && ln -sfn "$root" "$2"
    ;;
esac
"""

PROGRAMS = ("sh", "cat", "chmod", "chown", "env", "grep", "id", "mkdir", "mount", "sleep", "true")
DRIVERS = ("virtio_pci", "virtio_console", "vmw_vsock_virtio_transport", "virtiofs", "virtio_blk", "ext4")
STORE = "/nix/store"


def archive(entries):
    """An initramfs (newc, the kernel's buffer-format.rst) of (name, mode, content)."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def drivers(modules):
    """Paths below `modules` of the wanted drivers and what they need, in the order to load them."""
    needs = {}
    with open(f"{modules}/modules.dep", encoding="utf-8") as file:
        for line in file:
            module, _, rest = line.partition(":")
            needs[module] = rest.split()
    by_name = {re.sub(r"\.ko.*", "", os.path.basename(path)).replace("-", "_"): path for path in needs}
    wanted = []
    for name in DRIVERS:
        if name in by_name:  # else it is built in
            wanted += [*reversed(needs[by_name[name]]), by_name[name]]
    return list(dict.fromkeys(wanted))


def read(path):
    with open(path, "rb") as file:
        return file.read()


class NixWorld:
    """A sandbox's `nix` and what it builds. `env` is what agentvm is to be started with."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.world, self.store = sandbox.path("nix"), sandbox.path("store")
        cache = sandbox.path("cache", "agentvm")
        os.makedirs(cache)
        for name in ("tools", "kernel"):
            if os.path.lexists(os.path.join(harness.shared_cache(), "agentvm", name)):
                os.symlink(os.path.realpath(os.path.join(harness.shared_cache(), "agentvm", name)), os.path.join(cache, name))
        self.env = {"PATH": f"{sandbox.path('bin')}:{sandbox.env['PATH']}", "NIX_STORE_DIR": self.store,
                    "XDG_CACHE_HOME": sandbox.path("cache")}
        sandbox.write("bin/nix", FAKE_NIX.format(world=self.world, store=self.store), mode=0o755)
        self.behave("")
        planned = json.loads(self.run("--guest", "host", "--dry-run", "--json").stdout)
        self.kernel = planned["image"]
        self.fill_store()
        self.serve_manifest()

    def run(self, *options, command=("true",), **how):
        """agentvm run --command in the tests' small machine."""
        return self.sandbox.run(*harness.small(*options), self.sandbox.workspace, "--command", "--", *command,
                                env={**self.env, **how.pop("env", {})}, **how)

    def without_nix(self):
        """Variables for a machine that has QEMU but no nix, wherever this one has them."""
        return {"PATH": self.sandbox.path("home"), "AGENTVM_QEMU": shutil.which("qemu-system-x86_64")}

    def behave(self, script):
        """What nix does before the usual; it may exit."""
        self.sandbox.write("nix/behaviour", script + "\n")

    def calls(self):
        """The verbs nix was called with since the last time."""
        path = f"{self.world}/calls"
        if not os.path.exists(path):
            return []
        verbs = [line.split()[0] for line in read(path).decode().splitlines()]
        os.unlink(path)
        return verbs

    def roots(self):
        roots = self.sandbox.path("cache", "agentvm", "nix", "roots")
        return [os.path.join(roots, name) for name in sorted(os.listdir(roots))] if os.path.isdir(roots) else []

    def serve_manifest(self, params=(), disk=False):
        """What the next build makes."""
        self.sandbox.write("nix/manifest.json", json.dumps({
            "version": 1, "name": "small", "system": "x86_64-linux",
            # In the ELF file's place: cloud-hypervisor boots a bzImage as well.
            "kernel": {"elf": f"{STORE}/kernel", "image": f"{STORE}/kernel", "version": self.kernel["kernel_version"]},
            "initrd": f"{STORE}/initrd", "kernel_params": ["console=hvc0", f"init={STORE}/system/init", *params],
            "init": f"{STORE}/system/init",
            "store": {"kind": "disk" if disk else "share", "disk": f"{STORE}/disk" if disk else None, "writable": False},
            "user": {"name": "agent", "uid": 1000, "gid": 1000, "home": "/home/agent"}, "workspace": "/workspace",
            "tools": {"agent": None, "shell": f"{STORE}/sw/bin/sh", "sudo": "/run/wrappers/bin/sudo"},
            "path": f"/run/wrappers/bin:{STORE}/sw/bin"}))

    def fill_store(self):
        for directory in ("sw/bin", "glibc", "system", "agentvm/bin"):
            os.makedirs(f"{self.store}/{directory}")
        for program in PROGRAMS:
            path = shutil.which(program)
            shutil.copy(path, f"{self.store}/sw/bin/{program}")
            listed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True, text=True).stdout
            for library in re.findall(r"(/\S+) \(0x", listed):
                shutil.copy(library, f"{self.store}/glibc/")
        shutil.copy(f"{HERE}/nix_guest/system_init.sh", f"{self.store}/system/init")
        os.chmod(f"{self.store}/system/init", 0o755)
        shutil.copy(harness.program("agentvm-guest"), f"{self.store}/agentvm/bin/")
        shutil.copy(self.kernel["kernel"], f"{self.store}/kernel")
        paths = drivers(self.kernel["modules"])
        entries = [("init", stat.S_IFREG | 0o755, read(INIT)), ("dev", stat.S_IFDIR | 0o755, b""),
                   ("lib", stat.S_IFDIR | 0o755, b""), ("modules", stat.S_IFDIR | 0o755, b""),
                   # Where programs of Debian look for their loader and their libraries.
                   ("lib64", stat.S_IFLNK | 0o777, f"{STORE}/glibc".encode()),
                   ("lib/x86_64-linux-gnu", stat.S_IFLNK | 0o777, f"{STORE}/glibc".encode())]
        entries += [(f"modules/{os.path.basename(path)}", stat.S_IFREG | 0o644, read(f"{self.kernel['modules']}/{path}"))
                    for path in paths]
        listed = "".join(f"/modules/{os.path.basename(path)}\n" for path in paths)
        entries.append(("modules.list", stat.S_IFREG | 0o644, listed.encode()))
        with open(f"{self.store}/initrd", "wb") as file:
            file.write(archive(entries))

    def make_disk(self):
        """The store as an image, in the place of microvm.nix's erofs."""
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", self.store, self.sandbox.path("disk"), "64M"], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.move(self.sandbox.path("disk"), f"{self.store}/disk")
