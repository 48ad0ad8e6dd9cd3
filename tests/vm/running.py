# running.py - a command under test that is still running: its output as it comes, its events, its end.
import json
import os
import subprocess
import threading
import time

from patience import seconds


class Result:
    """What a finished command left: bytes of both streams, text of both, the exit code, and how long it took."""

    def __init__(self, argv, code, stdout, stderr, took):
        self.argv = argv
        self.code = code
        self.out, self.err = stdout, stderr
        self.stdout = stdout.decode(errors="replace")
        self.stderr = stderr.decode(errors="replace")
        self.took = took

    def json(self):
        return json.loads(self.stdout)

    def events(self):
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    def __repr__(self):
        command = " ".join(self.argv)
        return (f"{command}\n  exit {self.code} after {self.took:.1f} s\n  stdout: {self.stdout[-1500:]!r}\n"
                f"  stderr: {self.stderr[-3000:]!r}")


class Running:
    """Reads both streams on threads, so that neither can fill up; every wait has a deadline."""

    def __init__(self, argv, env, cwd=None, stdin=subprocess.DEVNULL, preexec=None, pass_fds=()):
        self.argv = argv
        self._started = time.monotonic()
        self.process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=preexec,
                                        pass_fds=pass_fds)
        self._changed = threading.Condition()
        self._bytes = {"stdout": bytearray(), "stderr": bytearray()}
        self._open = {"stdout", "stderr"}
        self._threads = [threading.Thread(target=self._pump, args=(name,), daemon=True) for name in self._bytes]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self):
        return self.process.pid

    def _pump(self, name):
        stream = getattr(self.process, name)
        while True:
            piece = os.read(stream.fileno(), 65536)
            with self._changed:
                if piece:
                    self._bytes[name] += piece
                else:
                    self._open.discard(name)
                self._changed.notify_all()
            if not piece:
                return

    def text(self, name):
        with self._changed:
            return self._bytes[name].decode(errors="replace")

    def events(self):
        lines = self.text("stdout").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _wait(self, look, limit, what):
        deadline = time.monotonic() + seconds(limit)
        with self._changed:
            while True:
                found = look()
                if found is not None:
                    return found
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._open:
                    break
                self._changed.wait(remaining)
        why = "time is up" if self._open else "it has ended"
        raise AssertionError(f"waited for {what}, but {why}:\n{self.so_far()}")

    def wait_event(self, name, limit=90):
        """The first event of that name on stdout (--json)."""
        return self._wait(lambda: next((event for event in self.events() if event.get("event") == name), None), limit,
                          f"the event {name}")

    def wait_text(self, text, stream="stdout", limit=90):
        """Returns once the text has come on that stream."""
        return self._wait(lambda: text if text in self.text(stream) else None, limit, f"{text!r} on {stream}")

    def so_far(self):
        return Result(self.argv, self.process.poll(), bytes(self._bytes["stdout"]), bytes(self._bytes["stderr"]),
                      time.monotonic() - self._started)

    def finish(self, limit=120):
        """Waits for the end; a command that does not end is killed, and the test fails."""
        try:
            self.process.wait(seconds(limit))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds(limit):.0f} s:\n{self.so_far()}") from None
        for thread in self._threads:
            thread.join(seconds(10))
        result = self.so_far()
        if not any(thread.is_alive() for thread in self._threads):
            self.process.stdout.close()
            self.process.stderr.close()
        return result
