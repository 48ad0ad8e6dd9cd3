# processes.py - which processes of this machine belong to a sandbox or a VM, found through /proc.
import os
import select
import signal
import time


class Process:
    """One process as it was seen: a pid with its start time, so that a reused pid is never taken for it."""

    def __init__(self, pid, start_time, words, environment):
        self.pid = pid
        self.start_time = start_time
        self.words = words
        self.environment = environment

    @property
    def program(self):
        return os.path.basename(self.words[0]) if self.words else "?"

    def alive(self):
        return start_time_of(self.pid) == self.start_time

    def kill(self):
        """SIGKILL, to this process and no other."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)

    def __repr__(self):
        return f"{self.pid} {' '.join(self.words)[:160]}"


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stat_fields(pid):
    """The fields of /proc/PID/stat from the third on (proc(5)); empty when it is gone."""
    text = _read(pid, "stat")
    return text[text.rfind(b")") + 2:].split() if text else []


def start_time_of(pid):
    """Clock ticks since boot; None for no process, or for a dead one that nobody has waited for yet."""
    fields = _stat_fields(pid)
    return None if not fields or fields[0] in (b"Z", b"X") else int(fields[19])


def find(*needles):
    """Living processes, this one left out, whose command line or environment holds one of the strings."""
    wanted = [needle.encode() for needle in needles if needle]
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        pid = int(entry)
        command_line, environment = _read(pid, "cmdline"), _read(pid, "environ")
        if not any(needle in command_line or needle in environment for needle in wanted):
            continue
        start_time = start_time_of(pid)
        if start_time is not None:
            words = [word.decode(errors="replace") for word in command_line.split(b"\0")[:-1]]
            found.append(Process(pid, start_time, words, environment))
    return found


def wait_gone(find_them, seconds):
    """Waits until find_them() finds nothing; returns what is still there at the end of the time."""
    deadline = time.monotonic() + seconds
    while True:
        left = find_them()
        remaining = deadline - time.monotonic()
        if not left or remaining <= 0:
            return left
        try:
            descriptor = os.pidfd_open(left[0].pid)
        except ProcessLookupError:
            continue
        try:
            select.select([descriptor], [], [], remaining)
        finally:
            os.close(descriptor)


def peak_memory(pid):
    """The largest resident set so far, bytes (VmHWM); 0 when the process is gone."""
    for line in _read(pid, "status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def mounts_below(directory):
    """Mount points of this mount namespace at or below a directory."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point == directory or point.startswith(directory + "/")]


def listening_below(directory):
    """Paths of unix sockets bound below a directory, whether their files are still there or not."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        paths = [line.split(None, 7)[7].strip() for line in file.readlines()[1:] if len(line.split(None, 7)) == 8]
    return [path for path in paths if path.startswith(directory + "/")]
