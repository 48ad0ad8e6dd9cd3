// key_test.cpp - keys from variables, files and commands, and those that are refused.
#include "launcher/gateway/model/key.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

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
  return gateway::read_model_key({"m", upstream, std::move(source)});
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
    CHECK(key_from({Kind::file, folder.file("sk-file", 0640)}) == "sk-file");
    CHECK(contains(error_from({Kind::file, folder.file("sk-file\n", 0644)}), "chmod 600"));
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
  }
}
