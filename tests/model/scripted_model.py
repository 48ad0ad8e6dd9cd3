#!/usr/bin/env python3
# scripted_model.py - an OpenAI Responses server that says what a script tells it to, for tests and the demo.
"""usage: scripted_model.py SCRIPT [--port N] [--port-file FILE] [--record FILE] [--require-key KEY]

Listens on 127.0.0.1 and prints its port as the first line of stdout (and into FILE, written whole or not at all).
Ends on SIGTERM, SIGINT or, with --until-eof, at the end of stdin: exit code 0 when every session got through its
script and every expectation was met, else 1 with one line on stderr for each thing that was wrong.

SCRIPT is JSON (.json) or TOML (.toml):

  {"turns": [
     {"say": [{"exec": "ls"}]},
     {"expect_contains": ["README"], "say": [{"message": "There is a README."}]}]}

Each POST to .../responses of a session (header session-id; "" without one) takes the next turn of the script:
  say                  items of the answer, in order:
                         {"exec": CMD}                          a call of exec_command; more keys are more arguments
                         {"mcp": SERVER, "tool": T, "arguments": {...}}   a call of an MCP server's tool
                         {"message": TEXT}                      the assistant speaks
                         {"type": ...}                          any item of the API as it is
  expect_contains      texts that must stand in what is new in the request since the last turn, else the answer is a
                       400 that says what is missing
  expect_not_contains  texts that must not
  hold                 a FIFO: no event before its writer has closed it, for a test to look around meanwhile
  delay_ms             pause before each event of the answer (0)
  status, body         answer with this status and text instead of a stream
A request after the last turn is answered with 400.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 64 << 20
TURN_KEYS = {"say", "expect_contains", "expect_not_contains", "delay_ms", "hold", "status", "body"}


class ScriptError(Exception):
    """A script that does not say what it should."""


def load_script(path):
    """The list of turns of a script file."""
    with open(path, "rb") as file:
        script = tomllib.load(file) if path.endswith(".toml") else json.load(file)
    turns = script.get("turns") if isinstance(script, dict) else None
    if not isinstance(turns, list) or not turns:
        raise ScriptError(f'{path}: "turns" must be a list that is not empty')
    for number, turn in enumerate(turns, 1):
        unknown = set(turn) - TURN_KEYS
        if unknown:
            raise ScriptError(f"{path}: turn {number}: unknown key {sorted(unknown)[0]!r}")
        for item_number, item in enumerate(turn.get("say", []), 1):
            make_item(item, f"{number}_{item_number}")
    return turns


def make_item(item, mark):
    """An item of the API from the script's short form; `mark` makes its id unique."""
    if "type" in item:
        return item
    if "exec" in item:
        arguments = {"cmd": item["exec"], **{key: value for key, value in item.items() if key != "exec"}}
        return {
            "type": "function_call",
            "id": f"fc_{mark}",
            "call_id": f"call_{mark}",
            "name": "exec_command",
            "arguments": json.dumps(arguments),
        }
    if "mcp" in item:
        return {
            "type": "function_call",
            "id": f"fc_{mark}",
            "call_id": f"call_{mark}",
            "namespace": f"mcp__{item['mcp']}",
            "name": item["tool"],
            "arguments": json.dumps(item.get("arguments", {})),
        }
    if "message" in item:
        return {
            "type": "message",
            "id": f"msg_{mark}",
            "role": "assistant",
            "content": [{"type": "output_text", "text": item["message"]}],
        }
    raise ScriptError(f"turn item {mark}: one of exec, mcp, message or type is needed")


def make_events(turn, number):
    """The events of a turn's answer, as (name, document)."""
    response_id = f"resp_{number}"
    items = [make_item(item, f"{number}_{index}") for index, item in enumerate(turn.get("say", []), 1)]
    yield "response.created", {"type": "response.created", "response": {"id": response_id}}
    for index, item in enumerate(items):
        yield (
            "response.output_item.done",
            {"type": "response.output_item.done", "output_index": index, "item": item},
        )
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }
    yield "response.completed", {"type": "response.completed", "response": {"id": response_id, "usage": usage}}


def texts_of(value):
    """All strings of a document, one a line: what people would look for a text in."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(texts_of(inner) for inner in value.values())
    if isinstance(value, list):
        return "\n".join(texts_of(inner) for inner in value)
    return ""


class Session:
    """How far one agent has come in the script."""

    def __init__(self):
        self.turn = 0
        self.seen_items = 0


class ScriptedModel:
    """The script, the sessions and what went wrong; shared by all connections."""

    def __init__(self, turns, record=None, key=None):
        self.turns = turns
        self.key = key
        self.sessions = {}
        self.problems = []
        self.lock = threading.Lock()
        self.record_file = open(record, "a", encoding="utf-8", buffering=1) if record else None

    def record(self, entry):
        if self.record_file:
            with self.lock:
                self.record_file.write(json.dumps(entry) + "\n")

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def take_turn(self, session_id, request):
        """(turn, its number, None) or (None, None, the reason for a 400)."""
        with self.lock:
            session = self.sessions.setdefault(session_id, Session())
            if session.turn >= len(self.turns):
                return None, None, f"the script has only {len(self.turns)} turns"
            turn = self.turns[session.turn]
            number = session.turn + 1
            items = request.get("input")
            items = items if isinstance(items, list) else [items]
            new = texts_of(items[session.seen_items :])
            for text in turn.get("expect_contains", []):
                if text not in new:
                    return None, None, f"turn {number}: the request lacks {text!r}; it brought: {new[-2000:]}"
            for text in turn.get("expect_not_contains", []):
                if text in new:
                    return None, None, f"turn {number}: the request must not hold {text!r}"
            session.turn += 1
            session.seen_items = len(items)
            return turn, number, None

    def verdict(self):
        """What was wrong, as sentences; to be asked when all is over."""
        problems = list(self.problems)
        if not self.sessions:
            problems.append("nobody asked anything")
        for session_id, session in self.sessions.items():
            if session.turn < len(self.turns):
                problems.append(f"session {session_id!r} came to turn {session.turn} of {len(self.turns)}")
        return problems


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        self.server.model.record(self.entry(None))
        if self.path.rstrip("/").endswith("/models"):
            self.answer(200, {"object": "list", "data": [{"id": "scripted-model", "object": "model"}]})
        else:
            self.error(404, f"no such path: {self.path}")

    def do_POST(self):
        model = self.server.model
        body = self.read_body()
        if body is None:
            return
        try:
            request = json.loads(body)
        except ValueError as error:
            request = None
            reason = f"the body is no JSON: {error}"
        model.record(self.entry(request if request is not None else body.decode("utf-8", "replace")))
        if model.key is not None and self.headers.get("authorization") != f"Bearer {model.key}":
            model.problem("a request came without the right key")
            self.error(401, "the right key is missing")
            return
        if not self.path.split("?")[0].endswith("/responses"):
            self.error(404, f"no such path: {self.path}")
            return
        if not isinstance(request, dict):
            self.error(400, reason if request is None else "the body is no object")
            return
        turn, number, reason = model.take_turn(self.headers.get("session-id", ""), request)
        if turn is None:
            model.problem(reason)
            self.error(400, reason)
        elif "status" in turn:
            self.answer(turn["status"], turn.get("body", {"error": {"message": "scripted"}}))
        else:
            self.stream(turn, number)

    def read_body(self):
        """The request's body with either framing, or None after answering that it cannot be read."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.rfile.readline(100).split(b";")[0], 16)
                if len(body) + size > MAX_BODY:
                    self.error(413, "the body is too long")
                    return None
                body += self.rfile.read(size)
                self.rfile.readline(100)
                if size == 0:
                    return body
        length = int(self.headers.get("content-length", "0"))
        if length > MAX_BODY:
            self.error(413, "the body is too long")
            return None
        return self.rfile.read(length)

    def entry(self, body):
        return {
            "time": time.time(),
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
        }

    def stream(self, turn, number):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if "hold" in turn:
            with open(turn["hold"], "rb") as file:
                file.read()
        for name, document in make_events(turn, number):
            time.sleep(turn.get("delay_ms", 0) / 1000)
            event = f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, document):
        body = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, message):
        self.answer(status, {"error": {"message": message, "type": "scripted_model", "param": None, "code": None}})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that goes away in the middle is its own affair.
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(turns, port=0, record=None, key=None):
    """A listening server whose serve_forever() the caller runs."""
    server = Server(("127.0.0.1", port), Handler)
    server.model = ScriptedModel(turns, record, key)
    return server


def main(argv):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n", 1)[0])
    parser.add_argument("script")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--record")
    parser.add_argument("--require-key")
    parser.add_argument("--until-eof", action="store_true")
    options = parser.parse_args(argv)
    try:
        turns = load_script(options.script)
    except (OSError, ValueError, ScriptError) as error:
        print(f"scripted_model: {error}", file=sys.stderr)
        return 2
    server = serve(turns, options.port, options.record, options.require_key)
    port = server.server_address[1]

    def stop(*_):
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if options.until_eof:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), stop()), daemon=True).start()
    if options.port_file:
        with open(options.port_file + ".part", "w", encoding="ascii") as file:
            file.write(f"{port}\n")
        os.rename(options.port_file + ".part", options.port_file)
    print(port, flush=True)
    server.serve_forever()
    problems = server.model.verdict()
    for problem in problems:
        print(f"scripted_model: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
