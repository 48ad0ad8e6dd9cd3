// mcp_install_test.cpp - which directories a server's program drags in, in a made-up home.
#include "launcher/sandbox/mcp_install.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

using namespace agentvm;
using gateway::inspect_mcp_install;
using gateway::McpInstall;
using sandbox::GuestPlaces;
using Strings = std::vector<std::string>;

namespace {

/// A folder with a home in it; its path has no link in it.
struct InstalledWorld {
  std::string top, home;
  InstalledWorld() {
    char name[] = "/tmp/agentvm-install-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    top = name;
    home = top + "/home/me";
    make_directories(home);
  }
  ~InstalledWorld() { remove_tree(top); }
  InstalledWorld(const InstalledWorld&) = delete;
  InstalledWorld& operator=(const InstalledWorld&) = delete;

  std::string file(const std::string& path, const std::string& content =
                                                "\x7f"
                                                "ELF") const {
    const std::string whole = top + "/" + path;
    make_directories(whole.substr(0, whole.rfind('/')));
    write_file_atomic(whole, content, 0755);
    return whole;
  }
  std::string link(const std::string& path, const std::string& target) const {
    const std::string whole = top + "/" + path;
    make_directories(whole.substr(0, whole.rfind('/')));
    REQUIRE(symlink(target.c_str(), whole.c_str()) == 0);
    return whole;
  }
  McpInstall inspect(const std::string& program, const std::string& workspace = {}) const {
    return inspect({program}, Strings{workspace});
  }
  McpInstall inspect(const Strings& command, const Strings& places) const {
    return inspect_mcp_install(command, home, GuestPlaces(places));
  }
};

bool has_link(const McpInstall& install, const std::string& path, const std::string& target) {
  return std::find(install.links.begin(), install.links.end(), std::pair(path, target)) != install.links.end();
}

}  // namespace

TEST_SUITE("gateway/mcp_install") {
  TEST_CASE("a program of /usr needs nothing") {
    const McpInstall install = inspect_mcp_install({"/usr/bin/env", "x"}, "/root", GuestPlaces({}));
    CHECK(install.directories.empty());
    CHECK(install.files.empty());
    CHECK_FALSE(install.nix_store);
    CHECK(install.command == Strings{"/usr/bin/env", "x"});
  }

  TEST_CASE("a virtual environment and the Python it was made from") {
    const InstalledWorld world;
    const std::string python = world.home + "/.pyenv/versions/3.11";
    world.file("home/me/.pyenv/versions/3.11.7/lib/python3.11/os.py", "");
    world.file("home/me/.pyenv/versions/3.11.7/bin/python3.11");
    world.link("home/me/.pyenv/versions/3.11.7/bin/python3", "python3.11");
    world.link("home/me/.pyenv/versions/3.11", "3.11.7");
    world.file("home/me/venv/pyvenv.cfg", "home = " + python + "/bin\nversion = 3.11.7\n");
    world.link("home/me/venv/bin/python3", python + "/bin/python3");
    world.link("home/me/venv/bin/python", "python3");
    const std::string server =
        world.file("home/me/venv/bin/server", "#!" + world.home + "/venv/bin/python3\nimport server\n");
    const std::string command = world.link("home/me/.local/bin/server", "../../venv/bin/server");
    const McpInstall install = world.inspect(command);
    CHECK(install.directories == Strings{world.home + "/venv", world.home + "/.pyenv/versions/3.11.7"});
    CHECK(install.files.empty());
    CHECK(install.command == Strings{command});
    CHECK(has_link(install, command, "../../venv/bin/server"));
    CHECK(has_link(install, python, "3.11.7"));
  }

  TEST_CASE("pip's way round a long interpreter path") {
    const InstalledWorld world;
    world.file("opt/py/lib/python3.12/os.py", "");
    world.file("opt/py/bin/python3");
    const std::string server = world.file(
        "home/me/bin/server", "#!/bin/sh\n'''exec' \"" + world.top + "/opt/py/bin/python3\" \"$0\" \"$@\"\n' '''\n");
    const McpInstall install = world.inspect(server);
    CHECK(install.directories == Strings{world.top + "/opt/py"});
    CHECK(install.files == Strings{server});
  }

  TEST_CASE("a program in a home comes alone: ~/.local and ~/.cargo and ~ itself stay outside") {
    const InstalledWorld world;
    world.file("home/me/.local/lib/python3.11/site-packages/x.py", "");
    for (const char* name :
         {"home/me/.local/bin/server", "home/me/.cargo/bin/server", "home/me/bin/server", "home/me/server"}) {
      const std::string server = world.file(name);
      const McpInstall install = world.inspect(server);
      CHECK(install.directories.empty());
      CHECK(install.files == Strings{server});
    }
    world.file("home/me/pyvenv.cfg", "home = /usr/bin\n");
    CHECK(world.inspect(world.top + "/home/me/bin/server").directories.empty());
    world.file("home/pyvenv.cfg", "home = /usr/bin\n");
    CHECK(world.inspect(world.file("home/bin/server")).directories.empty());
  }

  TEST_CASE("npm's node_modules with the interpreter found by env") {
    const InstalledWorld world;
    world.file("home/me/.npm/lib/node_modules/server/dist/index.js", "#!/usr/bin/env agentvm-test-node\n");
    const std::string command = world.link("home/me/.npm/bin/server", "../lib/node_modules/server/dist/index.js");
    const std::string node = world.file("home/me/.nvm/v20/bin/agentvm-test-node");
    const std::string before = getenv("PATH");
    setenv("PATH", (world.home + "/.nvm/v20/bin:" + before).c_str(), 1);
    const McpInstall install = world.inspect(command);
    setenv("PATH", before.c_str(), 1);
    CHECK(install.directories == Strings{world.home + "/.npm/lib/node_modules"});
    CHECK(install.files == Strings{node});
    CHECK(install.path == Strings{world.home + "/.nvm/v20/bin"});
    CHECK_THROWS_WITH_AS(world.inspect(command), doctest::Contains("agentvm-test-node"), Error);
  }

  TEST_CASE("outside every home a prefix is one installation") {
    const InstalledWorld world;
    const std::string server = world.file("opt/tool/bin/server");
    CHECK(world.inspect(server).directories == Strings{world.top + "/opt/tool"});
  }

  TEST_CASE("nothing runs here that the guest can write") {
    const InstalledWorld world;
    world.file("home/me/project/.venv/pyvenv.cfg", "home = /usr/bin\n");
    const std::string server = world.file("home/me/project/.venv/bin/server");
    CHECK_THROWS_WITH_AS(world.inspect(server, world.home + "/project"), doctest::Contains("a guest may write"), Error);
    const std::string alone = world.file("home/me/project/server");
    CHECK_THROWS_WITH_AS(world.inspect(alone, world.home + "/project"), doctest::Contains("a guest may write"), Error);
    const std::string above = world.file("opt/tool/bin/server");
    CHECK_THROWS_WITH_AS(world.inspect(above, world.top + "/opt/tool/share"), doctest::Contains("a guest may write"),
                         Error);
    CHECK(world.inspect(above, world.home + "/project").directories.size() == 1);
  }

  TEST_CASE("nor by way of a link - an interpreter or an environment in such a place") {
    const InstalledWorld world;
    const Strings places = {world.home + "/project", world.top + "/srv/cache"};
    const auto refused = [&](const Strings& command) {
      CAPTURE(command.front());
      CHECK_THROWS_WITH_AS(world.inspect(command, places), doctest::Contains("a guest may write"), Error);
    };
    const std::string outside = world.file("home/me/bin/server");
    refused({world.link("home/me/project/server", outside)});
    refused({world.link("home/me/bin/linked", world.file("srv/cache/server"))});
    world.link("home/me/tools", world.home + "/project");
    world.file("home/me/project/tool");
    refused({world.home + "/tools/tool"});
    refused({world.file("home/me/bin/script", "#!" + world.home + "/project/tool\n")});
    world.file("home/me/venv/pyvenv.cfg", "home = " + world.home + "/project/py/bin\n");
    world.file("home/me/project/py/bin/python3");
    refused({world.file("home/me/venv/bin/server")});
    CHECK(world.inspect({outside}, places).files == Strings{outside});
  }

  TEST_CASE("arguments that are paths are shown and refused where a guest may write") {
    const InstalledWorld world;
    const Strings places = {world.home + "/project"};
    const std::string script = world.file("home/me/mcp/srv.py", "print()");
    const std::string config = world.file("opt/server/config.toml", "");
    world.file("opt/tool/srv.js", "");
    McpInstall install = world.inspect({"/usr/bin/python3", script, "--config=" + config, "-v", "name"}, places);
    CHECK(install.files == Strings{script, config});
    CHECK(install.directories.empty());
    install = world.inspect({"/usr/bin/node", world.top + "/opt/tool/srv.js"}, places);
    CHECK(install.directories == Strings{world.top + "/opt/tool"});
    install = world.inspect({"/usr/bin/env", world.top + "/opt/tool", "/dev/stdin", "/usr/share", "/none"}, places);
    CHECK(install.directories == Strings{world.top + "/opt/tool"});
    CHECK(install.files.empty());

    const std::string inside = world.file("home/me/project/srv.py", "");
    const std::string link = world.link("home/me/mcp/link.py", inside);
    for (const std::string& argument : {inside, "--script=" + inside, link, world.home + "/project",
                                        world.home + "/project/not-yet.py", world.home + "/mcp/../project/x"}) {
      CAPTURE(argument);
      CHECK_THROWS_WITH_AS(world.inspect({"/usr/bin/python3", argument}, places),
                           doctest::Contains("a guest may write"), Error);
    }
    CHECK_THROWS_WITH_AS(world.inspect({"/usr/bin/env", world.file("home/me/.ssh/id", "")}, places),
                         doctest::Contains("secrets"), Error);
    CHECK_THROWS_AS(world.inspect({"/usr/bin/env", world.home}, places), Error);
  }

  TEST_CASE("what cannot be followed") {
    const InstalledWorld world;
    CHECK_THROWS_WITH_AS(world.inspect(world.home + "/none"), doctest::Contains("no such program"), Error);
    CHECK_THROWS_AS(world.inspect("server"), Error);
    CHECK_THROWS_AS(inspect_mcp_install({}, world.home, GuestPlaces({})), Error);
    const std::string loop = world.link("home/me/loop", "loop");
    CHECK_THROWS_AS(world.inspect(loop), Error);
    const std::string itself = world.home + "/self";
    world.file("home/me/self", "#!" + itself + "\n");
    CHECK(world.inspect(itself).files == Strings{itself});
  }
}
