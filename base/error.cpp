// error.cpp - words errno values.
#include "base/error.hpp"

#include <system_error>

namespace agentvm {

Error system_error(int error_number, std::string_view what_failed, std::string hint) {
  return Error(std::string(what_failed) + ": " + std::generic_category().message(error_number), std::move(hint));
}

}  // namespace agentvm
