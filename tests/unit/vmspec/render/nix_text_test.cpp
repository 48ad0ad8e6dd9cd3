// nix_text_test.cpp - tests of vmspec/render/nix_text.hpp: strings, names, lists and comments of Nix.
#include "vmspec/render/nix_text.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace agentvm::vmspec {

TEST_CASE("what has a meaning in a Nix string is escaped") {
  CHECK(nix_string("") == R"("")");
  CHECK(nix_string("plain /path with spaces") == R"("plain /path with spaces")");
  CHECK(nix_string(R"(a "b" \c)") == R"("a \"b\" \\c")");
  CHECK(nix_string("${x} $${y} $") == R"("\${x} \$\${y} \$")");
  CHECK(nix_string("a\nb\r\nc\td") == R"("a\nb\r\nc\td")");
  CHECK(nix_string("größe") == "\"größe\"");
}

TEST_CASE("control characters that Nix cannot spell never reach the text") {
  CHECK(nix_string("\x1b[0m") == R"("${builtins.fromJSON "\"\\u001b\""}[0m")");
  CHECK(nix_string("\x7f") == R"("${builtins.fromJSON "\"\\u007f\""}")");
  for (int byte = 1; byte < 0x20; ++byte) {
    const std::string text = nix_string(std::string(1, static_cast<char>(byte)));
    for (const char c : text) CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
}

TEST_CASE("a NUL byte is refused") {
  CHECK_THROWS_AS(nix_string(std::string("a\0b", 3)), Error);
  CHECK_THROWS_AS(nix_attribute(std::string("\0", 1)), Error);
}

TEST_CASE("names are quoted where Nix needs it") {
  CHECK(nix_attribute("rust-analyzer") == "rust-analyzer");
  CHECK(nix_attribute("_a'") == "_a'");
  for (const char* name : {"", "7zz", "-a", "a.b", "a b", "with", "or", "inherit", "é"}) {
    CHECK(nix_attribute(name) == "\"" + std::string(name) + "\"");
  }
  CHECK(nix_attribute("a\"${b}") == R"("a\"\${b}")");
  CHECK(nix_attribute_path("python3Packages.numpy") == "python3Packages.numpy");
  CHECK(nix_attribute_path("a.7z.in") == R"(a."7z"."in")");
}

TEST_CASE("lists and sets stand one entry a line") {
  CHECK(nix_list({}, 4) == "[ ]");
  CHECK(nix_list({"pkgs.a", "pkgs.b"}, 2) == "[\n    pkgs.a\n    pkgs.b\n  ]");
  CHECK(nix_string_set({}, 4) == "{ }");
  CHECK(nix_string_set({{"A", "x"}, {"if", "$"}}, 0) == "{\n  A = \"x\";\n  \"if\" = \"\\$\";\n}");
}

TEST_CASE("a comment cannot end before its text") {
  CHECK(nix_comment("one\ntwo\rthree\x1b") == "# one two three ");
}

}  // namespace agentvm::vmspec
