// guest_test.cpp - the documents of the links: there and back, and what is refused in which words.
#include "base/wire/guest.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "base/wire/base64.hpp"

namespace agentvm::guest {

using nlohmann::json;

namespace {

std::string refusal_of_process(const std::string& text) {
  try {
    static_cast<void>(process_spec_from_json(json::parse(text)));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal_of_setup(const std::string& text) {
  try {
    static_cast<void>(guest_setup_from_json(json::parse(text)));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("base64 carries every byte") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    bytes += static_cast<char>(i);
  }
  CHECK(base64_encode("agent") == "YWdlbnQ=");
  CHECK_FALSE(base64_decode("YWdlbnQ"));
  CHECK_FALSE(base64_decode("YW=lbnQ="));
  CHECK_FALSE(base64_decode("YWdl\nbn="));
  CHECK_FALSE(base64_decode("===="));
}

TEST_CASE("a setup survives its JSON") {
  GuestSetup setup;
  setup.hostname = "rust-1";
  setup.machine_id = "0123456789abcdef0123456789abcdef";
  setup.clock_unix_ms = 1'764'000'000'123;
  setup.mounts = {{"usr", "/usr", true}, {"workspace", "/workspace", false}};
  setup.files = {{.path = "/etc/bytes", .content = std::string("\0\xff\n", 3), .mode = 0600, .uid = 1000, .gid = 100},
                 {.path = "/etc/link", .target = "../usr/lib/x"},
                 {.path = "/home/agent", .mode = 0700, .uid = 4294967294, .gid = 1000, .directory = true}};
  setup.services = {"mcp/nixos", "model"};
  setup.network = NetworkSetup{"02:00:00:00:00:01", "192.168.83.7", 24, "192.168.83.1", "192.168.83.1"};
  setup.model_port = 4180;
  setup.inode_limit = 1'000'000;
  setup.entropy = std::string("\0\xff seed", 7);
  CHECK(guest_setup_from_json(json::parse(to_json(setup).dump())) == setup);
  CHECK(guest_setup_from_json(json::parse("{}")) == GuestSetup{});
}

TEST_CASE("a process and a ready report and a setup reply survive their JSON") {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo \"\xc3\xa4\" ''", ""};
  spec.env = {{"PATH", "/usr/bin:/bin"}, {"EMPTY", ""}, {"EQUALS", "a=b"}};
  spec.cwd = "/workspace";
  spec.uid = spec.gid = 1000;
  spec.pty = true;
  spec.rows = 50;
  spec.columns = 65535;
  CHECK(process_spec_from_json(json::parse(to_json(spec).dump())) == spec);
  spec.argv = {"rm", "f\xff", "\xc3\xa4\xc3"};
  spec.env = {{"PATH", "/usr/bin"}, {"VALUE", "\xfe"}, {"N\xff", "a=\x80"}};
  spec.cwd = "/workspace/\xe4";
  CHECK(process_spec_from_json(json::parse(to_json(spec).dump())) == spec);
  const ReadyReport report{1, 2, 3, "6.1.0"};
  CHECK(ready_report_from_json(json::parse(to_json(report).dump())) == report);
  const SetupReply reply{12, 345, true};
  CHECK(setup_reply_from_json(json::parse(to_json(reply).dump())) == reply);
}

TEST_CASE("unknown fields are ignored") {
  CHECK(process_spec_from_json(json::parse(R"({"argv":["true"],"colour":"red"})")).argv.front() == "true");
}

TEST_CASE("a wrong process is refused with the field and its rule and what came") {
  CHECK(refusal_of_process("[]") == "process must be a JSON object, not an array");
  CHECK(refusal_of_process("{}") == R"(process: "argv" must be a program and its arguments, and is missing)");
  CHECK(refusal_of_process(R"({"argv":[""]})") ==
        R"(process: "argv" must be a program and its arguments, not an array)");
  CHECK(refusal_of_process(R"({"argv":["a",1]})") ==
        R"(process: "argv" must be an array of strings without NUL, not an array)");
  CHECK(refusal_of_process(R"({"argv":["a\u0000b"]})") ==
        R"(process: "argv" must be an array of strings without NUL, not an array)");
  CHECK(refusal_of_process(R"({"argv":["a"],"rows":0})") ==
        R"(process: "rows" must be an integer from 1 to 65535, not 0)");
  CHECK(refusal_of_process(R"({"argv":["a"],"columns":"wide"})") ==
        R"(process: "columns" must be an integer from 1 to 65535, not "wide")");
  CHECK(refusal_of_process(R"({"argv":["a"],"uid":4294967295})") ==
        R"(process: "uid" must be an integer from 0 to 4294967294, not 4294967295)");
  CHECK(refusal_of_process(R"({"argv":["a"],"gid":18446744073709551615})") ==
        R"(process: "gid" must be an integer from 0 to 4294967294, not 18446744073709551615)");
  CHECK(refusal_of_process(R"({"argv":["a"],"uid":1.5})") ==
        R"(process: "uid" must be an integer from 0 to 4294967294, not 1.5)");
  CHECK(refusal_of_process(R"({"argv":["a"],"pty":1})") == R"(process: "pty" must be true or false, not 1)");
  CHECK(refusal_of_process(R"({"argv":["a"],"cwd":"relative"})") ==
        R"(process: "cwd" must be an absolute path without "..", at most 4095 bytes, not "relative")");
  CHECK(refusal_of_process(R"({"argv":["a"],"env":{"A=B":"c"}})") ==
        R"(process: "env" must be an object of strings whose names hold no '=', not an object)");
  CHECK(refusal_of_process(R"({"argv":["a"],"env":["A=B"]})") ==
        R"(process: "env" must be an object of strings whose names hold no '=', not an array)");
}

TEST_CASE("a wrong setup is refused with the field and its rule and what came") {
  CHECK(refusal_of_setup(R"({"hostname":"a b"})") ==
        R"(setup: "hostname" must be letters, digits, '-' and '.', at most 64, not "a b")");
  CHECK(refusal_of_setup(R"({"machine_id":"ABC"})") ==
        R"(setup: "machine_id" must be 32 lower-case hexadecimal digits, not "ABC")");
  CHECK(refusal_of_setup(R"({"mounts":[{"tag":"usr","path":"/usr"},{"path":"/x"}]})") ==
        R"(setup, mount 2: "tag" must be 1 to 36 bytes, and is missing)");
  CHECK(refusal_of_setup(R"({"mounts":[{"tag":"usr","path":"/usr/../etc"}]})") ==
        R"(setup, mount 1: "path" must be an absolute path without "..", at most 4095 bytes, not "/usr/../etc")");
  CHECK(refusal_of_setup(R"({"mounts":{}})") == R"(setup: "mounts" must be an array of mounts, not an object)");
  CHECK(refusal_of_setup(R"({"files":[{"path":"/a","content":"%"}]})") ==
        R"(setup, file 1: "content" must be base64, not "%")");
  CHECK(refusal_of_setup(R"({"files":[{"path":"/a","mode":4096}]})") ==
        R"(setup, file 1: "mode" must be an integer from 0 to 4095, not 4096)");
  CHECK(refusal_of_setup(R"({"files":[{"path":"/a","directory":true,"target":"b"}]})") ==
        R"(setup, file 1: "target" must be left out for a directory, not "b")");
  CHECK(refusal_of_setup(R"({"model_port":65536})") ==
        R"(setup: "model_port" must be an integer from 0 to 65535, not 65536)");
  CHECK(refusal_of_setup(R"({"network":{"mac":"eth0"}})") ==
        R"(setup, network: "mac" must be a MAC address, not "eth0")");
  CHECK(refusal_of_setup(R"({"network":{"mac":"02:00:00:00:00:01"}})") ==
        R"(setup, network: "address" must be an IPv4 address, and is missing)");
  CHECK(refusal_of_setup(R"({"entropy":"?"})") == R"(setup: "entropy" must be base64 of at most 64 bytes, not "?")");
  CHECK(refusal_of_setup(R"({"clock_unix_ms":-1})") ==
        R"(setup: "clock_unix_ms" must be an integer from 0 to 9223372036854775807, not -1)");
}

TEST_CASE("a complaint about a long value stays short") {
  const std::string sentence = refusal_of_process(R"({"argv":["a"],"cwd":")" + std::string(100'000, 'x') + "\"}");
  CHECK(sentence.size() < 200);
}

}  // namespace agentvm::guest
