"""Sums requests up by path."""

from typing import NamedTuple


class Summary(NamedTuple):
    path: str
    requests: int
    errors: int
    median_ms: float


def median(values):
    """The middle of the values; of an even number of them, the mean of the two in the middle."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def summarize(requests):
    """A Summary for each path, sorted by path. Statuses from 500 on are errors."""
    by_path = {}
    for request in requests:
        by_path.setdefault(request.path, []).append(request)
    return [
        Summary(
            path,
            len(group),
            sum(request.status >= 500 for request in group),
            median([request.milliseconds for request in group]),
        )
        for path, group in sorted(by_path.items())
    ]


def table(summaries):
    """The summaries as aligned text."""
    lines = [f"{'path':<20} {'requests':>8} {'errors':>8} {'median ms':>11}"]
    for summary in summaries:
        lines.append(f"{summary.path:<20} {summary.requests:>8} {summary.errors:>8} {summary.median_ms:>11.1f}")
    return "\n".join(lines)
