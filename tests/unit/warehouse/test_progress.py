"""Progress while a table is loaded: seldom, with rate and what is left."""

from __future__ import annotations

from include.warehouse.snapshot.progress import REPORT_EVERY_S, Meter, Progress


def test_it_is_reported_at_most_every_few_seconds_with_what_is_left() -> None:
    now, reported = [0.0], []
    meter = Meter("berlin/t", 1000, reported.append, clock=lambda: now[0])
    for _ in range(8):
        now[0] += REPORT_EVERY_S / 2
        meter.count(100)
    assert [progress.rows for progress in reported] == [200, 400, 600, 800]
    assert reported[0] == Progress("berlin/t", 200, 1000, REPORT_EVERY_S)
    assert str(reported[0]) == "berlin/t: 200 of 1,000 rows, 40 rows/s, about 20 s left"


def test_before_the_first_row_nothing_is_estimated() -> None:
    assert str(Progress("t", 0, 10, 0.0)) == "t: 0 of 10 rows, 0 rows/s"
