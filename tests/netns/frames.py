# frames.py - Ethernet frames by hand, right or wrong as a test wants them.
import socket
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
LLDP = "01:80:c2:00:00:0e"  # of link-local protocols: a bridge hands such frames to its own host
ETH_IP, ETH_ARP, ETH_IPV6, ETH_VLAN = 0x0800, 0x0806, 0x86DD, 0x8100


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(destination, source, kind, payload):
    return mac(destination) + mac(source) + struct.pack("!H", kind) + payload


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source, destination, source_port, port, payload):
    # A checksum of 0 says that there is none (RFC 768).
    return ipv4(source, destination, socket.IPPROTO_UDP, struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload)


def fragmentation_needed(source, destination, mtu, quoted):
    """ICMP that quotes somebody's packet (RFC 1191)."""
    message = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    return ipv4(source, destination, socket.IPPROTO_ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH6s4s6s4s", 1, ETH_IP, 6, 4, operation, mac(sender_mac), socket.inet_aton(sender), mac(target_mac),
                       socket.inet_aton(target))


def icmp6(source, destination, kind, body):
    """ICMPv6 of any kind with a right checksum (RFC 4443)."""
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = addresses + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6) + message
    message = message[:2] + struct.pack("!H", checksum(pseudo)) + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255) + addresses + message


def vlan(number, kind, payload):
    return struct.pack("!HH", number, kind) + payload
