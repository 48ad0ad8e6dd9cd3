// resolve.cpp - follows a profile to what it extends and lays the layers over one another.
#include <fmt/format.h>

#include <algorithm>

#include "vmspec/profile/keys.hpp"
#include "vmspec/profile/layer_reader.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/setting.hpp"
#include "vmspec/profile/trust.hpp"

namespace agentvm::vmspec {

namespace {

/// A profile's text, taken apart, and what it stands on.
struct Layer {
  SourceText source;
  std::string name;  ///< as it was looked up; "" for a workspace's file
  std::optional<Setting> root;
  bool trusted = false;
};

constexpr std::string_view default_profile = "default";

bool is_builtin(const SourceText& source) {
  const auto& all = builtin_profiles();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& one) { return one.second.file == source.file && one.second.text == source.text; });
}

bool is_trusted(const SourceText& source, const ProfileSources& sources) {
  return is_builtin(source) || (sources.is_trusted && sources.is_trusted(source));
}

/// The file that a workspace has, whether it was found there or named.
bool is_workspace_file(const Layer& layer) {
  return layer.name.empty() || layer.name.ends_with("/agentvm.toml");
}

/// A name in a layer and where it is written.
struct BaseName {
  std::string key;
  std::string name;
  Position at;
};

std::optional<BaseName> named_by(const Setting& root, std::string_view key) {
  const Setting::Entry* entry = root.find(key);
  if (entry == nullptr) return std::nullopt;
  const Setting* value = &entry->value;
  std::string path(key);
  if (value->kind == Setting::Kind::table && key == "profile") {
    const Setting::Entry* name = value->find("name");
    if (name == nullptr) return std::nullopt;
    value = &name->value;
    path += ".name";
  }
  if (value->kind != Setting::Kind::string || !rules::profile_name(value->text).empty()) return std::nullopt;
  return BaseName{path, value->text, value->at};
}

/// What a layer stands on, by either key.
std::optional<BaseName> base_name(const Layer& layer) {
  if (!layer.root) return std::nullopt;
  std::optional<BaseName> name;
  if (is_workspace_file(layer)) name = named_by(*layer.root, "profile");
  return name ? name : named_by(*layer.root, "extends");
}

std::string chain_of(const std::vector<Layer>& layers, const std::string& last) {
  std::string out;
  for (const Layer& layer : layers) {
    if (!layer.name.empty()) out += layer.name + " -> ";
  }
  return out + last;
}

/// A profile may extend the built-in one it hides: ~/.config/agentvm/profiles/default.toml with extends = "default".
std::optional<SourceText> hidden_builtin(const std::vector<Layer>& layers, const std::string& name) {
  const auto& all = builtin_profiles();
  const auto found = all.find(name);
  if (found == all.end()) return std::nullopt;
  const bool used = std::any_of(layers.begin(), layers.end(),
                                [&](const Layer& layer) { return layer.source.file == found->second.file; });
  return used ? std::nullopt : std::optional(found->second);
}

/// A file that a guest can write must not choose among the caller's own profiles.
bool may_stand_on(const SourceText& source, std::string_view name, const ProfileSources& sources) {
  return name == default_profile || is_builtin(source) || !is_trusted(source, sources);
}

/// The layers from `name` down, followed through `extends`. `from` and `key` say where the name is written, when it is
/// in a file. False: they are not all there, and `problems` says why.
bool follow(std::vector<Layer>& layers, std::string name, Origin from, std::string key, const ProfileSources& sources,
            std::vector<Problem>& problems) {
  bool named_by_trusted = key.empty() || layers.back().trusted;
  while (true) {
    const bool again =
        std::any_of(layers.begin(), layers.end(), [&](const Layer& layer) { return layer.name == name; });
    std::optional<SourceText> source = again ? hidden_builtin(layers, name) : sources.lookup(name);
    if (again && !source) {
      problems.push_back(problem_at(from, key, "profiles extend each other in a circle: " + chain_of(layers, name)));
      return false;
    }
    if (!source) {
      const std::vector<std::string_view> known(sources.known.begin(), sources.known.end());
      const auto near = nearest(name, known);
      problems.push_back(
          problem_at(from, key, "there is no profile " + quote_value(name),
                     near ? "did you mean '" + *near + "'?" : "`agentvm profile list` shows the ones there are"));
      return false;
    }
    if (!named_by_trusted && !may_stand_on(*source, name, sources)) {
      problems.push_back(problem_at(
          from, key,
          fmt::format("a file in the workspace may only name a built-in profile ({} is your own {})", quote_value(name),
                      source->file),
          fmt::format("choose it with --profile {}, or read the file and run again with --trust-workspace", name)));
      return false;
    }
    layers.push_back({*source, name, parse_toml(source->text, source->file, problems), is_trusted(*source, sources)});
    const Layer& layer = layers.back();
    const std::optional<BaseName> next = base_name(layer);
    if (!next) return true;
    named_by_trusted = layer.trusted;
    from = {layer.source.file, next->at.line, next->at.column};
    key = next->key;
    name = next->name;
    if (layers.size() >= max_extends) {
      problems.push_back(
          problem_at(from, key, fmt::format("a chain of extends may have at most {} profiles", max_extends)));
      return false;
    }
  }
}

void check_base_keys(const Layer& layer, std::vector<Problem>& problems) {
  const Setting::Entry* extends = layer.root->find("extends");
  const Setting::Entry* profile = layer.root->find("profile");
  if (profile != nullptr && !is_workspace_file(layer)) {
    problems.push_back(problem_at({layer.source.file, profile->at.line, profile->at.column}, "profile",
                                  "only a workspace's agentvm.toml names a profile", "use extends = \"NAME\" here"));
  } else if (profile != nullptr && extends != nullptr) {
    problems.push_back(problem_at({layer.source.file, extends->at.line, extends->at.column}, "extends",
                                  "says the same as profile, which is given too", "keep one of the two"));
  }
}

}  // namespace

Origin Profile::origin(std::string_view key) const {
  const auto found = origins.find(std::string(key));
  return found == origins.end() ? Origin{} : found->second;
}

bool Profile::operator==(const Profile& other) const {
  return description == other.description && pool == other.pool && machine == other.machine && guest == other.guest &&
         store == other.store && workspace == other.workspace && network == other.network && agent == other.agent &&
         model == other.model && mcp == other.mcp && agents_md == other.agents_md;
}

void apply_profile(Profile& profile, const SourceText& source, std::vector<Problem>& problems) {
  const auto root = parse_toml(source.text, source.file, problems);
  if (!root) return;
  LayerReader reader(source.file, problems);
  apply_settings(profile, *root, reader);
}

Profile resolve_profile(std::string_view name, const std::optional<SourceText>& workspace_file,
                        const ProfileSources& sources, std::vector<Problem>& problems) {
  std::vector<Layer> layers;
  std::string base(name);
  Origin from;
  std::string key;
  if (workspace_file) {
    layers.push_back({*workspace_file, "", parse_toml(workspace_file->text, workspace_file->file, problems),
                      is_trusted(*workspace_file, sources)});
    if (const auto named = base_name(layers.back())) {
      const Origin at{workspace_file->file, named->at.line, named->at.column};
      if (named->name.find('/') != std::string::npos) {
        problems.push_back(problem_at(
            at, named->key,
            "must be a profile's name, not a path, in a workspace's file (got " + quote_value(named->name) + ")",
            "name the file with --profile"));
      } else if (base.empty()) {
        base = named->name;
        key = named->key;
        from = at;
      }
    }
  }
  if (base.empty()) base = default_profile;
  bool whole = follow(layers, base, from, key, sources, problems);

  Profile profile;
  profile.name = base;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (!layer->root) {
      whole = false;
      continue;
    }
    check_base_keys(*layer, problems);
    const Profile below = profile;
    LayerReader reader(layer->source.file, problems);
    apply_settings(profile, *layer->root, reader);
    if (whole && !layer->trusted) judge_untrusted_layer(below, profile, problems);
  }
  // Half a profile would only add mistakes that are none.
  if (whole) check_profile(profile, problems);
  return profile;
}

}  // namespace agentvm::vmspec
