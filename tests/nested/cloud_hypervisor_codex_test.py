# cloud_hypervisor_codex_test.py - tests/vm/codex_test.py's main job, with the machine in cloud-hypervisor.
import codex_test
import nested_case


class CodexInCloudHypervisor(codex_test.Codex):
    MACHINE = ("--hypervisor", "cloud-hypervisor")
    VMM = "cloud-hypervisor"
    # A terminal and a model that is not there are no business of the VMM's, and a VM in an emulated VM takes its time.
    test_own_screen = test_model_that_is_not_there = None


if __name__ == "__main__":
    nested_case.main(memory_mib=5120)
