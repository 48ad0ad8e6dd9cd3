# scripted_model_process.py - tests/model/scripted_model.py as a child of a test.
import json
import os
import subprocess
import sys

import harness
from patience import seconds

PROGRAM = os.path.join(harness.SOURCE, "tests", "model", "scripted_model.py")


class ScriptedModel:
    """Serves the turns on a loopback port until the end of the `with`; `verdict` is then its judgement, "" when all is well."""

    def __init__(self, sandbox, turns, key):
        script = sandbox.write("model/script.json", json.dumps({"turns": turns}))
        self._record = sandbox.path("model/requests.jsonl")
        self._argv = [sys.executable, PROGRAM, script, "--record", self._record, "--require-key", key, "--until-eof"]
        self.verdict = None

    def __enter__(self):
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.upstream = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def __exit__(self, *_):
        _, words = self._process.communicate(timeout=seconds(20))
        self.verdict = words.decode() if self._process.returncode else ""

    def requests(self):
        if not os.path.exists(self._record):
            return []
        with open(self._record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
