// slurm.hpp - Slurm's own programs: what they are told, and what they say. Tried with Slurm 22.05 (slurm-wlm of Debian
// 12).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::batch {

/// A job array of which each element runs one task.
struct SlurmJob {
  std::string name;                    ///< by which it is found again
  std::string directory;               ///< of SharedResults, absolute; what elements print goes there too
  std::string program;                 ///< agentvm, as the nodes find it
  std::size_t tasks = 0;               ///< elements 1 to this
  unsigned at_a_time = 0;              ///< 0: as many as Slurm starts
  unsigned vcpus = 1;                  ///< of the largest VM
  std::uint64_t memory = 0;            ///< bytes for each element
  std::vector<std::string> arguments;  ///< more of `agentvm map` for each element
  std::vector<std::string> options;    ///< the caller's own of sbatch; they win
};

/// The script that Slurm runs for each element.
std::string slurm_script(const SlurmJob& job);
/// The arguments of sbatch; `script` is the file with slurm_script.
std::vector<std::string> sbatch_arguments(const SlurmJob& job, const std::string& script);

/// The job's number from what `sbatch --parsable` printed: "12" or "12;cluster". Throws Error with what it was.
std::string job_number(std::string_view printed);

/// Elements of an array by their index, as squeue has them: "PENDING", "RUNNING", "NODE_FAIL", ...
using SlurmStates = std::map<unsigned, std::string>;
/// What `squeue --array --format=%K|%T` printed.
SlurmStates slurm_states(std::string_view printed);
/// Whether an element in that state may still run.
bool slurm_alive(std::string_view state);

/// What is asked of Slurm; a test brings one of its own.
class Slurm {
 public:
  virtual ~Slurm() = default;
  /// Returns the job's number. Throws Error with what sbatch said.
  virtual std::string submit(const SlurmJob& job) = 0;
  /// Jobs of this user with that name that have not ended.
  virtual std::vector<std::string> find(const std::string& name) = 0;
  /// Empty when Slurm does not know the job any more. Throws Error when it does not answer.
  virtual SlurmStates states(const std::string& job) = 0;
  virtual void cancel(const std::string& job) = 0;
};

/// sbatch, squeue and scancel, found on PATH.
class SlurmPrograms final : public Slurm {
 public:
  std::string submit(const SlurmJob& job) override;
  std::vector<std::string> find(const std::string& name) override;
  SlurmStates states(const std::string& job) override;
  void cancel(const std::string& job) override;
};

}  // namespace agentvm::batch
