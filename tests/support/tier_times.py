"""The last lines of a test run: the time that each tier took, and the ten slowest tests."""

from __future__ import annotations

from collections import Counter

import pytest

SLOWEST = 10


class TierTimes:
    """A tier is a folder of `tests`. Its time is the sum over its tests, set-up and tear-down included."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("@")[0]] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seconds) <= SLOWEST:
            return
        terminalreporter.section("time")
        for line in self.lines():
            terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        seconds: Counter[str] = Counter()
        tests: Counter[str] = Counter()
        for name, spent in self._seconds.items():
            seconds[tier(name)] += spent
            tests[tier(name)] += 1
        rows = [f"{spent:7.1f} s  {tests[name]:5} tests  {name}" for name, spent in seconds.most_common()]
        return [*rows, "slowest:", *(f"{spent:7.1f} s  {name}" for name, spent in self._seconds.most_common(SLOWEST))]


def tier(nodeid: str) -> str:
    """`unit` for tests/unit/log/test_x.py::test_y"""
    parts = nodeid.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else parts[0]
