# guest_memory.py - looks for bytes in a guest's memory, from the host: all of its RAM is memory files of its VMM.
import mmap
import os
import re


# As QEMU's memory-backend-memfd and cloud-hypervisor name them.
NAMES = ("/memfd:memory-backend", "/memfd:ch_ram")


def search(vmm_pid, needle):
    """How often the bytes stand in the guest's RAM. Fails when the RAM cannot be found."""
    directory = f"/proc/{vmm_pid}/fd"
    found, memories = 0, 0
    for number in os.listdir(directory):
        path = f"{directory}/{number}"
        try:
            if not os.readlink(path).startswith(NAMES):
                continue
        except FileNotFoundError:  # a VMM at work closes descriptors
            continue
        memories += 1
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            found += sum(1 for _ in re.finditer(re.escape(needle), memory))
    if memories == 0:
        raise AssertionError(f"the VMM ({vmm_pid}) has no memory file: {[os.readlink(f'{directory}/{n}') for n in os.listdir(directory)]}")
    return found
