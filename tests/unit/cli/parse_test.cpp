// parse_test.cpp - every verb's command line, and wrong ones.
#include "launcher/cli/parse.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "tests/unit/has.hpp"

using namespace agentvm;
using namespace agentvm::commands;
using Words = std::vector<std::string>;
using agentvm::test::has;

namespace {

template <typename Options>
Options parsed(const Words& words) {
  const Invocation invocation = cli::parse(words);
  REQUIRE(std::holds_alternative<Options>(invocation.verb));
  return std::get<Options>(invocation.verb);
}

std::string printed(const Words& words) {
  return parsed<PrintText>(words).text;
}

/// The message and hint of a usage error.
std::string refused(const Words& words) {
  try {
    cli::parse(words);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    return message + " | " + error.hint();
  }
  FAIL("was taken");
  return {};
}

}  // namespace

TEST_CASE("run: the plain form") {
  const auto run = parsed<RunOptions>({"run"});
  CHECK(run.workspace == ".");
  CHECK(run.arguments.empty());
  CHECK_FALSE(run.prompt);
  CHECK_FALSE(run.tty);
}

TEST_CASE("run: every option") {
  const auto run = parsed<RunOptions>({"run", "--profile", "rust", "./my-app", "--name", "n", "-d", "--keep", "--json",
                                       "--dry-run", "--report", "r.json", "-t", "--trust-workspace", "-p", "do it"});
  CHECK(run.profile == "rust");
  CHECK(run.workspace == "./my-app");
  CHECK(run.name == "n");
  CHECK(run.detach);
  CHECK(run.keep);
  CHECK(run.json);
  CHECK(run.dry_run);
  CHECK(run.trust_workspace);
  CHECK(run.report_file == "r.json");
  CHECK(run.tty == true);
  CHECK(run.prompt == "do it");
  CHECK(parsed<RunOptions>({"run", "--no-tty"}).tty == false);
  CHECK(parsed<RunOptions>({"run", "--prompt-file", "-"}).prompt_file == "-");
}

TEST_CASE("run: flags for profile keys become overrides") {
  const auto run =
      parsed<RunOptions>({"run", "--memory", "4GiB", "--vcpus", "2", "--allow", "a.example", "--allow", "b.example",
                          "--env", "A=b=c", "--set", "agents_md.write=false", "--expose", "/opt/x", "ws"});
  CHECK(run.workspace == "ws");
  const auto find = [&](const std::string& flag) {
    for (const Override& entry : run.overrides) {
      if (entry.flag == flag) return entry;
    }
    FAIL("no override of " << flag);
    return Override{};
  };
  CHECK(find("--memory") == Override{"--memory", "machine.memory", {"4GiB"}});
  CHECK(find("--vcpus") == Override{"--vcpus", "machine.vcpus", {"2"}});
  CHECK(find("--allow") == Override{"--allow", "network.allow.add", {"a.example", "b.example"}});
  CHECK(find("--env") == Override{"--env", "agent.env.A", {"b=c"}});
  CHECK(find("--set") == Override{"--set", "agents_md.write", {"false"}});
  CHECK(find("--expose") == Override{"--expose", "guest.expose.add", {"/opt/x"}});
}

TEST_CASE("run: what follows -- is the guest's whatever it looks like") {
  const auto prompt = parsed<RunOptions>({"run", "ws", "--", "--help", "-v", "--", "run"});
  CHECK(prompt.arguments == Words{"--help", "-v", "--", "run"});
  const auto command = parsed<RunOptions>({"run", "ws", "--command", "--", "make", "-j2"});
  CHECK(command.command);
  CHECK(command.arguments == Words{"make", "-j2"});
}

TEST_CASE("run: a workspace may be called like a verb") {
  CHECK(parsed<RunOptions>({"run", "exec"}).workspace == "exec");
  CHECK(parsed<StopOptions>({"stop", "ls"}).name == "ls");
}

TEST_CASE("run: prompts exclude each other") {
  CHECK(has(refused({"run", "-p", "a", "--", "b"}), "more than once"));
  CHECK(has(refused({"run", "-p", "a", "--prompt-file", "f"}), "more than once"));
  CHECK(has(refused({"run", "--command"}), "after --"));
  CHECK(has(refused({"run", "--command", "-p", "a", "--", "b"}), "takes no prompt"));
  CHECK(has(refused({"run", "-p", ""}), "empty"));
  CHECK(has(refused({"run", "--env", "novalue"}), "NAME=VALUE"));
}

TEST_CASE("exec and shell and attach") {
  const auto exec = parsed<ExecOptions>(
      {"exec", "-t", "-u", "root", "-w", "/tmp", "-e", "A=b", "-e", "C=d", "vm", "--", "ls", "-la"});
  CHECK(exec.name == "vm");
  CHECK(exec.tty);
  CHECK(exec.user == "root");
  CHECK(exec.directory == "/tmp");
  CHECK(exec.environment == Words{"A=b", "C=d"});
  CHECK(exec.command == Words{"ls", "-la"});
  CHECK(has(refused({"exec", "vm"}), "after --"));
  CHECK(has(refused({"exec", "vm", "ls"}), "exec NAME -- CMD"));
  CHECK(has(refused({"exec", "--", "ls"}), "name is required"));
  CHECK(parsed<ShellOptions>({"shell", "--root", "vm"}).root);
  CHECK(parsed<ShellOptions>({"shell"}).name.empty());
  CHECK(parsed<AttachOptions>({"attach", "vm"}).name == "vm");
}

TEST_CASE("the verbs that look") {
  CHECK(parsed<ListOptions>({"ls", "-q"}).quiet);
  CHECK(parsed<ListOptions>({"ls", "--json"}).json);
  CHECK(parsed<InspectOptions>({"inspect", "vm"}).name == "vm");
  CHECK(has(refused({"inspect"}), "name is required"));
  const auto logs = parsed<LogsOptions>({"logs", "-f", "--source", "console", "vm"});
  CHECK(logs.follow);
  CHECK(logs.source == "console");
  CHECK(parsed<LogsOptions>({"logs"}).source == "agent");
  CHECK(parsed<DoctorOptions>({"doctor", "--json"}).json);
  CHECK(parsed<NetShowOptions>({"net", "show", "--json"}).json);
  CHECK_FALSE(parsed<NetShowOptions>({"net", "show"}).json);
}

TEST_CASE("the verbs that end") {
  const auto stop = parsed<StopOptions>({"stop", "--deadline", "3", "vm"});
  CHECK(stop.deadline_seconds == 3);
  CHECK(stop.name == "vm");
  CHECK(has(refused({"stop", "--deadline", "soon", "vm"}), "--deadline"));
  CHECK(parsed<DestroyOptions>({"destroy", "a", "b"}).names == Words{"a", "b"});
  CHECK(parsed<DestroyOptions>({"destroy", "--all"}).all);
  const auto gc = parsed<GcOptions>({"gc", "--vm", "x", "--quiet", "--dry-run"});
  CHECK(gc.vm == "x");
  CHECK(gc.quiet);
  CHECK(gc.dry_run);
  CHECK_FALSE(has(printed({"gc", "--help"}), "--vm"));
}

TEST_CASE("profile") {
  CHECK(parsed<ProfileListOptions>({"profile", "list", "-q"}).quiet);
  const auto show = parsed<ProfileShowOptions>({"profile", "show", "--origins", "rust", "--memory", "1GiB"});
  CHECK(show.name == "rust");
  CHECK(show.origins);
  CHECK(show.overrides.size() == 1);
  CHECK(parsed<ProfileCheckOptions>({"profile", "check", "a", "./b.toml"}).names == Words{"a", "./b.toml"});
  CHECK(has(printed({"profile"}), "list"));
  CHECK(has(refused({"profile", "lsit"}), "list"));
}

TEST_CASE("global options stand before or behind the verb") {
  CHECK(cli::parse({"-v", "ls"}).global.verbosity == 1);
  CHECK(cli::parse({"ls", "-v", "-v"}).global.verbosity == 2);
  CHECK(cli::parse({"--no-color", "ls"}).global.no_color);
  CHECK(printed({"--version"}) == "agentvm " AGENTVM_VERSION "\n");
}

TEST_CASE("the verbs about files") {
  const auto definition =
      parsed<DefinitionOptions>({"definition", "--profile", "rust", "-o", "vm", "--json", "--force", "--vcpus", "2"});
  CHECK(definition.profile == "rust");
  CHECK(definition.output == "vm");
  CHECK(definition.json);
  CHECK(definition.force);
  CHECK_FALSE(definition.trust_workspace);
  CHECK(definition.overrides == std::vector<Override>{{"--vcpus", "machine.vcpus", {"2"}}});
  const auto init = parsed<InitOptions>({"init", "app", "--profile", "go", "--agents-md"});
  CHECK(init.directory == "app");
  CHECK(init.profile == "go");
  CHECK(init.agents_md);
  CHECK_FALSE(init.force);
  CHECK(parsed<InitOptions>({"init"}).profile == "default");
  const auto build = parsed<BuildOptions>({"build", "--update", "-q", "--profile", "rust"});
  CHECK(build.update);
  CHECK(build.quiet);
  CHECK(build.profile == "rust");
  CHECK(has(refused({"definition", "rust"}), "unexpected argument 'rust'"));
}

TEST_CASE("every verb has help with examples") {
  const std::string all = printed({"--help"});
  CHECK(printed({}) == all);
  for (const char* verb : {"run", "exec", "shell", "attach", "ls", "inspect", "logs", "stop", "destroy", "gc", "net",
                           "doctor", "profile", "definition", "build", "init", "completion"}) {
    CAPTURE(verb);
    CHECK(has(all, verb));
    const std::string help = printed({verb, "--help"});
    CHECK(has(help, "Examples:"));
    CHECK(has(help, std::string("agentvm ") + verb));
  }
  CHECK(has(printed({"profile", "show", "--help"}), "Examples:"));
  CHECK(has(printed({"run", "-h"}), "[-- ARG...]"));
}

TEST_CASE("a slip of the fingers is named") {
  CHECK(has(refused({"rnu"}), "'run'"));
  CHECK(has(refused({"run", "--memroy", "4GiB"}), "'--memory'"));
  CHECK(has(refused({"run", "--memroy=4GiB"}), "unknown option '--memroy'"));
  CHECK(has(refused({"destory", "x"}), "'destroy'"));
  CHECK(has(refused({"run", "a", "b"}), "unexpected argument 'b'"));
  CHECK(has(refused({"ls", "--", "x"}), "nothing after --"));
  CHECK(has(refused({"run", "--name"}), "--name"));
}
