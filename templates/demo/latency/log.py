"""Reads access logs, one request a line."""

from typing import NamedTuple


class Request(NamedTuple):
    path: str
    status: int
    milliseconds: float


def parse_line(line):
    """The request a line tells of, or None."""
    fields = line.split()
    if len(fields) != 5:
        return None
    try:
        return Request(fields[2], int(fields[3]), float(fields[4]))
    except ValueError:
        return None


def read_log(lines):
    """All requests, and how many lines could not be read."""
    requests, unreadable = [], 0
    for line in lines:
        if not line.strip():
            continue
        request = parse_line(line)
        if request is None:
            unreadable += 1
        else:
            requests.append(request)
    return requests, unreadable
