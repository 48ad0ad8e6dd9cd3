// boot_test.cpp - the kernel command line and the module list.
#include "guest/boot.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/modules.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

TEST_CASE("our keys are found among the kernel's") {
  const BootOptions options =
      parse_boot_options("quiet console=ttyS0 agentvm.disk=8589934592 panic=-1 agentvm.transport=vsock\n");
  CHECK(options.disk_bytes == 8589934592);
  CHECK(options.transport == Transport::vsock);
  const BootOptions none = parse_boot_options("quiet agentvm.unknown=1 xagentvm.disk=3");
  CHECK(none.disk_bytes == 0);
  CHECK(none.transport == Transport::virtio_serial);
}

TEST_CASE("a wrong value on the command line is named") {
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_boot_options("agentvm.disk=8GiB")),
                       "agentvm.disk on the kernel command line must be a number of bytes, not 8GiB", Error);
  CHECK_THROWS_AS(static_cast<void>(parse_boot_options("agentvm.disk=")), Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_boot_options("agentvm.transport=pigeon")),
                       "agentvm.transport on the kernel command line must be virtio-serial or vsock, not pigeon",
                       Error);
}

TEST_CASE("a module list is one path a line below the root") {
  const auto paths = parse_module_list("lib/modules/6.1/a.ko\n\n/lib/modules/6.1/b.ko.xz\nlast.ko");
  REQUIRE(paths.size() == 3);
  CHECK(paths[0] == "/lib/modules/6.1/a.ko");
  CHECK(paths[1] == "/lib/modules/6.1/b.ko.xz");
  CHECK(paths[2] == "/last.ko");
  CHECK(parse_module_list("").empty());
}

TEST_CASE("no module list is an empty one") {
  CHECK(open_modules("/nonexistent/modules.list").empty());
}

TEST_CASE("a module that is not there or is none is a sentence and no more") {
  const TemporaryDirectory directory;
  const std::string list = directory.path() + "/modules.list";
  write_file_atomic(list, "/nonexistent/a.ko\n" + list + "\n");
  const auto failures = load_modules(open_modules(list));
  REQUIRE(failures.size() == 2);
  CHECK(failures[0] == "loading the module /nonexistent/a.ko: No such file or directory");
  CHECK(failures[1].starts_with("loading the module " + list + ": "));
}

}  // namespace agentvm::guest
