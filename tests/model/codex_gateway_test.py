#!/usr/bin/env python3
# codex_gateway_test.py - the real Codex and the real mcp-nixos through the gateways, without a VM: the demo's script.
"""usage: codex_gateway_test.py GATEWAY_WORLD

Exits with 77 and the reason when something it needs is not on this machine.
"""
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SKIPPED = 77
KEY = "sk-" + secrets.token_hex(20)
OWN_CONFIG = """\
model = "the-workspaces"
model_provider = "theirs"
model_reasoning_effort = "low"
sandbox_mode = "read-only"
web_search = "live"
[model_providers.theirs]
name = "theirs"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
[model_providers.agentvm]
base_url = "http://127.0.0.1:9/v1"
[mcp_servers.nixos]
command = "/bin/sh"
args = ["-c", "echo nixos >> MARK"]
enabled = false
disabled_tools = ["nix"]
[mcp_servers.more]
command = "/bin/sh"
args = ["-c", "echo more >> MARK"]
"""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def find_tool(name, *below_tools):
    """A program on PATH, or where `./dev setup` puts it."""
    found = shutil.which(name)
    caches = [os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"), "/var/cache"]
    for cache in filter(None, caches):
        path = os.path.join(cache, "agentvm", "tools", *below_tools)
        found = found or (path if os.access(path, os.X_OK) else None)
    return found or skip(f"{name} is not here: ./dev setup gets it")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(condition, what, evidence):
    if not condition:
        sys.exit(f"FAILED: {what}\n{evidence}")


def write_own_config(folder, workspace):
    """The workspace's own settings: against everything that is decided for it, and one that is its own to say."""
    mark = os.path.join(folder, "started-by-the-workspace")
    os.makedirs(os.path.join(workspace, ".codex"))
    with open(os.path.join(workspace, ".codex", "config.toml"), "w", encoding="utf-8") as file:
        file.write(OWN_CONFIG.replace("MARK", mark))
    return mark


def run_codex(folder, workspace, world, socket_path):
    """Codex's completed run, with the configuration and the command line of a guest."""
    home = os.path.join(folder, "home")

    def at_home(text, between):
        """The guest's bridge is here this program."""
        bridge = f'command = "{world}"{between}args = ["bridge", "mcp/nixos", "{socket_path}"]'
        replaced = text.replace(f'command = "/run/agentvm/agentvm-guest"{between}args = ["bridge", "mcp/nixos"]', bridge)
        check(replaced != text, "the guest's bridge is named", text)
        return replaced

    config = os.path.join(home, ".codex", "config.toml")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(at_home(text, "\n"))
    with open(os.path.join(folder, "command.json"), encoding="utf-8") as file:
        argv = [at_home(word, ", ") if word.startswith("mcp_servers=") else word for word in json.load(file)]
    argv[2:2] = ["--json"]
    environment = {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": os.path.join(folder, "scratch")}
    return subprocess.run(
        argv,
        cwd=workspace,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def main():
    world = os.path.abspath(sys.argv[1])
    codex = find_tool("codex", "codex/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex")
    server = find_tool("mcp-nixos", "mcp-nixos", "bin", "mcp-nixos")
    bubblewrap = shutil.which("bwrap") or skip("bubblewrap is not here")
    with tempfile.TemporaryDirectory(prefix="agentvm-codex-") as folder:
        for name in ("home/.codex", "scratch"):
            os.makedirs(os.path.join(folder, name))
        workspace = os.path.join(folder, "workspace")
        shutil.copytree(os.path.join(SOURCE, "templates", "demo"), workspace)
        mark = write_own_config(folder, workspace)
        record, events, log = (os.path.join(folder, name) for name in ("requests.jsonl", "events.jsonl", "mcp.log"))
        model = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "scripted_model.py"), os.path.join(HERE, "scripts", "demo.json"),
             "--record", record, "--require-key", KEY, "--until-eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        upstream = f"http://127.0.0.1:{int(model.stdout.readline())}/v1"
        socket_path = os.path.join(folder, "services.sock")
        config = {
            "port": free_port(),
            "socket": socket_path,
            "events": events,
            "log": log,
            "workspace": workspace,
            "bubblewrap": bubblewrap,
            "upstream": upstream,
            "key_variable": "AGENTVM_TEST_KEY",
            "server": [server],
            "codex": codex,
            "prompt": "make it pass",
            "codex_command": os.path.join(folder, "command.json"),
            "codex_config": os.path.join(folder, "home", ".codex", "config.toml"),
        }
        with open(os.path.join(folder, "world.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        gateways = subprocess.Popen(
            [world, "serve", os.path.join(folder, "world.json")], env={**os.environ, "AGENTVM_TEST_KEY": KEY},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            check(gateways.stdout.readline() == "ready\n", "the gateways start", "")
            result = run_codex(folder, workspace, world, socket_path)
        finally:
            gateways.communicate(timeout=20)
            _, complaints = model.communicate(timeout=20)
        output = result.stdout + result.stderr
        check(result.returncode == 0, "Codex ends well", output)
        check(model.returncode == 0, "the script was gone through", complaints + output)
        judge(folder, workspace, output, record, events, log)
        judge_own_config(mark, record)


def judge_own_config(mark, record):
    """What was decided held against the workspace's own settings; the rest of them counted."""
    with open(record, encoding="utf-8") as file:
        bodies = [entry["body"] for entry in map(json.loads, file) if entry["method"] == "POST"]
    check({body["model"] for body in bodies} == {"scripted"}, "the model", [body["model"] for body in bodies])
    check({body["reasoning"]["effort"] for body in bodies} == {"low"}, "an own setting of the workspace counts", bodies[0])
    check(not any(tool["type"].startswith("web_search") for tool in bodies[0]["tools"]), "no web search", bodies[0]["tools"])
    with open(mark, encoding="utf-8") as file:
        started = set(file.read().split())
    check(started == {"more"}, "an own server is started, and none in the place of nixos", started)


def judge(folder, workspace, output, record, events, log):
    tests = subprocess.run([sys.executable, "-B", "-m", "unittest"], cwd=workspace, capture_output=True, text=True, check=False)
    check(tests.returncode == 0, "the project's tests pass", tests.stderr)
    with open(events, encoding="utf-8") as file:
        journal = file.read()
    entries = [json.loads(line) for line in journal.splitlines()]
    calls = [entry for entry in entries if entry["event"] == "mcp-call"]
    check(len(calls) == 1 and calls[0]["tool"] == "nix" and calls[0]["text"], "mcp-nixos answered", journal)
    check(calls[0]["arguments"]["query"] == "ripgrep" and not calls[0]["refused"], "the call is told as it was", journal)
    requests = [entry for entry in entries if entry["event"] == "model-request"]
    check([entry["status"] for entry in requests] == [200] * 6, "six requests, all answered", journal)
    commands = [entry["command"] for entry in entries if entry["event"] == "command"]
    check(len(commands) == 4 and commands[2].startswith("apply_patch"), "four commands were seen", journal)
    with open(record, encoding="utf-8") as file:
        recorded = [json.loads(line) for line in file]
    authorizations = {entry["headers"].get("authorization") for entry in recorded}
    check(authorizations == {f"Bearer {KEY}"}, "the host adds the key to every request", authorizations)
    check(calls[0]["text"][:100] in json.dumps(recorded[1]["body"], ensure_ascii=False), "the model reads the answer", calls)
    check(KEY not in journal + output, "the key is told to nobody", "")
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            if path != record and os.path.isfile(path):
                with open(path, "rb") as file:
                    check(KEY.encode() not in file.read(), "the key is in no file", path)
    with open(log, encoding="utf-8") as file:
        check(file.read(), "the server's stderr is in the log", log)
    print(f"mcp-nixos said: {calls[0]['text']}")
    print(f"model requests: {[entry['ms'] for entry in requests]} ms; MCP call: {calls[0]['ms']} ms")


if __name__ == "__main__":
    main()
