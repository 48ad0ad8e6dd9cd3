// task.hpp - one task of `agentvm map`: one line of the tasks file, one VM.
#pragma once

#include <string>
#include <vector>

namespace agentvm::batch {

struct Task {
  std::string id;                    ///< [A-Za-z0-9][A-Za-z0-9._-]{0,63}: a file can be called so
  std::string workspace;             ///< as written; relative to the directory of the tasks file
  std::string prompt;                ///< "": there is a command
  std::vector<std::string> command;  ///< empty: there is a prompt
  std::string profile;               ///< "": the command line's
  std::vector<std::string> options;  ///< words of `agentvm run`
  unsigned line = 0;                 ///< in the tasks file, from 1
  /// What the line says apart from its id, as 16 hexadecimal digits: a result is known to be this task's and not that
  /// of another line which once had its number.
  std::string digest;
  bool operator==(const Task&) const = default;
};

}  // namespace agentvm::batch
