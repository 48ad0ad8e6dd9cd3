# real_host_test.py - services.agentvm on real NixOS hosts of several kinds: no conflict, and the units as they must be.
import os
import re
import unittest

import harness
import real
from harness import Sandbox

# What a host is besides; real_hosts.nix has the modules.
KINDS = ("plain", "docker", "nftables", "networkd", "microvm-host", "no-firewall", "router", "never-forwards", "network-manager",
         "other-bridge", "pools")
WRONG = {"wrong-bridge": 'services.agentvm.bridge.name is "a bridge"; it must be', "wrong-subnet": "8.8.8.0/24",
         "wrong-pool": 'services.agentvm.pools.none.profile is "none", which is no profile of this host'}
DNS = {"allowedTCPPorts": [53], "allowedUDPPorts": [53], "allowedTCPPortRanges": [], "allowedUDPPortRanges": []}


def sections(text):
    """A unit's settings: {"Service": {"Restart": ["on-failure"]}}."""
    found, section = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line.strip():
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


def hardening(name):
    """nixos-module/NAME as the lines that systemd is to be given, by name."""
    with open(os.path.join(real.SOURCE, "nixos-module", name), encoding="utf-8") as file:
        pairs = re.findall(r"(?m)^  (\w+) = ([^;]+);$", file.read())
    return {name: [word.strip('"') for word in re.findall(r'"[^"]*"|\w+', value)] for name, value in pairs}


class RealHosts(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if real.MISSING:
            raise unittest.SkipTest(real.MISSING)
        with Sandbox() as sandbox:
            cls.hosts = real.evaluate_each("real_hosts.nix", sandbox.path("home"), {name: name for name in (*KINDS, *WRONG)},
                                            limit=1000)

    def host(self, name):
        if isinstance(self.hosts[name], real.Refused):
            self.fail(str(self.hosts[name]))
        return self.hosts[name]

    def each(self, look):
        """look(NAME, HOST) for each kind, whatever becomes of the others."""
        for name in KINDS:
            with self.subTest(name=name):
                look(name, self.host(name))

    def test_every_kind_of_host(self):
        def look(_, host):
            self.assertEqual((host["failed"], host["warnings"]), ([], []))
            self.assertRegex(host["toplevel"], r"\A/nix/store/[0-9a-z]{32}-nixos-system-.+\.drv\Z")
            self.assertEqual(host["members"], ["alice"])
            self.assertTrue(any(re.fullmatch(r"agentvm-[0-9.]+", package) for package in host["packages"]))

        self.each(look)

    def test_the_socket(self):
        def look(_, host):
            socket = sections(host["socket"])["Socket"]
            self.assertEqual({name: value for name, (value,) in socket.items()},
                             {"ListenStream": "/run/agentvm-netd/netd.sock", "SocketMode": "0660", "SocketUser": "root",
                              "SocketGroup": "agentvm", "DirectoryMode": "0755"})

        self.each(look)

    def test_the_service(self):
        def look(name, host):
            unit = sections(host["service"])
            service = unit["Service"]
            self.assertIn("agentvm-netd.socket", " ".join(unit["Unit"]["Requires"]))
            after = " ".join(unit["Unit"]["After"]).split()
            self.assertLessEqual({"agentvm-netd.socket", "nftables.service", "firewall.service"}, set(after))
            start, = service["ExecStart"]
            bridge, subnet, leases = ("br-agents", "10.9.0.0/16", "3") if name == "other-bridge" else ("microbr", "192.168.83.0/24", "64")
            self.assertRegex(start, rf"\A/nix/store/\S+/libexec/agentvm/agentvm-netd --bridge {bridge} --subnet {subnet} "
                                    rf"--leases-per-user {leases} --dnsmasq /nix/store/\S+/bin/dnsmasq\Z")
            self.assertRegex(service["ExecStopPost"][0], r"/libexec/agentvm/agentvm-netd --clean\Z")
            self.assertEqual(service["Restart"], ["on-failure"])

        self.each(look)

    def test_the_service_is_hardened(self):
        wanted = hardening("hardening.nix")
        self.assertGreater(len(wanted), 25)
        def look(_, host):
            service = sections(host["service"])["Service"]
            for name, values in wanted.items():
                shown = " ".join(service[name]).split()
                self.assertEqual(" ".join(shown), " ".join(values), name)

        self.each(look)

    def test_pools(self):
        """The unit, its slice, its file, and the profile with a guest that is built with the host."""
        host = self.host("pools")
        service = sections(host["pool"])["Service"]
        for name, values in hardening("pool-hardening.nix").items():
            wanted = " ".join(values)
            shown = " ".join(word.strip('"') for value in service[name] for word in value.split())
            # NixOS adds variables of its own, such as PATH.
            self.assertEqual(shown[-len(wanted):] if name == "Environment" else shown, wanted, name)
        self.assertRegex(service["ExecStart"][0], r"\A/nix/store/\S+/libexec/agentvm/agentvm-poold --config /etc/agentvm/pools.toml "
                         r"--socket /run/agentvm-pool/pool.sock --group agentvm --metrics /var/lib/figures/pools.prom\Z")
        self.assertEqual((service["Slice"], service["Restart"], service["ReadWritePaths"]),
                         (["agentvm.slice"], ["on-failure"], ["/var/lib/figures"]))
        self.assertEqual(sections(host["slice"])["Slice"], {"MemoryMax": ["40G"]})
        self.assertEqual(host["pools"], {"boots_at_once": 2, "vms_per_user": 16, "pools": {
            "work": {"profile": "work", "size": 2, "max_age": "6h", "memory_max": "5GiB", "cpu_weight": 50}}})
        self.assertEqual(host["etc"], ["agentvm/pools.toml", "agentvm/profiles/work.toml"])
        self.assertRegex(host["profiles"]["work"]["guest"]["image"], r"\A/nix/store/[0-9a-z]{32}-agentvm-agentvm\Z")
        self.assertTrue(host["codex"]["mcp_servers"]["nixos"]["command"].endswith("/bin/mcp-nixos"))
        self.assertIn("hello-", " ".join(host["packages"]))

    def test_a_vm_of_a_user(self):
        host = self.host("pools")
        unit = sections(host["vm"])
        self.assertEqual((unit["Unit"]["ConditionUser"], host["lingers"]), (["alice"], True))
        self.assertRegex(unit["Service"]["ExecStart"][0], r'\A"/nix/store/[^"]+/bin/agentvm" "run" "--name" "tests" '
                         r'"--profile" "default" "/home/alice/a b" "--command" "--" "make" "100%%"\Z')

    def test_without_pools_there_is_no_service(self):
        plain = self.host("plain")
        self.assertEqual((plain["pool"], plain["slice"], plain["vm"], plain["etc"]), (None, None, None, []))

    def test_the_firewall_lets_guests_ask_for_names(self):
        def look(name, host):
            bridge = "br-agents" if name == "other-bridge" else "microbr"
            self.assertEqual(host["opened"][bridge], DNS)

        self.each(look)
        for name in ("nftables", "router"):
            rules = self.host(name)["rules"]
            for protocol in ("tcp", "udp"):
                self.assertRegex(rules, rf'iifname "?microbr"? {protocol} dport {{ 53 }} accept')

        self.assertIn('iifname "microbr" accept', self.host("router")["rules"], "it filters what is forwarded, too")
        self.assertNotIn('iifname "microbr" accept', self.host("nftables")["rules"])

    def test_a_host_forwards_as_it_did(self):
        """agentvm-netd forwards while there are guests; the module makes no router of a host."""
        forwarding = {name: self.host(name)["forwarding"] for name in ("plain", "nftables", "never-forwards", "router")}
        self.assertEqual(forwarding, {"plain": None, "nftables": None, "never-forwards": 0, "router": 1})

    def test_networkd_leaves_the_bridge_and_the_taps_alone(self):
        networks = self.host("networkd")["networks"]
        self.assertIn("99-ethernet-default-dhcp.network", networks)
        for name, text in networks.items():
            match = sections(text)["Match"]
            # Neither a bridge nor a tap is without a kind (systemd.network(5)).
            self.assertTrue("!*" in match.get("Kind", []) or match.keys() & {"Name", "WLANInterfaceType"}, f"{name}: {text}")

    def test_what_is_wrong_is_said(self):
        for name, told in WRONG.items():
            with self.subTest(name=name):
                failed, = self.host(name)["failed"]
                self.assertIn(told, failed)


if __name__ == "__main__":
    harness.main()
