// main.cpp - agentvm: the command line is parsed, done, and every failure is worded here and nowhere else.
#include <signal.h>
#include <unistd.h>

#include <exception>

#include "base/error.hpp"
#include "launcher/cli/parse.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/verbs/execute.hpp"

int main(int argc, char** argv) {
  using namespace agentvm;
  // A reader that went away is an error of write(2), not the end of a program that holds a VM.
  signal(SIGPIPE, SIG_IGN);
  commands::set_up_log(0, commands::color_allowed(false, STDERR_FILENO));
  try {
    return commands::execute(cli::parse({argv + 1, argv + argc}));
  } catch (const Error& error) {
    commands::log_error(error.what(), error.hint());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    commands::log_error(error.what(),
                        "This should not have happened; please report it with the output of agentvm -vv.");
    return static_cast<int>(ExitCode::agentvm_failed);
  }
}
