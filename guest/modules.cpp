// modules.cpp - finit_module(2) for each line of a list.
#include "guest/modules.hpp"

#include <fcntl.h>
#include <linux/module.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::guest {

namespace {

bool is_compressed(std::string_view path) {
  return path.ends_with(".xz") || path.ends_with(".zst") || path.ends_with(".gz");
}

/// 0, or the errno.
int load_module(const ModuleFile& module) noexcept {
  if (!module.fd) return module.error;
  const int flags = is_compressed(module.path) ? MODULE_INIT_COMPRESSED_FILE : 0;
  if (syscall(SYS_finit_module, module.fd.get(), "", flags) == 0) return 0;
  return errno == EEXIST || errno == ENODEV ? 0 : errno;
}

}  // namespace

std::vector<std::string> parse_module_list(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (!line.empty()) paths.push_back(line.front() == '/' ? std::string(line) : "/" + std::string(line));
  }
  return paths;
}

std::vector<ModuleFile> open_modules(const std::string& list_path) {
  std::vector<ModuleFile> modules;
  const auto list = read_file_if_exists(list_path);
  if (!list) return modules;
  for (std::string& path : parse_module_list(*list)) {
    ModuleFile module;
    module.fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!module.fd) module.error = errno;
    module.path = std::move(path);
    modules.push_back(std::move(module));
  }
  return modules;
}

std::vector<std::string> load_modules(std::vector<ModuleFile> modules) {
  std::vector<std::string> failures;
  for (ModuleFile& module : modules) {
    const int error = load_module(module);
    if (error != 0) failures.emplace_back(system_error(error, "loading the module " + module.path).what());
    module.fd.reset();
  }
  return failures;
}

}  // namespace agentvm::guest
