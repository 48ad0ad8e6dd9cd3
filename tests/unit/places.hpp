// places.hpp - where this checkout and its build lie, for tests that read files or start programs.
#pragma once

namespace agentvm::test {

extern const char source_directory[];   ///< of the checkout
extern const char program_directory[];  ///< where the build has put agentvm's programs
extern const char data_directory[];     ///< tests/unit

}  // namespace agentvm::test
