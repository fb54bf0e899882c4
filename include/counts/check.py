"""The check that nothing was lost: what went into a stage has come out, or is known to have been held."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from include.counts.stage_count import StageCount
from spool.errors import TerminalError


class CountsDiffer(TerminalError):
    """What went into a stage is not what came out of it."""


class CountsMissing(TerminalError):
    """The table is empty or old: where nothing is counted, nothing can differ."""


def differences(counts: Iterable[StageCount]) -> list[StageCount]:
    """The rows where in != out + quarantined + errored."""
    return [count for count in counts if count.difference]


def demand_fresh(counts: Iterable[StageCount], day: date) -> None:
    """CountsMissing unless every installation in `counts` has sent some on `day` or later, and there is one."""
    latest: dict[str, date] = {}
    for count in counts:
        latest[count.installation] = max(count.day, latest.get(count.installation, date.min))
    hint = "look at the task send_counts of the DAGs that move measurement reports; is MariaDB reachable from there?"
    if not latest:
        raise CountsMissing("the table stage_counts has no rows of these days", hint=hint)
    if old := sorted(f"{name} (last on {last})" for name, last in latest.items() if last < day):
        raise CountsMissing(f"no counts of {day} or later from {', '.join(old)}", hint=hint)


def check(counts: Iterable[StageCount]) -> int:
    """The number of rows checked; CountsDiffer names every difference."""
    rows = list(counts)
    if wrong := differences(rows):
        named = "; ".join(
            f"{c.feature}.{c.stage} of {c.installation} on {c.day}: in {c.count_in} != out {c.count_out}"
            f" + quarantined {c.quarantined} + errored {c.errored} (difference {c.difference})"
            for c in wrong
        )
        raise CountsDiffer(named, hint="docs/runbooks/counts-differ.md says how to find the items")
    return len(rows)
