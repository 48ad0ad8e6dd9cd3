# recipes_test.py - the recipes of templates/fleet for Kubernetes and Nomad: their schemas, and the commands in them, run.
import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest

import harness
from harness import Sandbox
from patience import seconds

sys.path += [directory for directory in [os.environ.get("AGENTVM_FLEET_MODULES")] if directory]
FLEET = os.path.join(harness.SOURCE, "templates/fleet")
MANIFESTS = ("kubernetes/device-plugin.yaml", "kubernetes/job.yaml")
NOMAD = "nomad/agentvm-map.nomad.hcl"


def has(module):
    return importlib.util.find_spec(module) is not None


def read(name):
    with open(os.path.join(FLEET, name), encoding="utf-8") as file:
        return file.read()


class Recipes(unittest.TestCase):
    def run_as_the_scheduler(self, script, index):
        """The recipe's own command, with its directory moved into a sandbox and a stand-in for `agentvm run`."""
        sandbox = self.enterContext(Sandbox())
        fake = sandbox.write("bin/run", "#!/bin/sh\nexit 0\n", mode=0o755)
        fleet = sandbox.path("fleet")
        tasks = [{"id": name, "workspace": name, "command": ["true"]} for name in ("a", "b")]
        for task in tasks:
            os.makedirs(f"{fleet}/{task['workspace']}")
        sandbox.write("fleet/tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
        moved = script.replace("/fleet/", f"{fleet}/")
        self.assertNotEqual(moved, script)
        env = {**sandbox.env, **index, "AGENTVM": fake, "PATH": f"{harness.BIN}:{sandbox.env['PATH']}"}
        done = subprocess.run(["/bin/sh", "-c", moved], env=env, capture_output=True, check=False, timeout=seconds(60))
        self.assertEqual(done.returncode, 0, done)
        return os.listdir(f"{fleet}/results/done")

    @unittest.skipUnless(has("kubernetes_validate"), "kubernetes_validate is not installed")
    def test_kubernetes_schemas(self):
        import kubernetes_validate
        import yaml
        for name in MANIFESTS:
            with self.subTest(name=name):
                kubernetes_validate.validate(yaml.safe_load(read(name)), kubernetes_validate.latest_version(), strict=True)

    @unittest.skipUnless(has("yaml"), "yaml is not installed")
    @unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
    def test_a_pod_does_the_task_of_its_index(self):
        import yaml
        plugin, job = (yaml.safe_load(read(name)) for name in MANIFESTS)
        [container] = job["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["command"], ["/bin/sh", "-c"])
        [script] = container["args"]
        self.assertEqual(self.run_as_the_scheduler(script, {"JOB_COMPLETION_INDEX": "1"}), ["b"])
        self.assertEqual(job["spec"]["completionMode"], "Indexed")
        # The device of one is what the other asks for; the plugin's domain is squat.ai unless it is told otherwise.
        device = json.loads(plugin["spec"]["template"]["spec"]["containers"][0]["args"][1])
        self.assertEqual(f"squat.ai/{device['name']}", next(name for name in container["resources"]["limits"] if "/" in name))
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        self.assertEqual(mounted, {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]})

    @unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
    def test_an_allocation_does_the_task_of_its_index(self):
        text = read(NOMAD)
        self.assertEqual(text.count("{"), text.count("}"))
        script = json.loads(re.search(r'args += \["-c", (".*")\]', text).group(1))
        self.assertEqual(self.run_as_the_scheduler(script, {"NOMAD_ALLOC_INDEX": "0"}), ["a"])

    @unittest.skipUnless(has("hcl2"), "hcl2 is not installed")
    def test_nomad_blocks(self):
        """No schema of Nomad's is packaged: its grammar, and the blocks and keys that its documentation has."""
        import hcl2
        with open(os.path.join(FLEET, NOMAD), encoding="utf-8") as file:
            [job] = [body for blocks in hcl2.load(file)["job"] for body in blocks.values()]
        known = {"job": {"type", "group"}, "group": {"count", "restart", "reschedule", "task"},
                 "restart": {"attempts", "mode"}, "reschedule": {"attempts", "interval", "unlimited"},
                 "task": {"driver", "config", "kill_signal", "kill_timeout", "resources"}, "config": {"command", "args"},
                 "resources": {"cores", "memory"}}

        def look(kind, body):
            keys = {key for key in body if not key.startswith("__")}
            self.assertLessEqual(keys, known[kind], kind)
            for key in keys & known.keys():
                for block in body[key]:
                    labelled = key in ("group", "task")
                    for inner in block.values() if labelled else [block]:
                        if isinstance(inner, dict):
                            look(key, inner)

        look("job", job)


if __name__ == "__main__":
    harness.main()
