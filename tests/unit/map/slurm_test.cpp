// slurm_test.cpp - what Slurm's programs are told, and what they say.
#include "launcher/map/slurm.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;
using test::Variable;

namespace {

SlurmJob example_job() {
  SlurmJob job;
  job.name = "agentvm-map-1";
  job.directory = "/shared/it's";
  job.program = "/opt/agentvm";
  job.tasks = 30;
  job.at_a_time = 4;
  job.vcpus = 2;
  job.memory = (std::uint64_t{896} << 20) + 1;
  job.arguments = {"--retries=1"};
  job.options = {"--partition=long", "--mem=1G"};
  return job;
}

}  // namespace

TEST_CASE("an array has an element for each task with the room of its VM") {
  const std::vector<std::string> words = sbatch_arguments(example_job(), "/s.sh");
  for (const char* word : {"--parsable", "--array=1-30%4", "--requeue", "--job-name=agentvm-map-1", "--cpus-per-task=2",
                           "--mem=897M", "--output=/shared/it's/slurm-%A_%a.out"}) {
    CHECK_MESSAGE(std::find(words.begin(), words.end(), word) != words.end(), word);
  }
  CHECK(words.back() == "/s.sh");
  CHECK(words[words.size() - 2] == "--mem=1G");  // the caller's own come last and win
}

TEST_CASE("an element runs one task and its shell reads every path as it is") {
  const std::string script = slurm_script(example_job());
  CHECK(script.starts_with("#!/bin/sh\n"));
  CHECK(has(
      script,
      R"(exec '/opt/agentvm' map '/shared/it'\''s/tasks.jsonl' --one "$SLURM_ARRAY_TASK_ID" --results '/shared/it'\''s' '--retries=1')"));
}

TEST_CASE("Slurm's answers are read and what is none is refused") {
  CHECK(job_number("12\n") == "12");
  CHECK(job_number("12;cluster\n") == "12");
  CHECK_THROWS_AS(job_number("sbatch: error"), Error);
  CHECK_THROWS_AS(job_number(""), Error);
  const SlurmStates states = slurm_states("1|COMPLETED\n2|PENDING\nN/A|RUNNING\n\nx\n3|NODE_FAIL");
  CHECK(states == SlurmStates{{1, "COMPLETED"}, {2, "PENDING"}, {3, "NODE_FAIL"}});
  for (const char* state : {"PENDING", "RUNNING", "COMPLETING", "REQUEUED", "CONFIGURING", "SUSPENDED"}) {
    CHECK(slurm_alive(state));
  }
  for (const char* state : {"COMPLETED", "CANCELLED", "FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"}) {
    CHECK_FALSE(slurm_alive(state));
  }
}

TEST_CASE("Slurm's programs are called and their complaints are told") {
  const Scratch scratch;
  const std::string bin = scratch.directory("bin");
  scratch.write("bin/sbatch", "#!/bin/sh\nfor last; do :; done\ncat \"$last\" >\"${0%/*}/script\"\necho 42\n", 0755);
  scratch.write("bin/squeue",
                "#!/bin/sh\ncase \"$*\" in *--name=*) printf '42\\n42\\n' ;; *--jobs=42*) echo '1|RUNNING' ;;\n"
                "*--jobs=7*) echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1 ;;\n"
                "*) echo 'Unable to contact slurm controller' >&2; exit 1 ;; esac\n",
                0755);
  scratch.write("bin/scancel", "#!/bin/sh\necho no >&2\nexit 1\n", 0755);
  const Variable path("PATH", (bin + ":/usr/bin:/bin").c_str());
  SlurmPrograms slurm;
  SlurmJob job = example_job();
  job.directory = scratch.path();
  CHECK(slurm.submit(job) == "42");
  CHECK(read_file(scratch / "bin/script") == slurm_script(job));
  CHECK(slurm.find("x") == std::vector<std::string>{"42"});
  CHECK(slurm.states("42") == SlurmStates{{1, "RUNNING"}});
  CHECK(slurm.states("7").empty());
  CHECK_THROWS_WITH(slurm.states("8"), "squeue failed: Unable to contact slurm controller");
  CHECK_THROWS_WITH(slurm.cancel("42"), "scancel failed: no");
}

TEST_CASE("where there is no Slurm it is said what to install") {
  const Scratch scratch;
  const Variable path("PATH", scratch.path().c_str());
  try {
    SlurmPrograms().find("x");
    FAIL("there is a squeue");
  } catch (const Error& error) {
    CHECK(has(error.what(), "squeue: no such program on PATH"));
    CHECK(has(error.hint(), "slurm-client"));
    CHECK(error.code() == ExitCode::usage);
  }
}
