# agentvm-map.nomad.hcl - the tasks of /fleet/tasks.jsonl, an allocation and a VM each; results in /fleet/results/done
# (docs/fleet.md). The clients have agentvm installed, and /fleet mounted.
job "agentvm-map" {
  type = "batch"

  group "task" {
    # The number of lines of tasks.jsonl.
    count = 30

    # agentvm tries again what was lost; a task that has a result is not done again.
    restart {
      attempts = 0
      mode     = "fail"
    }

    # An allocation whose client died is placed elsewhere.
    reschedule {
      attempts  = 3
      interval  = "24h"
      unlimited = false
    }

    task "agentvm" {
      # Neither chroot nor cgroup namespace: virtiofsd and the VMM make what they need. It is off unless the client says
      # plugin "raw_exec" { config { enabled = true } }.
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "exec agentvm map /fleet/tasks.jsonl --one $((NOMAD_ALLOC_INDEX + 1)) --results /fleet/results"]
      }

      # `nomad job stop` and `nomad alloc stop` end the agent, then the VM.
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      resources {
        cores  = 2
        memory = 4352
      }
    }
  }
}
