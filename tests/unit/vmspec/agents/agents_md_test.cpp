// agents_md_test.cpp - the guidance says what is true of the machine it is in.
#include "vmspec/agents/agents_md.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

namespace agentvm::vmspec {

using test::has;

TEST_CASE("the guidance names the workspace and the user and the servers") {
  const std::string text =
      render_agents_md({.user = "dev", .mount = "/code", .read_only = true, .mcp_servers = {"nixos", "other"}});
  for (const char* const part :
       {"`/code`", "`dev`", "read-only)", "`nixos`", "`other`", "there is none", "file locks do not reach across"}) {
    CAPTURE(part);
    CHECK(has(text, part));
  }
  CHECK_FALSE(has(text, "@"));
  CHECK(has(render_agents_md({.user = "dev", .mount = "/code", .kernel_modules = false}), "no modules"));
  const std::string online = render_agents_md({.user = "dev", .mount = "/code", .internet = true});
  CHECK(has(online, "public addresses"));
  CHECK_FALSE(has(online, "there is none"));
}

TEST_CASE("what the guidance says of nix is what nix does in that guest") {
  AgentsMdInput input{.user = "dev", .mount = "/code"};
  CHECK(has(render_agents_md(input), "If `nix` is not there"));
  input.kind = GuestKind::nix;
  std::string text = render_agents_md(input);
  CHECK_FALSE(has(text, "If `nix` is not there"));
  CHECK_FALSE(has(text, "neither build"));
  CHECK(has(text, "fetching does not"));
  input.internet = true;
  CHECK(has(render_agents_md(input), "fetch what is missing"));
  input.store_writable = false;
  text = render_agents_md(input);
  CHECK(has(text, "can neither build nor install"));
  CHECK(has(text, "so building does not"));
  CHECK_FALSE(has(text, "fetch what is missing"));
}

}  // namespace agentvm::vmspec
