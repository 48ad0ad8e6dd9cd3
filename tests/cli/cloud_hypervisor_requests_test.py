# cloud_hypervisor_requests_test.py - our requests against cloud-hypervisor's own OpenAPI description, where one is at hand.
import glob
import json
import os
import unittest

import harness

try:
    import yaml
except ImportError:
    yaml = None

DATA = os.path.join(harness.SOURCE, "tests", "unit", "vmspec", "data")
OPENAPI = os.environ.get("AGENTVM_CLOUD_HYPERVISOR_OPENAPI", "")
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


class Schemas:
    """The part of OpenAPI 3 that the description uses; a name that it does not have is a mistake of ours."""

    def __init__(self, document):
        self.schemas = document["components"]["schemas"]

    def resolve(self, schema):
        return self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    def problems(self, schema, value, path):
        schema = self.resolve(schema)
        kind = schema.get("type", "object")
        if type(value) is not TYPES[kind]:
            return [f"{path} must be {kind}, not {value!r}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{path} must be one of {schema['enum']}, not {value!r}")
        if kind == "integer" and value < schema.get("minimum", value):
            found.append(f"{path} must be at least {schema['minimum']}, not {value}")
        if kind == "array":
            for index, item in enumerate(value):
                found += self.problems(schema["items"], item, f"{path}[{index}]")
        if kind == "object":
            found += [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
            for name, item in value.items():
                known = schema.get("properties", {}).get(name)
                found += self.problems(known, item, f"{path}.{name}") if known else [f"{path}.{name} is unknown"]
        return found

    def named(self, name, value):
        return self.problems(self.schemas[name], value, name)


@unittest.skipUnless(yaml, "python3-yaml is not installed")
@unittest.skipUnless(OPENAPI, "AGENTVM_CLOUD_HYPERVISOR_OPENAPI is not set to vmm/src/api/openapi/cloud-hypervisor.yaml of its source")
class CloudHypervisorRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(OPENAPI, encoding="utf-8") as file:
            cls.schemas = Schemas(yaml.safe_load(file))

    def test_vm_create(self):
        bodies = glob.glob(os.path.join(DATA, "*", "vm-create.json"))
        self.assertGreaterEqual(len(bodies), 3)
        for path in bodies:
            with open(path, encoding="utf-8") as file:
                body = json.load(file)
            self.assertEqual(self.schemas.named("VmConfig", body), [], path)
            for share in body["fs"]:  # the body of vm.add-fs is the same
                self.assertEqual(self.schemas.named("FsConfig", share), [], path)
        self.assertEqual(self.schemas.named("VmRemoveDevice", {"id": "share-late"}), [])

    def test_mistakes_are_seen(self):
        self.assertEqual(self.schemas.named("VmConfig", {"payload": {}, "cpus": {"boot_vcpus": 0, "max_vcpus": 1}}),
                         ["VmConfig.cpus.boot_vcpus must be at least 1, not 0"])
        self.assertEqual(self.schemas.named("FsConfig", {"tag": "t", "socket": "s", "queues": 1, "queue_size": "1024"}),
                         ["FsConfig.num_queues is missing", "FsConfig.queues is unknown",
                          "FsConfig.queue_size must be integer, not '1024'"])

    def test_the_table_of_the_unit_tests(self):
        """Every name and type in it is cloud-hypervisor's."""
        with open(os.path.join(DATA, "cloud-hypervisor-fields.json"), encoding="utf-8") as file:
            table = json.load(file)
        for name, fields in table.items():
            for field, kind in fields.items():
                real = self.schemas.schemas[name]["properties"].get(field)
                self.assertIsNotNone(real, f"{name}.{field}")
                if isinstance(kind, list):
                    self.assertEqual((real["type"], real["items"]["$ref"].rsplit("/", 1)[1]), ("array", kind[0]))
                else:
                    self.assertEqual(real.get("type") or real["$ref"].rsplit("/", 1)[1], kind, f"{name}.{field}")


if __name__ == "__main__":
    harness.main()
