// tool_caches.cpp - decides whether the machine's cache can be used.
#include "launcher/host/tool_caches.hpp"

#include <sys/stat.h>

#include <cstdlib>

namespace agentvm::host {

namespace {

bool only_roots(const std::string& directory) {
  struct stat info {};
  return lstat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == 0 &&
         (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

std::vector<std::string> tool_caches(const std::string& cache_dir) {
  const char* given = std::getenv("AGENTVM_MACHINE_CACHE");
  const std::string machine = given != nullptr && given[0] != '\0' ? given : "/var/cache/agentvm";
  if (machine == cache_dir || machine.front() != '/' || !only_roots(machine)) return {cache_dir};
  return {cache_dir, machine};
}

}  // namespace agentvm::host
