// trust.hpp - what a file that a guest can write may say: a property of every key, judged layer by layer.
//
// A workspace's agentvm.toml, and any other profile that lies in the workspace, may be the last agent's wish. Without
// --trust-workspace such a file can only narrow: each key that it changes is compared with what the layers below it
// say. The comparison is of values before and after the layer, so no way of writing a key gets around it, and it is
// made before flags are applied, so no flag covers up what the file said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// A key's value, to be shown or compared: of a profile and, for keys of [mcp.NAME], of one server of it.
struct KeySubject {
  const Profile& profile;
  const McpServer* server = nullptr;
};

/// What an untrusted file may do to one key. There is no default: every key says which it is.
class Trust {
 public:
  /// Whether `value` gives a guest nothing that `below` does not. Both are of the same key; they differ.
  using Narrows = bool (*)(const KeySubject& below, const KeySubject& value);

  /// Anything: its effect stays inside the VM, or it is a wish that the guest could fulfil by itself.
  static constexpr Trust any() { return {Kind::any, "", nullptr}; }
  /// Only what `narrows` says yes to. `rule` completes "may only ...".
  static constexpr Trust narrow_only(std::string_view rule, Narrows narrows) { return {Kind::narrow, rule, narrows}; }
  /// Nothing.
  static constexpr Trust trusted_only() { return {Kind::trusted, "", nullptr}; }

  bool allows(const KeySubject& below, const KeySubject& value) const {
    return kind_ == Kind::any || (kind_ == Kind::narrow && narrows_(below, value));
  }
  /// "may only lower it", "may not set it"; "" for any().
  std::string rule() const;

 private:
  enum class Kind { any, narrow, trusted };
  constexpr Trust(Kind kind, std::string_view rule, Narrows narrows) : kind_(kind), rule_(rule), narrows_(narrows) {}

  Kind kind_;
  std::string_view rule_;
  Narrows narrows_;
};

/// Adds a problem for each key whose value an untrusted layer changed in a way that its rule does not allow. `below` is
/// the profile before that layer, `value` after it.
void judge_untrusted_layer(const Profile& below, const Profile& value, std::vector<Problem>& problems);

/// Comparisons for Trust::narrow_only.
namespace narrowing {

using Strings = std::vector<std::string>;
using Refusals = std::map<std::string, std::map<std::string, Strings>>;

/// Every item of `part` is in `whole`.
bool is_subset(const Strings& part, const Strings& whole);
/// A list of what is allowed, where an empty one allows everything.
bool allows_less(const Strings& below, const Strings& value);
/// A time limit, where 0 is none.
bool is_shorter(std::int64_t below_ms, std::int64_t value_ms);
/// nat, auto (nat where it is set up), proxy, none. What auto comes to is the host's affair, so nothing but none is
/// narrower than it.
bool reaches_less(EgressChoice below, EgressChoice value);
/// shared, review, read-only.
bool writes_less(WorkspaceMode below, WorkspaceMode value);
/// Every refused value stays refused.
bool refuses_more(const Refusals& below, const Refusals& value);

}  // namespace narrowing

}  // namespace agentvm::vmspec
