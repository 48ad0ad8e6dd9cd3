// layer_reader.hpp - takes typed values out of settings and words what is wrong with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vmspec/plan/names.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/setting.hpp"

namespace agentvm::vmspec {

/// Most mistakes shown of one file: a hostile file is not answered with a longer one.
inline constexpr std::size_t max_problems = 100;

/// Reads one layer: keeps the file's name, the key being read, and the mistakes. A value that is wrong leaves what was
/// there before.
class LayerReader {
 public:
  using Rule = std::string (*)(const std::string&);
  /// The next step for a value that its rule refused: "did you mean '...'?", or "".
  using Hint = std::string (*)(const std::string&);

  LayerReader(std::string file, std::vector<Problem>& problems) : file_(std::move(file)), problems_(problems) {}

  void enter(std::string key) { key_ = std::move(key); }
  const std::string& key() const noexcept { return key_; }
  Origin origin(Position at) const { return {file_, at.line, at.column}; }

  void problem(Position at, const std::string& key, std::string message, std::string hint = {});
  /// "RULE (got VALUE)" at the value of the current key.
  void refuse(const Setting& setting, const std::string& rule) { problem(setting.at, key_, rule + got(setting)); }
  /// An unknown key below `prefix`, with the nearest known one.
  void unknown(Position at, const std::string& prefix, const std::string& name,
               const std::vector<std::string>& siblings);

  void text(const Setting& setting, std::string& out, Rule rule);
  void flag(const Setting& setting, bool& out);
  void number(const Setting& setting, unsigned& out, unsigned least, unsigned most);
  void size(const Setting& setting, std::uint64_t& out, std::uint64_t least, std::uint64_t most);
  void duration(const Setting& setting, std::int64_t& out, std::int64_t most);
  /// An array replaces, { add = [...] } appends.
  void list(const Setting& setting, std::vector<std::string>& out, Rule rule, Hint hint = nullptr);
  template <typename E>
  void choice(const Setting& setting, E& out);

 private:
  static std::string got(const Setting& setting) { return " (got " + describe(setting) + ")"; }
  void refuse_choice(const Setting& setting, const std::string& choices, const std::vector<std::string_view>& words);

  std::string file_;
  std::string key_;
  std::vector<Problem>& problems_;
};

template <typename E>
void LayerReader::choice(const Setting& setting, E& out) {
  if (setting.kind == Setting::Kind::string) {
    if (const auto value = value_of<E>(setting.text)) {
      out = *value;
      return;
    }
  }
  std::vector<std::string_view> words;
  for (const auto& [word, value] : Names<E>::all) words.push_back(word);
  refuse_choice(setting, choices_of<E>(), words);
}

}  // namespace agentvm::vmspec
