"""Alarms that a test can look at."""

from __future__ import annotations


class RecordedAlarms:
    """Which alarms are open, and which conditions ever were."""

    def __init__(self) -> None:
        self.now: dict[tuple[str, str], str] = {}
        self.ever: list[str] = []

    def open(self, condition: str, subject: str, evidence: str) -> None:
        if (condition, subject) not in self.now:
            self.ever.append(condition)
        self.now[condition, subject] = evidence

    def close(self, condition: str, subject: str) -> None:
        self.now.pop((condition, subject), None)
