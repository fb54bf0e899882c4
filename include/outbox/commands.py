"""The verbs of `python -m include.outbox`."""

from __future__ import annotations

import argparse
import os

from sqlalchemy import Engine

from include.database.connection import database_from_environment
from include.outbox.drain import drain, failed
from include.outbox.waiting import waiting
from spool import settings
from spool.clock import Deadline
from spool.command_line import Output, Verb
from spool.command_line.exit_codes import worst
from spool.command_line.options import seconds, whole_number
from spool.intake.client import SpoolClient
from spool.store.object_store import ObjectStore

SECONDS = 60.0


def _status(options: argparse.Namespace, output: Output) -> int:
    return _show_waiting(database_from_environment(), output)


def _drain(options: argparse.Namespace, output: Output) -> int:
    database = database_from_environment()
    if options.dry_run:
        return _show_waiting(database, output)
    deadline = Deadline.after(options.seconds)
    with _spool() as spool:
        summaries = drain(database, spool, options.installation, deadline=deadline, max_events=options.max_events)
    for stream, summary in summaries.items():
        row = {"stream": stream, "events": summary.events, "batches": summary.batches}
        output.result(row, f"{stream}: {summary.events:,} events in {summary.batches:,} batches")
    errors = failed(summaries)
    for stream, error in errors.items():
        output.error(error, about={"stream": stream})
    return worst(errors.values())


def _show_waiting(database: Engine, output: Output) -> int:
    output.table([row._asdict() for row in waiting(database)], empty="nothing waits, and nothing ever did")
    return 0


def _spool() -> SpoolClient:
    places = settings.places_from_environment()

    def store() -> ObjectStore:
        from spool.store.s3_store import s3_store_from_places  # boto3, which an append on disk does not need

        return s3_store_from_places(places)

    return SpoolClient(places.folder, settings.load(), store=store)


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Everything is in the environment."""


def _drain_options(parser: argparse.ArgumentParser) -> None:
    installation = os.environ.get("SPILLWAY_INSTALLATION", "local")
    parser.add_argument(
        "--installation", default=installation, help="whose outbox this is; part of the producer's name (%(default)s)"
    )
    parser.add_argument("--seconds", type=seconds, default=SECONDS, help="end after so long (%(default)s)")
    parser.add_argument(
        "--max-events", type=whole_number, default=None, metavar="N", help="end after about N events of a stream (all)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what waits")


STATUS = Verb("Shows what waits, and how far the drain of each stream is. Changes nothing.", _no_options, _status)
DRAIN = Verb(
    "Appends what waits to the streams of this host's spool folder, each event once, and deletes it from the outbox. "
    "May be run again at any time; a stream that fails stops no other.",
    _drain_options,
    _drain,
)
