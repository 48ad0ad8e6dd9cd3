# world.py - a host between an internet and a lan, all of them namespaces of the test, with ears in each.
import os
import shutil
import socket
import struct
import tempfile
import threading

from namespace import Namespace, cable
from netd import Netd

HOST_PUBLIC, HOST_LAN, INTERNET = "203.0.113.2", "10.20.0.1", "198.51.100.7"
# All of these live on the lan, and the host has a route to each: nothing but the rules keeps a guest from them.
LAN_ADDRESSES = ("10.20.0.9", "172.16.5.5", "192.168.77.7", "169.254.169.254", "100.64.0.9", "198.18.0.9")
PORT = 9999
NAME, NAME_ADDRESS = "one.example", "198.51.100.80"
ETH_P_ALL = 0x0003


class Ear:
    """Hears every frame of a link (or all links of a namespace), from now on."""

    def __init__(self, space, link=None):
        with space.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)  # SO_RCVBUFFORCE
            if link:
                self.socket.bind((link, ETH_P_ALL))
        self.socket.setblocking(False)
        self.frames = []

    def has_heard(self, part):
        while True:
            try:
                self.frames.append(self.socket.recv(65536))
            except BlockingIOError:
                return any(part in frame for frame in self.frames)

    def forget(self):
        self.has_heard(b"")
        self.frames.clear()

    def close(self):
        self.socket.close()


class Letterbox:
    """A UDP socket of a program on the host: hears what is delivered to any of its addresses."""

    def __init__(self, space, port=PORT):
        with space.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", port))
        self.socket.setblocking(False)
        self.letters = []

    def join(self, space, group, link):
        with space.entered():
            index = socket.if_nametoindex(link)
        membership = struct.pack("4s4si", socket.inet_aton(group), socket.inet_aton("0.0.0.0"), index)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)

    def has_heard(self, part):
        while True:
            try:
                self.letters.append(self.socket.recv(65536))
            except BlockingIOError:
                return any(part in letter for letter in self.letters)

    def forget(self):
        self.has_heard(b"")
        self.letters.clear()

    def close(self):
        self.socket.close()


class Server:
    """Answers on a socket, each message or connection by `answer`, on a thread of its own, until the test ends."""

    def __init__(self, space, kind, address, answer):
        with space.entered():
            self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        if kind == socket.SOCK_STREAM:
            self.socket.listen()
        threading.Thread(target=self.serve, args=(kind, answer), daemon=True).start()

    def serve(self, kind, answer):
        while True:
            try:
                if kind == socket.SOCK_DGRAM:
                    data, peer = self.socket.recvfrom(4096)
                    self.socket.sendto(answer(data, peer), peer)
                else:
                    connection, peer = self.socket.accept()
                    with connection:
                        connection.sendall(answer(connection.recv(4096), peer))
            except OSError:
                return

    def close(self):
        self.socket.close()


def dns_answer(query, _peer):
    """One address for one name, and NXDOMAIN for every other (RFC 1035)."""
    question = query[12:query.index(b"\0", 12) + 5]
    wanted = b"".join(bytes([len(part)]) + part.encode() for part in NAME.split(".")) + b"\0"
    if not question.startswith(wanted) or question[-4:-2] != b"\0\1":
        return query[:2] + struct.pack("!HHHHH", 0x8183, 1, 0, 0, 0) + question
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(NAME_ADDRESS)
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + question + record


def dns_stream_answer(data, peer):
    answer = dns_answer(data[2:], peer)
    return struct.pack("!H", len(answer)) + answer


class World:
    """host (eth0 to the internet, eth1 to the lan), internet, lan. netd is started with `start_netd`."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="agentvm-netns-")
        self.host, self.internet, self.lan = Namespace(), Namespace(), Namespace()
        self.parts = [self.host, self.internet, self.lan]
        cable(self.host, "eth0", f"{HOST_PUBLIC}/24", self.internet, "eth0", "203.0.113.1/24")
        cable(self.host, "eth1", f"{HOST_LAN}/24", self.lan, "eth0", f"{LAN_ADDRESSES[0]}/24")
        for address in (INTERNET, NAME_ADDRESS, "198.51.100.53"):
            self.internet.ip(f"addr add {address}/32 dev lo")
        self.host.ip("route add default via 203.0.113.1")
        # Answers come back even without masquerading: what is refused is refused by rules.
        self.internet.ip(f"route add 192.168.0.0/16 via {HOST_PUBLIC}")
        for address in LAN_ADDRESSES[1:]:
            self.lan.ip(f"addr add {address}/32 dev lo")
            self.host.ip(f"route add {address}/32 via {LAN_ADDRESSES[0]}")
        self.lan.ip(f"route add default via {HOST_LAN}")
        self.resolv = os.path.join(self.directory, "resolv.conf")
        with open(self.resolv, "w", encoding="ascii") as file:
            file.write("nameserver 198.51.100.53\n")
        self.own(Server(self.internet, socket.SOCK_DGRAM, ("198.51.100.53", 53), dns_answer))
        self.own(Server(self.internet, socket.SOCK_STREAM, ("198.51.100.53", 53), dns_stream_answer))
        self.own(Server(self.internet, socket.SOCK_STREAM, (INTERNET, 80), lambda data, peer: f"{peer[0]} {data.decode()}".encode()))
        self.own(Server(self.internet, socket.SOCK_DGRAM, (INTERNET, 7), lambda data, _peer: data))
        self.netd = None

    def own(self, part):
        """Closed with the world, last come first."""
        self.parts.append(part)
        return part

    def start_netd(self, *options, files=None):
        everything = {"/etc/resolv.conf": self.resolv, **(files or {})}
        self.netd = Netd(self.host, os.path.join(self.directory, "run"), *options, files=everything)
        return self.netd

    def close(self):
        if self.netd:
            self.netd.stop()
        for part in reversed(self.parts):
            part.close()
        shutil.rmtree(self.directory)
