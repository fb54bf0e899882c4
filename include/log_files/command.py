"""The command of `python -m include.log_files`."""

from __future__ import annotations

import argparse

from include.log_files import config
from include.log_files.pipeline import take_in
from spool import settings
from spool.command_line import Output, Verb
from spool.intake.client import SpoolClient
from spool.store.s3_store import s3_store_from_places


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", help="absolute paths or globs below the roots of config/log_files.yml")
    parser.add_argument("--stream", default=config.IntakeRequest.stream, help="(%(default)s)")
    parser.add_argument("--max-events", type=int, default=config.IntakeRequest.max_events, help="(%(default)s)")


def _run(options: argparse.Namespace, output: Output) -> int:
    request = config.intake_request(
        {"paths": options.paths, "stream": options.stream, "max_events": options.max_events}
    )
    places = settings.places_from_environment()
    with SpoolClient(places.folder, settings.load(), store=lambda: s3_store_from_places(places)) as client:
        summary = take_in(client, request, config.load())
    output.result(summary, f"appended {summary['events']:,} lines of {summary['files']} files")
    return 0


VERB = Verb("Appends the lines of log files to a stream, without Airflow.", _add_options, _run)
