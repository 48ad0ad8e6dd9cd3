#!/usr/bin/env python3
# scripted_model_test.py - the scripted model against plain HTTP clients.
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import scripted_model  # noqa: E402

SCRIPT = [
    {"say": [{"exec": "ls", "yield_time_ms": 1000}, {"mcp": "nixos", "tool": "nix", "arguments": {"action": "info"}}]},
    {"expect_contains": ["README"], "expect_not_contains": ["secret"], "say": [{"message": "done"}]},
]


def events_of(body):
    """The data of each event of a stream."""
    return [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]


class ServerTest(unittest.TestCase):
    def start(self, turns=None, **options):
        server = scripted_model.serve(turns or SCRIPT, **options)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(server.shutdown)
        self.server = server
        self.base = f"http://127.0.0.1:{server.server_address[1]}/v1"
        return server

    def ask(self, items, session="a", headers=None):
        """(status, body) of a request for the next turn."""
        request = urllib.request.Request(
            self.base + "/responses",
            json.dumps({"model": "m", "stream": True, "input": items}).encode(),
            {"Content-Type": "application/json", "session-id": session, **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def test_turns_come_in_order_with_all_their_items(self):
        self.start()
        status, body = self.ask(["go"])
        self.assertEqual(status, 200)
        events = events_of(body)
        self.assertEqual([event["type"] for event in events][0], "response.created")
        self.assertEqual([event["type"] for event in events][-1], "response.completed")
        first, second = (event["item"] for event in events[1:3])
        self.assertEqual((first["name"], json.loads(first["arguments"])), ("exec_command", {"cmd": "ls", "yield_time_ms": 1000}))
        self.assertEqual((second["namespace"], second["name"]), ("mcp__nixos", "nix"))
        status, body = self.ask(["go", {"output": "README.md"}])
        self.assertEqual(events_of(body)[1]["item"]["content"][0]["text"], "done")
        self.assertEqual(self.server.model.verdict(), [])

    def test_each_session_begins_at_the_top(self):
        self.start()
        for session in ["a", "b"]:
            self.assertEqual(events_of(self.ask(["go"], session)[1])[1]["item"]["name"], "exec_command")

    def test_a_missed_expectation_is_told_and_remembered(self):
        self.start()
        self.ask(["go README"])
        # What was there before this turn does not count.
        status, body = self.ask(["go README", "nothing"])
        self.assertEqual(status, 400)
        self.assertIn("lacks 'README'", json.loads(body)["error"]["message"])
        self.assertEqual(len(self.server.model.verdict()), 2)

    def test_what_must_not_stand_there(self):
        self.start()
        self.ask(["go"])
        self.assertIn("must not hold 'secret'", self.ask(["go", "README secret"])[1].decode())

    def test_a_request_after_the_end_is_refused(self):
        self.start([{"say": [{"message": "one"}]}])
        self.assertEqual(self.ask(["go"])[0], 200)
        self.assertEqual(self.ask(["go", "on"])[0], 400)

    def test_a_key_can_be_required(self):
        self.start(key="k1")
        self.assertEqual(self.ask(["go"])[0], 401)
        self.assertEqual(self.ask(["go"], headers={"Authorization": "Bearer k1"})[0], 200)
        self.assertIn("a request came without the right key", self.server.model.verdict())

    def test_a_status_instead_of_a_stream(self):
        self.start([{"status": 429, "body": {"error": {"message": "slow down"}}}])
        status, body = self.ask(["go"])
        self.assertEqual((status, json.loads(body)["error"]["message"]), (429, "slow down"))

    def test_events_come_one_by_one(self):
        self.start([{"delay_ms": 150, "say": [{"message": "slow"}]}])
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1])
        self.addCleanup(connection.close)
        start = time.monotonic()
        connection.request("POST", "/v1/responses", json.dumps({"input": []}))
        answer = connection.getresponse()
        answer.readline()
        first = time.monotonic() - start
        answer.read()
        self.assertLess(first, 0.35)
        self.assertGreater(time.monotonic() - start, 0.4)

    def test_an_answer_is_held_until_a_fifo_has_been_written(self):
        with tempfile.TemporaryDirectory() as folder:
            held = os.path.join(folder, "held")
            os.mkfifo(held)
            self.start([{"hold": held, "say": [{"message": "at last"}]}])
            connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=20)
            self.addCleanup(connection.close)
            connection.request("POST", "/v1/responses", json.dumps({"input": []}))
            with open(held, "wb"):  # returns when the model reads
                answer = connection.getresponse()
                self.assertEqual(select.select([connection.sock], [], [], 0.2)[0], [], "the stream has begun, and that is all")
            self.assertIn("at last", answer.read().decode())

    def test_chunked_requests_are_read_and_recorded_with_their_headers(self):
        with tempfile.TemporaryDirectory() as folder:
            record = os.path.join(folder, "record.jsonl")
            self.start(record=record)
            connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1])
            self.addCleanup(connection.close)
            body = [b'{"input": ', b'["go"]}']
            connection.request("POST", "/v1/responses", iter(body), {"Authorization": "Bearer x"}, encode_chunked=True)
            self.assertEqual(connection.getresponse().status, 200)
            with open(record, encoding="utf-8") as file:
                entry = json.loads(file.readline())
            self.assertEqual((entry["headers"]["authorization"], entry["body"]), ("Bearer x", {"input": ["go"]}))
            self.server.model.record_file.close()

    def test_other_paths(self):
        self.start()
        with urllib.request.urlopen(self.base + "/models") as answer:
            self.assertEqual(json.load(answer)["object"], "list")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.base + "/other")
        caught.exception.close()
        self.assertEqual(caught.exception.code, 404)


class ProgramTest(unittest.TestCase):
    def run_program(self, script, ask):
        """(exit code, stderr) of the program after `ask(port)`."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "script.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(script, file)
            port_file = os.path.join(folder, "port")
            program = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "scripted_model.py"), path, "--port-file", port_file],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            first_line = program.stdout.readline()
            if first_line:
                with open(port_file, encoding="ascii") as file:
                    self.assertEqual(file.read(), first_line)
                ask(int(first_line))
                program.send_signal(signal.SIGTERM)
            _, errors = program.communicate(timeout=20)
            return program.returncode, errors

    @staticmethod
    def ask(port):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/responses", b'{"input": ["go"]}').read()

    def test_ends_well_when_all_was_said(self):
        self.assertEqual(self.run_program({"turns": [{"say": [{"message": "hi"}]}]}, self.ask), (0, ""))

    def test_ends_badly_when_something_is_left_unsaid(self):
        code, errors = self.run_program({"turns": [{"say": []}, {"say": []}]}, self.ask)
        self.assertEqual(code, 1)
        self.assertIn("came to turn 1 of 2", errors)

    def test_a_wrong_script_is_a_usage_error(self):
        for script in [{}, {"turns": [{"tell": []}]}, {"turns": [{"say": [{"shout": "x"}]}]}]:
            code, errors = self.run_program(script, None)
            self.assertEqual(code, 2, errors)
            self.assertIn("scripted_model: ", errors)

    def test_the_scripts_of_the_project_are_well_formed(self):
        folder = os.path.join(HERE, "scripts")
        for name in sorted(os.listdir(folder)):
            self.assertTrue(scripted_model.load_script(os.path.join(folder, name)), name)


if __name__ == "__main__":
    unittest.main()
