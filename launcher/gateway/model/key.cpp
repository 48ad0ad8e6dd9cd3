// key.cpp - see key.hpp.
#include "launcher/gateway/model/key.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/gateway/http/upstream_url.hpp"

namespace agentvm::gateway {

namespace {

constexpr std::chrono::seconds command_time{10};

/// `origin` names the source in errors: "model.key: the file /home/me/key".
std::string checked(std::string key, const std::string& origin) {
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (key.empty()) throw Error(origin + " gives an empty key");
  if (key.size() > max_key_bytes) throw Error(fmt::format("{} gives more than {} bytes", origin, max_key_bytes));
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    throw Error(origin + " gives a key with blanks, control characters or letters outside ASCII",
                "It must hold the key alone, on one line.");
  }
  return key;
}

std::string from_file(const std::string& path) {
  const std::string origin = "model.key: the file " + path;
  struct stat status {};
  if (stat(path.c_str(), &status) < 0) throw system_error(errno, origin);
  // A pipe would keep us waiting, and a directory has nothing to say.
  if (!S_ISREG(status.st_mode)) throw Error(origin + " is not a plain file");
  if ((status.st_mode & S_IROTH) != 0) {
    throw Error(origin + " can be read by everybody on this machine", "Take that away with: chmod 600 " + path);
  }
  return checked(read_file(path, max_key_bytes + 2), origin);
}

std::string from_command(const std::vector<std::string>& command) {
  if (command.empty()) throw Error("model.key: the command is empty");
  const std::string origin = "model.key: the command " + command.front();
  SpawnOptions options;
  options.program = command.front();
  options.args.assign(command.begin() + 1, command.end());
  const Output output = run_captured(options, command_time, max_key_bytes + 2);
  const std::string hint = "Run it by hand: it must print the key and exit with 0.";
  if (output.timed_out) throw Error(fmt::format("{} took longer than {} s", origin, command_time.count()), hint);
  // What it printed may be the key, so none of it is shown.
  if (output.status.shell_code() != 0) {
    throw Error(fmt::format("{} failed with exit code {}", origin, output.status.shell_code()), hint);
  }
  return checked(output.out, origin);
}

}  // namespace

std::string read_model_key(const vmspec::ModelSpec& model) {
  using Kind = vmspec::KeySource::Kind;
  switch (model.key.kind) {
    case Kind::none:
      return {};
    case Kind::file:
      return from_file(model.key.name);
    case Kind::command:
      return from_command(model.key.command);
    case Kind::env:
      break;
  }
  const char* value = std::getenv(model.key.name.c_str());
  if (value != nullptr && *value != '\0') return checked(value, "model.key: the variable " + model.key.name);
  const UpstreamUrl upstream = parse_upstream(model.upstream);
  if (is_loopback_host(upstream.host)) return {};
  throw Error(fmt::format("model.key: the variable {} is not set, and {} needs a key", model.key.name, model.upstream),
              fmt::format("Set it with: export {}=..., or name a file or command in the profile's [model] key.",
                          model.key.name));
}

}  // namespace agentvm::gateway
