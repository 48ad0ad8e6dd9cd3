"""python3 -m latency FILE: the table of a log."""

import sys

from latency.log import read_log
from latency.summary import summarize, table


def main(argv):
    if len(argv) != 1:
        print("usage: python3 -m latency FILE", file=sys.stderr)
        return 2
    try:
        with open(argv[0], encoding="utf-8", errors="replace") as file:
            requests, unreadable = read_log(file)
    except OSError as error:
        print(f"latency: {error}", file=sys.stderr)
        return 1
    print(table(summarize(requests)))
    if unreadable:
        print(f"{unreadable} lines could not be read", file=sys.stderr)
    return 0


sys.exit(main(sys.argv[1:]))
