# cloud_hypervisor_nix_test.py - tests/vm/nix_guest_test.py's guest of NixOS, with the machine in cloud-hypervisor.
import nested_case
import nix_guest_test


class NixGuestInCloudHypervisor(nix_guest_test.NixGuest):
    MACHINE = ("--hypervisor", "cloud-hypervisor")
    # Codex has a test of its own in there, and what gc keeps is no business of the VMM's.
    test_codex_of_the_host_works_in_it = test_gc_keeps_what_a_living_vm_was_booted_from = None

    def look(self, run, name):
        self.assertIn("cloud-hypervisor with KVM", run.stderr, run)
        return super().look(run, name)


if __name__ == "__main__":
    nested_case.main()
