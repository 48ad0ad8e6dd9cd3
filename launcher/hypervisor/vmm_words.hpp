// vmm_words.hpp - a VMM's own words, which a guest that took it over may have chosen: as a document, as one line.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace agentvm::hypervisor {

/// Deepest nesting that is read; an event has two levels, vm.info has six.
inline constexpr std::size_t max_vmm_json_depth = 16;

/// One JSON document. Discarded (is_discarded()) when the text is none, or when it is nested deeper: the library
/// copies, compares and writes documents by recursion.
nlohmann::json parse_vmm_json(std::string_view text);

/// At most `limit` bytes of a text on one line, with nothing in it that drives a terminal (base/text.hpp).
std::string vmm_line(std::string_view text, std::size_t limit);

}  // namespace agentvm::hypervisor
