// mcp_install.cpp - see mcp_install.hpp. Reads the file system, changes nothing.
#include "launcher/sandbox/mcp_install.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "base/error.hpp"
#include "base/process.hpp"
#include "vmspec/plan/paths.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory == "/" ? directory : directory + "/");
}

namespace fs = std::filesystem;

namespace {

constexpr int max_links = 40;          // as the kernel: ELOOP beyond
constexpr int max_interpreters = 3;    // a script run by a script run by a program
constexpr std::size_t max_head = 512;  // of a script; the kernel reads 256 (BINPRM_BUF_SIZE)

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string parent(const std::string& path) {
  return fs::path(path).parent_path().string();
}
std::string base_name(const std::string& path) {
  return fs::path(path).filename().string();
}

/// A Python installation, as opposed to a prefix that packages were put into (~/.local has lib/python3.11 too).
bool is_python(const std::string& prefix) {
  for (const char* library : {"/lib", "/lib64"}) {
    std::error_code error;
    for (fs::directory_iterator entry(prefix + library, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().filename().string().starts_with("python") && exists(entry->path().string() + "/os.py"))
        return true;
    }
  }
  return false;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string head_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string head(max_head, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(stream.gcount()));
  return head;
}

/// The interpreter pip writes into a shell script when its path is too long or has blanks: '''exec' "/path" "$0" "$@".
std::string long_interpreter(const std::string& second_line) {
  constexpr std::string_view mark = "'''exec' ";
  if (!second_line.starts_with(mark)) return {};
  const std::string rest = second_line.substr(mark.size());
  const bool quoted = rest.starts_with('"');
  const std::size_t end = quoted ? rest.find('"', 1) : rest.find(' ');
  const std::string path = rest.substr(quoted ? 1 : 0, end == std::string::npos ? end : end - (quoted ? 1 : 0));
  return path.starts_with('/') ? path : std::string();
}

/// What an interpreter is given to run, by its name: it may need what lies beside it.
bool is_script(const std::string& file) {
  static constexpr std::string_view endings[] = {".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl"};
  return std::any_of(std::begin(endings), std::end(endings),
                     [&](std::string_view ending) { return file.ends_with(ending); });
}

class Inspection {
 public:
  Inspection(std::string home, const sandbox::GuestPlaces& places) : home_(std::move(home)), places_(places) {}

  McpInstall install;

  void add_program(const std::string& path, int depth = 0);
  void add_argument(const std::string& argument);

 private:
  std::string resolve(const std::string& path);
  void add_environment(const std::string& prefix);
  void add_prefix_or_file(const std::string& file);
  void add_script(const std::string& file, int depth);
  void add_directory(const std::string& directory);
  void add_file(const std::string& file);
  void check(const std::string& path, const std::string* place) const;
  bool is_covered(const std::string& path) const;
  bool is_home_or_above(const std::string& directory) const;
  bool is_in_a_home(const std::string& path) const;

  std::string home_;
  const sandbox::GuestPlaces& places_;
  std::set<std::string> seen_links_;
};

/// The real path; every symlink met on the way is noted, since the sandbox must have them too.
std::string Inspection::resolve(const std::string& path) {
  std::deque<std::string> todo;
  for (const auto& part : fs::path(path)) todo.push_back(part.string());
  std::string at = "/";
  int links = 0;
  while (!todo.empty()) {
    const std::string part = todo.front();
    todo.pop_front();
    if (part.empty() || part == "." || part == "/") continue;
    if (part == "..") {
      at = parent(at);
      continue;
    }
    const std::string next = at == "/" ? "/" + part : at + "/" + part;
    std::error_code error;
    check(next, places_.holding(next));
    if (!fs::is_symlink(next, error)) {
      at = next;
      continue;
    }
    if (++links > max_links) throw Error(path + ": too many symbolic links");
    const std::string target = fs::read_symlink(next, error).string();
    if (seen_links_.insert(next).second) install.links.emplace_back(next, target);
    if (target.starts_with('/')) at = "/";
    std::vector<std::string> parts;
    for (const auto& target_part : fs::path(target)) parts.push_back(target_part.string());
    todo.insert(todo.begin(), parts.begin(), parts.end());
  }
  return at;
}

bool Inspection::is_home_or_above(const std::string& directory) const {
  if (directory == "/" || directory == "/home" || directory == "/root" || is_below(home_, directory)) return true;
  return parent(directory) == "/home";
}

bool Inspection::is_in_a_home(const std::string& path) const {
  return is_below(path, home_) || is_below(path, "/home") || is_below(path, "/root");
}

void Inspection::check(const std::string& path, const std::string* place) const {
  if (place == nullptr) return;
  const bool same = path == *place;
  throw Error("the MCP server needs " + path + ", which " +
                  (same ? "a guest may write" : "is in or above " + *place + ", which a guest may write"),
              "Install the server elsewhere: what a guest can write must not run on the host.");
}

bool Inspection::is_covered(const std::string& path) const {
  if (is_below(path, "/usr")) return true;
  if (install.nix_store && is_below(path, "/nix/store")) return true;
  return std::any_of(install.directories.begin(), install.directories.end(),
                     [&](const std::string& directory) { return is_below(path, directory); });
}

void Inspection::add_directory(const std::string& directory) {
  check(directory, places_.touching(directory));
  if (is_covered(directory)) return;
  install.directories.push_back(directory);
}

void Inspection::add_file(const std::string& file) {
  check(file, places_.holding(file));
  if (is_covered(file) || std::find(install.files.begin(), install.files.end(), file) != install.files.end()) return;
  install.files.push_back(file);
}

/// A virtual environment and the Python it was made from.
void Inspection::add_environment(const std::string& prefix) {
  add_directory(prefix);
  std::ifstream config(prefix + "/pyvenv.cfg");
  std::vector<std::string> pythons;
  for (std::string line; std::getline(config, line);) {
    const auto words = words_of(line);
    if (words.size() >= 3 && words[0] == "home" && words[1] == "=") {
      pythons.push_back(line.substr(line.find(words[2])) + "/python3");
    }
  }
  pythons.push_back(prefix + "/bin/python3");
  pythons.push_back(prefix + "/bin/python");
  for (const auto& python : pythons) {
    if (exists(python)) add_prefix_or_file(resolve(python));
  }
}

/// `file` is a real path.
void Inspection::add_prefix_or_file(const std::string& file) {
  if (is_below(file, "/nix/store")) {
    install.nix_store = true;
    return;
  }
  if (is_covered(file)) return;
  const std::string directory = parent(file);
  const bool in_bin = base_name(directory) == "bin" || base_name(directory) == "sbin";
  const std::string prefix = in_bin ? parent(directory) : directory;
  if (!is_home_or_above(prefix)) {
    if (in_bin && exists(prefix + "/pyvenv.cfg")) {
      add_environment(prefix);
      return;
    }
    const std::string modules = "/node_modules/";
    if (const std::size_t found = file.find(modules); found != std::string::npos) {
      add_directory(file.substr(0, found + modules.size() - 1));
      return;
    }
    // /opt/NAME is one installation, /opt itself is not.
    if ((in_bin && is_python(prefix)) || (!is_in_a_home(prefix) && parent(prefix) != "/")) {
      add_directory(prefix);
      return;
    }
  }
  add_file(file);
}

void Inspection::add_script(const std::string& file, int depth) {
  std::istringstream head(head_of(file));
  std::string first;
  std::string second;
  std::getline(head, first);
  std::getline(head, second);
  if (!first.starts_with("#!")) return;
  auto words = words_of(first.substr(2));
  if (words.empty()) return;
  add_program(words.front(), depth + 1);
  if (base_name(words.front()) == "env") {
    const auto name = std::find_if(words.begin() + 1, words.end(), [](const std::string& word) {
      return !word.starts_with('-') && word.find('=') == std::string::npos;
    });
    if (name == words.end()) return;
    auto program = find_program(*name, "/usr/local/bin:/usr/bin:/bin");
    if (!program) {
      program = find_program(*name);
      if (program) install.path.push_back(parent(*program));
    }
    if (!program) throw Error(file + " needs " + *name + ", which is not on PATH", {}, ExitCode::not_found);
    add_program(*program, depth + 1);
  } else if (const std::string interpreter = long_interpreter(second); !interpreter.empty()) {
    add_program(interpreter, depth + 1);
  }
}

void Inspection::add_program(const std::string& path, int depth) {
  if (depth > max_interpreters) return;
  if (!exists(path)) throw Error(path + ": no such program", {}, ExitCode::not_found);
  // A virtual environment is known by the path its Python is called by, which is a link out of it.
  if (const std::string prefix = parent(parent(path)); exists(prefix + "/pyvenv.cfg")) {
    const std::string real = resolve(prefix);
    if (!is_home_or_above(real)) add_environment(real);
  }
  const std::string file = resolve(path);
  add_prefix_or_file(file);
  add_script(file, depth);
}

/// A path of the host in an argument, if it has one.
void Inspection::add_argument(const std::string& argument) {
  const std::size_t equals = argument.starts_with('/') ? std::string::npos : argument.find('=');
  const std::string path = equals == std::string::npos ? argument : argument.substr(equals + 1);
  if (!path.starts_with('/')) return;
  for (const char* own : {"/dev", "/proc", "/sys"}) {
    if (is_below(path, own)) return;  // the sandbox has its own
  }
  // Also when nothing is there yet: a guest could put it there.
  const std::string file = resolve(path);
  if (!exists(file) || is_covered(file)) return;
  if (const auto reason = vmspec::exposure_refusal(file, home_)) {
    throw Error("the MCP server is not shown its argument " + path + ": " + *reason);
  }
  std::error_code error;
  if (fs::is_directory(file, error)) {
    add_directory(file);
  } else if (is_script(file)) {
    add_prefix_or_file(file);
  } else {
    add_file(file);
  }
}

}  // namespace

McpInstall inspect_mcp_install(const std::vector<std::string>& command, const std::string& home,
                               const sandbox::GuestPlaces& places) {
  if (command.empty() || !command.front().starts_with('/')) {
    throw Error("the command of an MCP server must begin with an absolute path");
  }
  std::error_code error;
  const auto real_home = fs::weakly_canonical(home.empty() ? "/root" : home, error);
  Inspection inspection(error ? home : real_home.string(), places);
  inspection.install.command = command;
  inspection.add_program(command.front());
  for (auto argument = command.begin() + 1; argument != command.end(); ++argument) inspection.add_argument(*argument);
  return std::move(inspection.install);
}

void check_mcp_servers(const vmspec::VmSpec& spec) {
  const char* home = std::getenv("HOME");
  const sandbox::GuestPlaces places = sandbox::guest_places(spec);
  for (const vmspec::McpSpec& server : spec.mcp) {
    try {
      inspect_mcp_install(server.command, home == nullptr ? "" : home, places);
    } catch (const Error& error) {
      throw Error("mcp." + server.name + ".command: " + error.what(), error.hint(), ExitCode::cannot_start);
    }
  }
}

}  // namespace agentvm::gateway
