"""`status`: what the tasks published last: logs, alarms, dead letters, counts. Asks no neighbour."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from spool.clock import now_ms, rfc3339
from spool.command_line import Output, UsageError, Verb
from spool.errors import SettingsError
from spool.status.board import STALE_S, Board
from spool.status.section import Section


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="only these, such as `logs` or `alarms` (all)")


def _run(options: argparse.Namespace, output: Output) -> int:
    board = Board(_folder())
    published = {section.name: section for section in board.sections()}
    if unknown := sorted(set(options.sections) - set(published)):
        names = ", ".join(published) or "none"
        raise UsageError(
            f"no section {unknown[0]!a} is published here",
            hint=f"published are: {names}; the DAG spool_status publishes them",
        )
    if not published:
        output.result({"sections": 0}, "nothing is published here yet: run the DAG spool_status")
    for name in options.sections or published:
        _show(published[name], output)
    return 0


def _show(section: Section, output: Output) -> None:
    age_s = section.age_s(now_ms())
    taken = rfc3339(section.taken_ms) if section.taken_ms else None
    about = {"section": section.name, "taken": taken, "age_s": round(age_s, 1) if taken else None}
    if output.as_json:
        output.result({**about, "rows": [dict(row) for row in section.rows], "troubles": list(section.troubles)}, "")
        return
    output.result(about, f"{section.name}, {_as_of(taken, age_s)}")
    for trouble in section.troubles:
        output.result({}, f"  {trouble}")
    output.table(section.rows, empty="  (no rows)")
    output.result({}, "")


def _as_of(taken: str | None, age_s: float) -> str:
    if taken is None:
        return "never taken"
    stale = ": does the DAG spool_status run?" if age_s > STALE_S else ""
    return f"as of {taken}, {age_s:,.0f} s ago{stale}"


def _folder() -> Path:
    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        raise SettingsError("SPOOL_FOLDER is not set", hint="`make status` prints the variables of the local stack")
    return Path(folder)


VERB = Verb(
    description="Shows what the DAG spool_status published on this host: each section with the time it was taken. "
    "`stats` asks the neighbours themselves.",
    add_options=_add_options,
    run=_run,
)
