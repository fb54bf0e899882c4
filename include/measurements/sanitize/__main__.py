"""
The sanitizer without Airflow.

    run --input RAW --state STATE --bridges MAP    every batch whose manifest matches; one line per report with --json
    explain FILE                                   what would be, or was, done to a report, and why
    redrive FILE|REASON                            send held reports back (--dry-run shows them)

Exit code 0 when the work was done, whatever became of single reports; 1 when it could not be done.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from include.common.emit import Emit, no_events
from include.common.spool_events import spool_events
from include.common.stage_ledger import StageLedger
from include.measurements.sanitize import config, pipeline
from include.measurements.sanitize.explain import explain
from include.measurements.sanitize.redrive import find, redrive
from include.measurements.sanitize.settle import Report
from include.measurements.state_folders import StateFolders
from spool.errors import SpoolError

STREAM = "measurements"

Command = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; see the module's docstring."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except SpoolError as error:
        sys.stderr.write(f"{error}\n{error.hint and 'What to do: ' + error.hint}\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    options.state.mkdir(parents=True, exist_ok=True)
    folders = StateFolders(options.state)
    with StageLedger(options.state, options.installation) as ledger:
        job = pipeline.Job(
            raw=options.input or options.state / "raw",
            folders=folders,
            bridges=options.bridges,
            settings=settings,
            ledger=ledger,
            emit=_events(),
            limit=pipeline.Limit(options.max_reports, options.max_seconds),
            tell=_print_json if options.json else _print_text,
        )
        summary = pipeline.run(job)
    if not options.json:
        _print(f"{asdict(summary)}")
    return 0


def _explain(options: argparse.Namespace) -> int:
    folders = StateFolders(options.state) if options.state.exists() else None
    explanation = explain(options.file, folders, options.bridges, config.load(options.config))
    if options.json:
        _print(json.dumps(explanation.as_dict()))
    else:
        _print("\n".join(explanation.lines()))
    return 0


def _redrive(options: argparse.Namespace) -> int:
    folders = StateFolders(options.state)
    held = find(folders, options.what)
    if not options.dry_run:
        redrive(folders, held, _events())
    verb = "would go" if options.dry_run else "went"
    for one in held:
        line = {"file": one.report, "reason": one.reason, "to": one.source, "dry_run": options.dry_run}
        _print(json.dumps(line) if options.json else f"{one.report} ({one.reason}) {verb} back to {one.source}")
    return 0


def _events() -> Emit:
    """Onto the stream `measurements` where a spool folder is named; a restore runs us without one."""
    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        return no_events
    from spool import settings
    from spool.intake.client import SpoolClient

    client = SpoolClient(Path(folder), settings.load())
    return spool_events(
        lambda stream, events: client.append(stream, events, acknowledgement="disk"), STREAM, "spillway/sanitize"
    )


def _print_json(report: Report) -> None:
    _print(json.dumps(report._asdict()))


def _print_text(report: Report) -> None:
    bad = f", {report.bad} bad" if report.bad else ""
    _print(f"{report.file}: {report.status} {report.reason} ({report.documents} documents{bad})")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.measurements.sanitize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    state = Path(os.environ.get("SPILLWAY_STATE", "state"))
    bridges = Path(os.environ.get("SPILLWAY_BRIDGES", "bridges.json"))
    run = commands.add_parser("run", help="sanitize every batch that waits")
    run.add_argument("--input", type=Path, help="the folder of collectors (default: raw in the state folder)")
    run.add_argument("--max-reports", type=int, default=pipeline.Limit().reports, help="default: %(default)s")
    run.add_argument("--max-seconds", type=float, default=pipeline.Limit().deadline_s, help="default: %(default)s")
    run.add_argument("--installation", default=os.environ.get("SPILLWAY_INSTALLATION", "local"), help="for the counts")
    run.set_defaults(command=_run)
    explaining = commands.add_parser("explain", help="which rule touched what, and why something was held")
    explaining.add_argument("file", help="a path, or <collector>/<batch>/<path>")
    explaining.set_defaults(command=_explain)
    sending = commands.add_parser("redrive", help="send held reports back")
    sending.add_argument("what", metavar="FILE|REASON")
    sending.add_argument("--dry-run", action="store_true", help="only show them")
    sending.set_defaults(command=_redrive)
    for verb in (run, explaining, sending):
        verb.add_argument("--state", type=Path, default=state, help="the state folder (%(default)s)")
        verb.add_argument("--config", type=Path, default=config.DEFAULT_FILE, help="default: %(default)s")
        verb.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    for verb in (run, explaining):
        verb.add_argument("--bridges", type=Path, default=bridges, help="the bridge map (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
