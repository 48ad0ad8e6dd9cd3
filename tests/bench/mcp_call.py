# mcp_call.py - a call to the real mcp-nixos through the gateway and the guest's bridge, over the same server on a pipe.
import json
import os
import shutil
import subprocess
import tempfile
import time


class Server:
    """A process that speaks MCP on its stdin and stdout: the server itself, or the bridge an agent starts."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.number = 0
        self.call("initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo={"name": "bench", "version": "1"})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, method, **params):
        """Seconds from request to answer."""
        self.number += 1
        start = time.perf_counter()
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        while json.loads(self.process.stdout.readline()).get("id") != self.number:
            pass
        return time.perf_counter() - start

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def measure(world, server, count):
    """Two lists of seconds: through the gateway, and directly; the calls take turns."""
    with tempfile.TemporaryDirectory(prefix="agentvm-bench-") as folder:
        place = lambda name: os.path.join(folder, name)
        os.mkdir(place("workspace"))
        config = {"port": 0, "socket": place("services.sock"), "events": place("events"), "log": place("log"),
                  "workspace": place("workspace"), "bubblewrap": shutil.which("bwrap"), "upstream": "http://127.0.0.1:9/v1",
                  "key_variable": "AGENTVM_BENCH_KEY", "server": [server], "codex_config": place("config.toml")}
        with open(place("world.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        gateways = subprocess.Popen([world, "serve", place("world.json")], env={**os.environ, "AGENTVM_BENCH_KEY": "sk-none"},
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if gateways.stdout.readline() != "ready\n":
            raise RuntimeError("the gateways did not start")
        through, direct = Server([world, "bridge", "mcp/nixos", place("services.sock")]), Server([server])
        through_times, direct_times = [], []
        for number in range(count + 10):
            pair = (through.call("ping"), direct.call("ping"))
            if number >= 10:
                through_times.append(pair[0])
                direct_times.append(pair[1])
        through.close()
        direct.close()
        gateways.communicate(timeout=20)
        return through_times, direct_times
