// claim.cpp - one question to agentvm-poold, and the keeper's answer to it.
#include "launcher/claim/claim.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/clock.hpp"
#include "base/async/main_task.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"
#include "launcher/claim/line_socket.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

namespace {

/// A keeper that does not answer is given up after two seconds, and the next one asked.
constexpr std::chrono::milliseconds claim_limit{10'000};
/// A run does not wait for a pool that says nothing.
constexpr std::chrono::milliseconds profile_limit{1'000};

LineSocket connect(const std::string& socket) {
  try {
    return LineSocket(connect_unix(socket));
  } catch (const Error& error) {
    throw Error(std::string("there is no agentvm-poold here: ") + error.what(),
                "Start one: agentvm pool serve --config FILE (agentvm pool serve --help shows such a file).",
                ExitCode::cannot_start);
  }
}

asio::awaitable<Message> answer_of(LineSocket& socket, std::chrono::milliseconds limit) {
  SteadyClock clock;
  auto reading = socket.read();
  auto in_time = within(clock, limit, "agentvm-poold", std::move(reading));
  std::optional<Message> message = co_await std::move(in_time);
  if (!message) throw Error("agentvm-poold closed the connection");
  co_return std::move(*message);
}

Message ask(LineSocket& socket, const std::string& name, const nlohmann::json& body, std::chrono::milliseconds limit) {
  socket.write(name, body);
  asio::io_context io(1);
  return run_to_end(io, answer_of(socket, limit));
}

}  // namespace

std::string own_socket(const state::Roots& roots) {
  return roots.runtime + "/pool.sock";
}

std::string pool_socket(const state::Roots& roots) {
  if (const char* given = std::getenv("AGENTVM_POOL_SOCKET"); given != nullptr && *given != '\0') return given;
  std::string own = own_socket(roots);
  try {
    // The socket of a poold that was killed stays, and must not hide the system's.
    connect_unix(own);
    return own;
  } catch (const Error&) {
    return system_socket;
  }
}

Claiming claim_vm(const std::string& socket, const Claim& claim) {
  Claiming claiming;
  std::optional<LineSocket> connection;
  std::optional<Message> answer;
  try {
    connection.emplace(connect(socket));
    answer = ask(*connection, "claim", to_json(claim), claim_limit);
  } catch (const Error& error) {
    claiming.refusal = error.what();
    return claiming;
  }
  if (answer->name == "refused") {
    claiming.refusal = refusal_from_json(answer->body).sentence;
    return claiming;
  }
  if (answer->name != "claimed") throw Error("agentvm-poold answered \"" + answer->name + "\" to a claim");
  Claimed claimed = claimed_from_json(answer->body);
  if (answer->fds.size() != 2 + claim.listeners) throw Error("a claimed VM came without its links");
  claiming.spec = std::move(claimed.spec);
  claiming.vm.shared = claimed.shared;
  claiming.vm.connection = connection->release();
  claiming.vm.control = std::move(answer->fds[0]);
  claiming.vm.services = std::move(answer->fds[1]);
  for (std::size_t index = 2; index < answer->fds.size(); ++index)
    claiming.vm.listeners.push_back(std::move(answer->fds[index]));
  return claiming;
}

std::string profile_of_pool(const std::string& socket, const std::string& pool) {
  try {
    const nlohmann::json status = ask_poold(socket, "status", nlohmann::json::object(), profile_limit);
    for (const nlohmann::json& each : status.at("pools")) {
      if (each.at("name") == pool) return each.at("profile").get<std::string>();
    }
  } catch (const std::exception&) {
    // The claim will say what is wrong.
  }
  return {};
}

nlohmann::json ask_poold(const std::string& socket, const std::string& name, const nlohmann::json& body,
                         std::chrono::milliseconds limit) {
  LineSocket connection = connect(socket);
  Message answer = ask(connection, name, body, limit);
  if (answer.name == "refused") throw Error(refusal_from_json(answer.body).sentence);
  return std::move(answer.body);
}

}  // namespace agentvm::pool
