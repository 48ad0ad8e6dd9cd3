// key_test.cpp - keys from variables, files and commands, and those that are refused.
#include "launcher/gateway/model/key.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <string>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

using namespace agentvm;
using Kind = vmspec::KeySource::Kind;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/agentvm-key-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { remove_tree(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& content, unsigned mode = 0600) const {
    const std::string name = path + "/key";
    write_file_atomic(name, content, mode);
    chmod(name.c_str(), mode);
    return name;
  }
};

std::string key_from(vmspec::KeySource source, const std::string& upstream = "https://api.example/v1") {
  boost::asio::io_context io{1};
  std::string key;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, gateway::read_model_key({"m", upstream, std::move(source)}),
                        [&](std::exception_ptr error, std::string read) {
                          failure = std::move(error);
                          key = std::move(read);
                        });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return key;
}

/// The error's text and hint together; "" when there is none.
std::string error_from(vmspec::KeySource source, const std::string& upstream = "https://api.example/v1") {
  try {
    key_from(std::move(source), upstream);
  } catch (const Error& error) {
    return std::string(error.what()) + "\n" + error.hint();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("gateway/key") {
  TEST_CASE("no source is no key") {
    CHECK(key_from({}) == "");
  }

  TEST_CASE("a variable") {
    const char* name = "AGENTVM_TEST_KEY";
    setenv(name, "sk-abc", 1);
    CHECK(key_from({Kind::env, name}) == "sk-abc");
    setenv(name, "sk-abc\n", 1);
    CHECK(key_from({Kind::env, name}) == "sk-abc");
    setenv(name, "sk-secret\r\nX-Evil: 1", 1);
    const std::string error = error_from({Kind::env, name});
    CHECK(contains(error, name));
    CHECK_FALSE(contains(error, "secret"));
    unsetenv(name);
    CHECK(contains(error_from({Kind::env, name}), "AGENTVM_TEST_KEY is not set"));
    CHECK(contains(error_from({Kind::env, name}), "export AGENTVM_TEST_KEY="));
    CHECK(key_from({Kind::env, name}, "http://127.0.0.1:8080/v1") == "");
  }

  TEST_CASE("a file") {
    const Folder folder;
    CHECK(key_from({Kind::file, folder.file("sk-file\n")}) == "sk-file");
    CHECK(key_from({Kind::file, folder.file("sk-file", 0400)}) == "sk-file");
    for (const unsigned mode : {0640U, 0604U, 0644U, 0660U, 0620U}) {
      const std::string error = error_from({Kind::file, folder.file("sk-file\n", mode)});
      CHECK_MESSAGE(contains(error, "chmod 600 " + folder.path + "/key"), mode);
    }
    CHECK(contains(error_from({Kind::file, folder.file("")}), "empty"));
    CHECK(contains(error_from({Kind::file, folder.file("two\n\nlines\n")}), "control characters"));
    CHECK_FALSE(contains(error_from({Kind::file, folder.file("sec ret\n")}), "sec ret"));
    CHECK(error_from({Kind::file, folder.file(std::string(gateway::max_key_bytes + 1, 'k'))}) != "");
    CHECK(error_from({Kind::file, folder.file(std::string(100'000, 'k'))}) != "");
    CHECK(key_from({Kind::file, folder.file(std::string(gateway::max_key_bytes, 'k') + "\n")}).size() ==
          gateway::max_key_bytes);
    CHECK(contains(error_from({Kind::file, folder.path + "/none"}), folder.path + "/none"));
    CHECK(contains(error_from({Kind::file, folder.path}), "not a plain file"));
    REQUIRE(mkfifo((folder.path + "/pipe").c_str(), 0600) == 0);
    CHECK(contains(error_from({Kind::file, folder.path + "/pipe"}), "not a plain file"));
  }

  TEST_CASE("a command") {
    CHECK(key_from({Kind::command, "", {"printf", "sk-command\\n"}}) == "sk-command");
    CHECK(contains(error_from({Kind::command, "", {"false"}}), "exit code 1"));
    CHECK(contains(error_from({Kind::command, "", {"true"}}), "empty"));
    CHECK(contains(error_from({Kind::command, "", {"agentvm-no-such-program"}}), "agentvm-no-such-program"));
    CHECK(error_from({Kind::command, "", {}}) != "");
    CHECK(contains(error_from({Kind::command, "", {"sh", "-c", "kill -9 $$"}}), "exit code 137"));
    CHECK(error_from({Kind::command, "", {"head", "-c", "100000", "/dev/zero"}}) != "");
    // A child of the command that keeps its output open holds nobody up.
    CHECK(key_from({Kind::command, "", {"sh", "-c", "sleep 60 & echo sk-command"}}) == "sk-command");
    CHECK(key_from({Kind::command, "", {"sh", "-c", "echo sk-command; exec >&-; sleep 0.2"}}) == "sk-command");
  }

  TEST_CASE("a command holds nobody up and goes with who asked") {
    const Folder folder;
    const std::string command = "echo $$ > " + folder.path + "/pid; sleep 60; echo sk";
    boost::asio::io_context io{1};
    int ticks = 0;
    const auto asking = [&]() -> boost::asio::awaitable<void> {
      const auto tick = [&]() -> boost::asio::awaitable<void> {
        while (ticks < 10 || !read_file_if_exists(folder.path + "/pid")) {
          ++ticks;
          co_await sleep_for(std::chrono::milliseconds(10));
        }
      };
      const auto read = [&]() -> boost::asio::awaitable<void> {
        auto key = gateway::read_model_key({"m", "https://api.example", {Kind::command, "", {"sh", "-c", command}}});
        co_await std::move(key);
      };
      CHECK(co_await race(tick(), read()) == 0);
    };
    bool done = false;
    boost::asio::co_spawn(io, asking, [&](std::exception_ptr error) { done = !error; });
    const auto start = std::chrono::steady_clock::now();
    io.run();
    CHECK(done);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(9));
    CHECK(ticks >= 10);
    CHECK(kill(std::stoi(*read_file_if_exists(folder.path + "/pid")), 0) < 0);
  }
}
