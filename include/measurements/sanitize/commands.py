"""The verbs of `python -m include.measurements.sanitize`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from include.common.command_options import (
    add_config_option,
    add_installation_option,
    add_state_option,
    events_of,
)
from include.common.emit import Emit
from include.counts.ledger import StageLedger
from include.measurements.batch_manifest import MANIFEST_SUFFIX
from include.measurements.sanitize import config, pipeline
from include.measurements.sanitize.errors import NoBatches
from include.measurements.sanitize.explain import explain
from include.measurements.sanitize.redrive import find, redrive
from include.measurements.sanitize.settle import Report
from include.measurements.state_folders import StateFolders
from spool.command_line import Output, Verb
from spool.command_line.options import seconds, whole_number


def _run(options: argparse.Namespace, output: Output) -> int:
    settings = config.load(options.config)
    if options.input is not None:
        _check_layout(options.input)
    options.state.mkdir(parents=True, exist_ok=True)
    with (
        StageLedger(options.state, options.installation) as ledger,
        output.progress("sanitize measurement reports") as advance,
    ):
        job = pipeline.Job(
            raw=options.input or options.state / "raw",
            folders=StateFolders(options.state),
            bridges=options.bridges,
            settings=settings,
            ledger=ledger,
            emit=_events(),
            limit=pipeline.Limit(options.max_reports, options.max_seconds),
            on_settled=_printer(output, advance),
        )
        summary = pipeline.run(job)
    if not options.json:  # for a program the lines of the measurement reports say it all
        output.fields(asdict(summary))
    return 0


def _check_layout(raw: Path) -> None:
    """NoBatches where files are in no batch: `run` would do nothing with them, and say nothing."""
    has_batches = any(raw.glob(f"*/*{MANIFEST_SUFFIX}"))
    loose = sum(file.is_file() for file in (raw.iterdir() if has_batches else raw.rglob("*")))
    if loose or not raw.is_dir():
        raise NoBatches(
            f"{loose} files of the input folder are in no batch",
            hint="the input folder holds <collector>/<batch>/ with files, and beside it <collector>/<batch>.manifest"
            " with a line `sha256  path` for each: `cd BATCH && sha256sum * > ../BATCH.manifest`",
        )


def _explain(options: argparse.Namespace, output: Output) -> int:
    folders = StateFolders(options.state) if options.state.exists() else None
    explanation = explain(options.file, folders, options.bridges, config.load(options.config))
    output.result(explanation.as_dict(), "\n".join(explanation.lines()))
    return 0


def _redrive(options: argparse.Namespace, output: Output) -> int:
    folders = StateFolders(options.state)
    held = find(folders, options.what)
    if not options.dry_run:
        redrive(folders, held, _events())
    verb = "would go" if options.dry_run else "went"
    for item in held:
        row = {"file": item.shown, "reason": item.reason, "to": item.source, "dry_run": options.dry_run}
        output.result(row, f"{item.shown} ({item.reason}) {verb} back to {item.source}")
    return 0


def _events() -> Emit:
    """Onto the stream `measurements` if a spool folder is named; a restore runs this command without one."""
    return events_of("spillway/sanitize")


def _printer(output: Output, advance: Callable[[int], None]) -> Callable[[Report], None]:
    def print_report(report: Report) -> None:
        advance(1)
        bad = f", {report.bad} bad" if report.bad else ""
        sentence = f"{report.file}: {report.status} {report.reason} ({report.documents} documents{bad})"
        output.result(report._asdict(), sentence)

    return print_report


def _common_options(parser: argparse.ArgumentParser) -> None:
    add_state_option(parser)
    add_config_option(parser, config.DEFAULT_FILE)


def _bridges_option(parser: argparse.ArgumentParser) -> None:
    bridges = Path(os.environ.get("SPILLWAY_BRIDGES", "bridges.json"))
    parser.add_argument("--bridges", type=Path, default=bridges, help="the bridge map (%(default)s)")


def _run_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    _bridges_option(parser)
    add_installation_option(parser)
    limit = pipeline.Limit()
    parser.add_argument("--input", type=Path, help="the folder of collectors (raw in the state folder)")
    parser.add_argument("--max-reports", type=whole_number, default=limit.reports, help="at most (%(default)s)")
    parser.add_argument(
        "--max-seconds", type=seconds, default=limit.deadline_s, help="stop after this many seconds (%(default)s)"
    )


def _explain_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    _bridges_option(parser)
    parser.add_argument("file", help="a path, or <collector>/<batch>/<path>")


def _redrive_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("what", metavar="FILE|REASON")
    parser.add_argument("--dry-run", action="store_true", help="only show them")


RUN = Verb(
    "Sanitizes every batch whose manifest matches. With --json: one line for each measurement report.",
    _run_options,
    _run,
)
EXPLAIN = Verb(
    "Shows what would be, or was, done to a measurement report, and which rule did it.", _explain_options, _explain
)
REDRIVE = Verb("Sends held measurement reports back to where they came from.", _redrive_options, _redrive)
