import unittest

from latency.log import Request, parse_line, read_log


class ParseLine(unittest.TestCase):
    def test_a_request(self):
        self.assertEqual(parse_line("2026-05-04T08:00:00Z GET / 200 10.5"), Request("/", 200, 10.5))

    def test_anything_else(self):
        for line in ["", "hello", "2026-05-04T08:00:00Z GET / ok 10.5", "2026-05-04T08:00:00Z GET / 200 fast"]:
            self.assertIsNone(parse_line(line), line)


class ReadLog(unittest.TestCase):
    def test_unreadable_lines_are_counted_and_blank_ones_are_not(self):
        requests, unreadable = read_log(["t GET /a 200 1\n", "\n", "what?\n"])
        self.assertEqual(requests, [Request("/a", 200, 1.0)])
        self.assertEqual(unreadable, 1)
