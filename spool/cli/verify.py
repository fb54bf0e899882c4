"""`verify`: what the archive holds against what Kafka's readers see."""

from __future__ import annotations

import argparse

from spool.audit.verify import verify
from spool.audit.verify_report import demand_green
from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option
from spool.command_line import Output, Verb


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=False)
    parser.add_argument("--full", action="store_true", help="read every event, not only the notes of their delivery")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    store = built.store()
    alarms = built.alarm_book(store)
    kafka = built.kafka()
    reports = [
        verify(built.settings, stream, store, kafka, full=options.full, alarms=alarms)
        for stream in built.streams(options.stream)
    ]
    rows = [{**row._asdict(), "green": row.is_green} for report in reports for row in report.rows]
    output.table(rows, empty="the archive holds no log: nothing to verify")
    demand_green(reports)
    return 0


VERB = Verb(
    description="One row for each log. Exit code 5: events or segments are missing, doubled or out of order.",
    add_options=_add_options,
    run=_run,
)
