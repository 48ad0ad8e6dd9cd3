# guest.py - a guest behind a leased tap: a network namespace with a kernel of its own stack, and frames by hand.
import errno
import fcntl
import time
import os
import select
import struct
import threading

TUNSETIFF = 0x400454CA
SIOCSIFHWADDR, ARPHRD_ETHER = 0x8924, 1
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def open_tap(name, device="/dev/net/tun"):
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


class Guest:
    """What a VM is to the host's network: it holds the tap open, and may send whatever it likes.

    `host` is the namespace with the tap, `inside` the guest's own. A thread carries frames between both; `heard` is every
    frame that came out of the tap.
    """

    def __init__(self, host, inside, lease):
        self.inside, self.lease = inside, lease
        self.mac, self.address = lease["mac"], lease["address"]
        with host.entered():
            self.tap = open_tap(lease["tap"])
        with inside.entered():
            self.card = open_tap("eth0")
        inside.ip(f"link set eth0 address {self.mac}")
        inside.ip(f"addr add {self.address}/{lease['prefix']} dev eth0")
        inside.ip("link set eth0 up")
        inside.ip(f"route add default via {lease['gateway']}")
        self.heard = []
        self.stop_read, self.stop_write = os.pipe()
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def carry(self):
        ends = {self.tap: self.card, self.card: self.tap}
        waiting = select.poll()
        for fd in (*ends, self.stop_read):
            waiting.register(fd, select.POLLIN)
        while True:
            for fd, _ in waiting.poll():
                if fd == self.stop_read:
                    return
                try:
                    frame = os.read(fd, 65536)
                    if fd == self.tap:
                        self.heard.append(frame)
                    os.write(ends[fd], frame)
                except BlockingIOError:
                    continue
                except OSError as error:
                    if error.errno != errno.EIO:
                        return  # the tap was taken away
                    time.sleep(0.05)  # it is down for now

    def send(self, frame):
        os.write(self.tap, frame)

    def rename_tap(self, mac):
        """Gives the host's end of the cable another MAC: who may open a tap may do that."""
        request = struct.pack("16sH6s16x", self.lease["tap"].encode(), ARPHRD_ETHER, bytes.fromhex(mac.replace(":", "")))
        fcntl.ioctl(self.tap, SIOCSIFHWADDR, request)

    def has_heard(self, part):
        return any(part in frame for frame in list(self.heard))

    def forget(self):
        self.heard.clear()

    def close(self):
        os.write(self.stop_write, b"x")
        self.thread.join()
        for fd in (self.tap, self.card, self.stop_read, self.stop_write):
            os.close(fd)
