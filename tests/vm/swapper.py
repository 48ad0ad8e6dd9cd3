# swapper.py - somebody who owns a directory and exchanges two names in it all the time.
import ctypes
import os
import threading

RENAME_EXCHANGE = 2
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)


class Swapper:
    """Exchanges them from __enter__ to __exit__, and leaves them as they were."""

    def __init__(self, one, other):
        self.names, self.over, self.swaps = (os.fsencode(one), os.fsencode(other)), threading.Event(), 0
        self.thread = threading.Thread(target=self._work)

    def _exchange(self):
        self.swaps += LIBC.renameat2(AT_FDCWD, self.names[0], AT_FDCWD, self.names[1], RENAME_EXCHANGE) == 0

    def _work(self):
        while not self.over.is_set():
            self._exchange()
        if self.swaps % 2:
            self._exchange()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
