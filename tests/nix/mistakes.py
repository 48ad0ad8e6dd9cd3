# mistakes.py - wrong definitions: what is changed in a right one, and what is then said in the made-up world.
import os

# FILE, OLD, NEW, TOLD: of the definition of the profile rust.
MISTAKES = (
    ("vm.nix", "vcpu = 8", 'vcpu = "8"', "microvm.vcpu' is not of type `positive integer"),
    ("vm.nix", "mem = 4096", "mem = 0", "microvm.mem' is not of type"),
    ("vm.nix", "mem = 4096", "memory = 4096", "microvm.memory' does not exist"),
    ("vm.nix", '"cloud-hypervisor"', '"cloudhypervisor"', "microvm.hypervisor' is not of type `one of"),
    ("vm.nix", "tag =", "tags =", "tags' does not exist"),
    ("vm.nix", 'source = "workspace/."', 'source = ""', "source' is not of type `non-empty string'"),
    ("vm.nix", 'mountPoint = "/workspace"', 'mountPoint = "workspace"', "not of type `absolute path'"),
    ("vm.nix", 'tag = "workspace"', 'tag = "ro-store"', "share tag \"ro-store\" is used 2 > 1 times"),
    ("vm.nix", 'proto = "virtiofs"', 'proto = "9p"', "only shares that are virtiofs"),
    ("vm.nix", 'type = "tap"', 'type = "user"', "Unsupported interface type user"),
    ("vm.nix", 'id = "vm-rust"', 'id = "vm-rust-and-more"', "15 characters"),
    ("vm.nix", "cid = 3", "cid = 2", "reserved CID"),
    ("vm.nix", "cid = 3", "cid = null; vsock.cids = 3", "does not exist"),
    ("vm.nix", '"/nix/.rw-store";', "[ ];", "writableStoreOverlay' is not of type `null or string'"),
    ("vm.nix", "pkgs.cargo", "pkgs.crago", "crago"),
    ("vm.nix", "agent.package =", "agent.environment = { N = 1; };\n    agent.package =", "agentvm.agent.environment.N"),
    ("vm.nix", "networking.hostName", "networking.hostname", "networking.hostname' does not exist"),
    ("vm.nix", 'networking.hostName = "rust"', 'networking.hostName = "localhost"', "other than"),
    ("vm.nix", "networking.hostName", 'systemd.services.x.after = [ "ä.mount" ]; networking.hostName',
     "not of type `string matching"),
    ("vm.nix", 'user = "agent"', 'user = "messagebus"', "conflicting definition values"),
    ("vm.nix", '"size=8192M"', "8192", "not of type `string (with check: non-empty)'"),
    ("flake.nix", "./vm.nix", "./vms.nix", "vms.nix"),
    ("flake.nix", 'inputs.nixpkgs.follows = "nixpkgs"', 'inputs.nixpkgs.follows = "nixpgks"', "nixpgks"),
    ("flake.nix", "microvm.nixosModules.microvm", "", "microvm"),
    ("flake.nix", "agentvm.nixosModules.guest", "", "agentvm' does not exist"),
)

# Not asked of the real one: it knows no such rule, or fails in a way that Nix cannot catch (a name or file that is not there),
# or only where a flake's inputs are locked.
MADE_UP_ALONE = ("cid = 2", "pkgs.crago", "./vms.nix", 'inputs.nixpkgs.follows = "nixpgks"')


def make(directory, file, old, new):
    """Changes a definition on disk."""
    path = os.path.join(directory, file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if old not in text:
        raise AssertionError(f"{path} has no {old}")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text.replace(old, new, 1))
