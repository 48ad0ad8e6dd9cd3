// mcp_world.hpp - an MCP gateway with a small server in the real sandbox behind it.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/gateway/mcp/mcp_gateway.hpp"
#include "tests/unit/gateway/link_pair.hpp"

namespace agentvm::test {

namespace asio = boost::asio;
using gateway::McpGateway;
using gateway::McpLimits;
using link::StreamPtr;

/// One JSON-RPC message a line; the tool's name says what to do.
inline constexpr char server_text[] = R"(#!/usr/bin/python3
import json, os, socket, sys, time
print("started", file=sys.stderr, flush=True)
def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
def text(id, text):
    send({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}], "isError": False}})
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") != "tools/call":
        if "id" in message:
            send({"jsonrpc": "2.0", "id": message["id"], "result": {"method": message["method"]}})
        continue
    tool, arguments, id = message["params"]["name"], message["params"].get("arguments", {}), message["id"]
    if tool == "echo":
        text(id, json.dumps(arguments))
    elif tool == "slow":
        time.sleep(arguments["seconds"])
        text(id, "slowly")
    elif tool == "big":
        text(id, "x" * arguments["bytes"])
    elif tool == "half":
        reply = json.dumps({"jsonrpc": "2.0", "id": id, "result": {}})
        sys.stdout.write(reply[:10]); sys.stdout.flush()
        time.sleep(arguments["seconds"])
        sys.stdout.write(reply[10:] + "\n"); sys.stdout.flush()
    elif tool == "noise":
        for _ in range(arguments["bytes"] // 1000):
            sys.stderr.write("n" * 999 + "\n")
        text(id, "done")
    elif tool == "silent":
        pass
    elif tool == "die":
        text(id, "bye")
        os._exit(3)
    elif tool == "last words":
        print("no module named x\x1b]52;c;aGk=\x07", file=sys.stderr, flush=True)
        os._exit(3)
    elif tool == "reach":
        def attempt(family, place):
            try:
                with socket.socket(family) as s:
                    s.settimeout(3)
                    s.connect(place)
                    return "connected"
            except OSError as error:
                return "refused"
        def ask(head):
            try:
                with socket.create_connection(("127.0.0.1", 3128), 3) as s:
                    s.sendall(head.encode())
                    return s.recv(1000).decode()
            except OSError as error:
                return "refused"
        text(id, json.dumps({"abstract": attempt(socket.AF_UNIX, "\0" + arguments["abstract"]),
            "loopback": attempt(socket.AF_INET, ("127.0.0.1", arguments["port"])),
            "asked": [ask(head) for head in arguments["heads"]], "environment": dict(os.environ)}))
    elif tool == "look":
        def tree(path):
            try: return sorted(os.listdir(path))
            except OSError as error: return error.strerror
        def run(program):
            try: return os.spawnlp(os.P_WAIT, program, program, "--version")
            except OSError as error: return error.errno
        text(id, json.dumps({"root": tree("/"), "etc": tree("/etc"), "home": tree(arguments["home"]),
            "processes": [name for name in tree("/proc") if name.isdigit()], "uid": os.getuid(), "cwd": os.getcwd(),
            "environment": sorted(os.environ), "instance": os.environ["AGENTVM_INSTANCE"],
            "writable": os.access("/", os.W_OK) or os.access(__file__, os.W_OK), "passwd": open("/etc/passwd").read()}))
)";

/// `arguments` is JSON text: GCC 12 cannot compile an initializer list within a co_await expression.
inline std::string call(int id, const std::string& tool, const std::string& arguments = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":"tools/call","params":{"name":")" + tool +
         R"(","arguments":)" + arguments + "}}\n";
}

struct McpWorld : LinkPair {
  std::string folder;
  std::unique_ptr<McpGateway> mcp;

  explicit McpWorld(McpLimits limits = {}, std::string bubblewrap = find_program("bwrap").value_or(""),
                    vmspec::McpSpec spec = {}) {
    char name[] = "/tmp/agentvm-mcp-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    folder = name;
    make_directories(folder + "/host");
    write_file_atomic(folder + "/host/server", server_text, 0755);
    spec.name = "test";
    if (!spec.command.empty()) spec.command.push_back(folder + "/host/server");
    if (spec.command.empty()) spec.command = {folder + "/host/server"};
    spec.arguments_deny = {{"echo", {{"action", {"store"}}}}};
    mcp = std::make_unique<McpGateway>(io.get_executor(), spec,
                                       gateway::McpSandbox{std::move(bubblewrap), "uuid-1", folder + "/mcp.log",
                                                           sandbox::GuestPlaces({folder + "/workspace"})},
                                       sink(), limits);
    handler = [this](StreamPtr stream) { return mcp->serve(std::move(stream)); };
  }
  ~McpWorld() { remove_tree(folder); }
  McpWorld(const McpWorld&) = delete;
  McpWorld& operator=(const McpWorld&) = delete;

  asio::awaitable<StreamPtr> connect() {
    const StreamPtr stream = guest->open("POST", "/mcp/test");
    const link::Fields answer = co_await stream->response();
    if (link::field(answer, ":status") == "200") co_return stream;
    const std::string reason = co_await stream->read_all(1000);
    throw Error(reason);
  }
};

/// Whether there is something to test with; a test that cannot run says so.
inline bool sandbox_works() {
  if (!find_program("bwrap") || access("/usr/bin/python3", X_OK) != 0) {
    MESSAGE("skipped: bubblewrap or /usr/bin/python3 is missing");
    return false;
  }
  const Output output = run_captured(
      {.program = "bwrap", .args = {"--unshare-all", "--uid", "1", "--ro-bind", "/", "/", "/usr/bin/true"}},
      std::chrono::seconds(10));
  if (output.status.shell_code() == 0) return true;
  MESSAGE("skipped: this machine lets nobody make namespaces: ", output.err);
  return false;
}

}  // namespace agentvm::test
