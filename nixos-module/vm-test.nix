# vm-test.nix - a NixOS host in a VM: netd, a pool of its VMs, a claim, a run, an end, a reboot. For `nix build`, with KVM.
#
# The guests within are emulated, or nested where the machine that builds has it; either way they are real ones.
{
  pkgs,
  nixosModules,
  mkGuest,
  microvm,
}:
pkgs.testers.runNixOSTest {
  name = "agentvm-pool";

  nodes.host =
    { pkgs, ... }:
    {
      imports = [
        nixosModules.default
        nixosModules.codex
      ];
      virtualisation = {
        cores = 2;
        memorySize = 4096;
      };
      users.users.alice.isNormalUser = true;
      users.users.mallory.isNormalUser = true;
      services.agentvm = {
        enable = true;
        users = [ "alice" ];
        profiles.small = {
          extends = "default";
          machine = {
            vcpus = 1;
            memory = "768MiB";
          };
          mcp.nixos.command = [ ];
          network.egress = "none";
          guest.image = "${mkGuest { inherit microvm; }}";
        };
        pools.small = { };
        vmsPerUser = 1;
        metricsFile = "/run/agentvm-pool/metrics.prom";
      };
      environment.systemPackages = [ pkgs.jq ];
    };

  testScript = ''
    def as_user(name, command):
        return f"su - {name} -c '{command}'"

    def wait_for_an_idle_vm():
        host.wait_until_succeeds("agentvm pool status --json | jq -e '.pools[0].idle == 1'", timeout=900)

    host.wait_for_unit("agentvm-netd.socket")
    host.wait_for_unit("agentvm-pool.service")
    wait_for_an_idle_vm()

    # A member of the group has a VM of it, with the member's own files; somebody else has not.
    host.succeed(as_user("alice", "mkdir -p app && echo mine >app/file"))
    run = "agentvm run --profile small --pool small app"
    said = host.succeed(as_user("alice", f"{run} -v --command -- cat file 2>&1"))
    assert "mine" in said and "of the pool small" in said, said
    host.fail(as_user("mallory", "agentvm pool status"))
    host.wait_until_succeeds("grep -q agentvm_pool_hits_total.*1 /run/agentvm-pool/metrics.prom")

    # One that is kept, and its end.
    wait_for_an_idle_vm()
    host.succeed(as_user("alice", f"{run} --name held -d --keep --command -- sleep 600"))
    host.succeed(as_user("alice", "agentvm exec held -- true"))
    host.succeed(as_user("alice", "agentvm destroy held"))
    host.fail("pgrep -u alice qemu")

    # A killed poold has its idle VM again.
    wait_for_an_idle_vm()
    before = host.succeed("agentvm pool status --json | jq -r '.pools[0].vms[].name'")
    host.succeed("systemctl kill -s KILL --kill-who=main agentvm-pool")
    host.wait_for_unit("agentvm-pool.service")
    wait_for_an_idle_vm()
    assert before == host.succeed("agentvm pool status --json | jq -r '.pools[0].vms[].name'")

    # A VM of its own with a card: netd comes when it is asked.
    said = host.succeed(as_user("alice", "agentvm run --profile small --egress nat app --command -- ls /sys/class/net"))
    assert len(said.split()) == 2, said
    host.succeed("systemctl is-active agentvm-netd.service")

    host.shutdown()
    host.start()
    wait_for_an_idle_vm()
    said = host.succeed(as_user("alice", f"{run} -v --command -- cat file 2>&1"))
    assert "of the pool small" in said, said
  '';
}
