"""What a feature appended: counts and offset ranges, small enough for a task's answer."""

from __future__ import annotations

from spool.event import Accepted


class Appended:
    """Sums answers of the client. Per log the lowest and highest offset; other writers may have offsets in between."""

    def __init__(self) -> None:
        self.events = 0
        self.acknowledgement = ""
        self.ranges: dict[str, dict[str, int]] = {}

    def add(self, accepted: Accepted) -> None:
        self.events += accepted.event_count
        self.acknowledgement = accepted.acknowledgement
        for given in accepted.ranges:
            span = self.ranges.setdefault(accepted.log, {"first": given.first, "last": given.next - 1, "events": 0})
            # Answers of appends that ran side by side come in any order.
            span["first"] = min(span["first"], given.first)
            span["last"] = max(span["last"], given.next - 1)
            span["events"] += given.event_count
