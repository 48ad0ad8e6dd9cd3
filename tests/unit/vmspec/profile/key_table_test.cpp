// key_table_test.cpp - docs/profile.md has the table that the keys make.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/unit/places.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

TEST_CASE("docs/profile.md shows every key as its rule has it") {
  const std::string path = std::string(test::source_directory) + "/docs/profile.md";
  std::ostringstream read;
  read << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string text = read.str();
  const std::size_t begin = text.find("| key |");
  REQUIRE(begin != std::string::npos);
  const std::size_t end = text.find("\n\n", begin) + 1;
  if (std::getenv("AGENTVM_TEST_ACCEPT") != nullptr) {
    std::ofstream(path, std::ios::binary) << text.substr(0, begin) << key_table() << text.substr(end);
    FAIL_CHECK("rewritten, not compared (AGENTVM_TEST_ACCEPT): " << path);
    return;
  }
  CHECK_MESSAGE(text.substr(begin, end - begin) == key_table(),
                "the table differs from vmspec/profile/keys.cpp; AGENTVM_TEST_ACCEPT=1 rewrites it");
}

TEST_CASE("every key is documented on one line") {
  for (const KeyRule& rule : key_rules()) {
    CAPTURE(rule.key);
    CHECK_FALSE(rule.doc.meaning.empty());
    CHECK((rule.doc.meaning + rule.doc.takes).find('\n') == std::string::npos);
  }
}

}  // namespace agentvm::vmspec
