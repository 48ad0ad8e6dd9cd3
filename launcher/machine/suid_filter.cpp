// suid_filter.cpp - builds the filter with libseccomp.
#include "launcher/machine/suid_filter.hpp"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::workspace {

namespace {

/// fchmodat2(2), Linux 6.6; the same number on every architecture, and not yet in older headers.
constexpr int fchmodat2_number = 452;

struct Release {
  void operator()(void* context) const noexcept { seccomp_release(context); }
};

/// `action` for `call` when bits of `mask` in argument `argument` equal `value`.
void add_rule(scmp_filter_ctx context, std::uint32_t action, int call, unsigned argument, scmp_datum_t mask,
              scmp_datum_t value) {
  const scmp_arg_cmp condition = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);
  const int result = seccomp_rule_add_array(context, action, call, 1, &condition);
  // A call this architecture does not have cannot be made either.
  if (result < 0 && result != -EDOM) throw system_error(-result, "building a seccomp filter");
}

void refuse(scmp_filter_ctx context, int call, unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  add_rule(context, SCMP_ACT_ERRNO(EPERM), call, argument, mask, value);
}

}  // namespace

std::string suid_filter() {
  const std::unique_ptr<void, Release> context(seccomp_init(SCMP_ACT_ALLOW));
  if (!context) throw Error("building a seccomp filter: out of memory");
  for (const scmp_datum_t bit : {scmp_datum_t{S_ISUID}, scmp_datum_t{S_ISGID}}) {
    refuse(context.get(), SCMP_SYS(chmod), 1, bit, bit);
    refuse(context.get(), SCMP_SYS(fchmod), 1, bit, bit);
    refuse(context.get(), fchmodat2_number, 2, bit, bit);
    refuse(context.get(), SCMP_SYS(creat), 1, bit, bit);
    refuse(context.get(), SCMP_SYS(open), 2, bit, bit);
    refuse(context.get(), SCMP_SYS(openat), 3, bit, bit);
    refuse(context.get(), SCMP_SYS(mknod), 1, bit, bit);
    refuse(context.get(), SCMP_SYS(mknodat), 2, bit, bit);
  }
  // The call by which virtiofsd sets the mode of a directory. Two rules that exclude each other.
  refuse(context.get(), SCMP_SYS(fchmodat), 2, S_ISUID, S_ISUID);
  add_rule(context.get(), SCMP_ACT_NOTIFY, SCMP_SYS(fchmodat), 2, S_ISUID | S_ISGID, S_ISGID);
  for (const scmp_datum_t type : {scmp_datum_t{S_IFCHR}, scmp_datum_t{S_IFBLK}}) {
    refuse(context.get(), SCMP_SYS(mknod), 1, S_IFMT, type);
    refuse(context.get(), SCMP_SYS(mknodat), 2, S_IFMT, type);
  }
  const UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) throw system_error(errno, "building a seccomp filter");
  const int result = seccomp_export_bpf(context.get(), file.get());
  if (result < 0) throw system_error(-result, "building a seccomp filter");
  std::string program(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  if (pread(file.get(), program.data(), program.size(), 0) != static_cast<ssize_t>(program.size())) {
    throw system_error(errno, "reading the seccomp filter");
  }
  return program;
}

}  // namespace agentvm::workspace
