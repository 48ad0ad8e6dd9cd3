import unittest

from latency.log import Request
from latency.summary import Summary, median, summarize, table


class Median(unittest.TestCase):
    def test_of_an_odd_number(self):
        self.assertEqual(median([30, 10, 20]), 20)

    def test_of_an_even_number(self):
        self.assertEqual(median([40, 10, 30, 20]), 25)


class Summarize(unittest.TestCase):
    def test_by_path(self):
        requests = [Request("/b", 200, 5.0), Request("/a", 200, 1.0), Request("/b", 503, 7.0), Request("/b", 404, 6.0)]
        self.assertEqual(summarize(requests), [Summary("/a", 1, 0, 1.0), Summary("/b", 3, 1, 6.0)])


class Table(unittest.TestCase):
    def test_columns_stand_below_their_names(self):
        lines = table([Summary("/a", 1, 0, 1.25)]).splitlines()
        self.assertEqual(len(lines[0]), len(lines[1]))
        self.assertTrue(lines[1].endswith("1.2"))
