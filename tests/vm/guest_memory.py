# guest_memory.py - looks for bytes in a guest's memory, from the host: all of its RAM is memory files of its VMM.
import errno
import mmap
import os
import re


# As QEMU's memory-backend-memfd and cloud-hypervisor name them.
NAMES = ("/memfd:memory-backend", "/memfd:ch_ram")


def extents(memory):
    """(start, size) of what the guest has touched: reading the rest would fill this machine's memory with zeroes."""
    size, start = os.fstat(memory).st_size, 0
    while start < size:
        try:
            start = os.lseek(memory, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # there is none after this
                return
            raise
        end = os.lseek(memory, start, os.SEEK_HOLE)
        yield start, end - start
        start = end


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
        with open(path, "rb") as file:
            for start, size in extents(file.fileno()):
                with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ, offset=start) as memory:
                    found += sum(1 for _ in re.finditer(re.escape(needle), memory))
    if memories == 0:
        raise AssertionError(f"the VMM ({vmm_pid}) has no memory file: {[os.readlink(f'{directory}/{n}') for n in os.listdir(directory)]}")
    return found
