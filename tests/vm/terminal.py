# terminal.py - runs a command on a pseudo-terminal, as a person at a keyboard would.
import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

from patience import seconds


class Terminal:
    """The command is the session leader of the terminal; what it prints is collected while something is waited for."""

    def __init__(self, argv, env, cwd=None, rows=24, columns=80):
        self.argv = argv
        self.screen = ""
        self.master, slave = os.openpty()
        self.resize(rows, columns, tell=False)

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=take_terminal)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def resize(self, rows, columns, tell=True):
        """The kernel tells the foreground process group (SIGWINCH) when the size changes."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell and self.process.poll() is not None:
            raise AssertionError(f"{self.argv} has ended:\n{self.screen}")

    def send(self, text):
        os.write(self.master, text.encode())

    def _read_some(self, limit):
        """False at the end of the terminal or of the time."""
        ready, _, _ = select.select([self.master], [], [], max(0, limit))
        if not ready:
            return False
        try:
            piece = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that nobody has the other side open
                raise
            return False
        self.screen += piece.decode(errors="replace")
        if b"\x1b[6n" in piece:
            os.write(self.master, b"\x1b[1;1R")  # full-screen programs ask where the cursor is, and wait for the answer
        return bool(piece)

    def expect(self, pattern, limit=60):
        """Waits for the pattern in what has come since the last match; returns the match and forgets up to its end."""
        deadline = time.monotonic() + seconds(limit)
        while True:
            match = re.search(pattern, self.screen)
            if match:
                self.screen = self.screen[match.end():]
                return match
            if not self._read_some(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} did not come on the terminal of {self.argv}:\n{self.screen}")

    def finish(self, limit=60):
        """Reads to the end; returns the exit code."""
        deadline = time.monotonic() + seconds(limit)
        while self._read_some(deadline - time.monotonic()):
            pass
        try:
            return self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv} did not end:\n{self.screen}") from None

    def hang_up(self):
        """Closes the terminal under the command, as closing the window does; the process gets SIGHUP."""
        os.kill(self.process.pid, signal.SIGHUP)

    def echo_on(self):
        """Whether the terminal still echoes: off in raw mode, on again when the command has put it back."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)
