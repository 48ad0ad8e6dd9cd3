// output.hpp - text for people and programs on stdout, and the small formats used in it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::commands {

/// Writes to stdout. A reader that went away ends the program's output silently; a full disk is an Error.
void print(std::string_view text);
/// Pretty JSON with a newline; bytes that are no UTF-8 are replaced.
void print_json(const nlohmann::json& document);
/// Writes to stderr; failures are ignored, there is nowhere to report them.
void print_error(std::string_view text) noexcept;

/// Columns of the terminal on a descriptor; 0 when it is none: then lines are as long as they are.
std::size_t columns_of(int fd) noexcept;
/// Lines folded at spaces so that none is longer than `columns`, where that is possible; what follows in a line is
/// indented by `indent`. `columns` 0: as it is.
std::string folded(std::string_view text, std::size_t columns, std::size_t indent);

enum class Color { red, green, yellow, dim };
/// The text in a colour (ECMA-48 SGR) when `on`.
std::string colored(std::string_view text, Color color, bool on);

/// Columns aligned with two spaces between them, colours not counted; the first row is the header.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// "4 GiB", "512 MiB", "17 KiB": the largest unit that leaves no more than one decimal.
std::string human_bytes(std::uint64_t bytes);
/// "0.8 s", "12 s", "3 min 20 s", "2 h 5 min", "3 days".
std::string human_time(std::int64_t milliseconds);
/// Milliseconds since an RFC 3339 time as VmState has it; -1 when it is none.
std::int64_t milliseconds_since(const std::string& rfc3339);

}  // namespace agentvm::commands
