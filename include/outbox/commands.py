"""The verbs of `python -m include.outbox`."""

from __future__ import annotations

import argparse
import os

from sqlalchemy import Engine

from include.database.connection import database_from_environment
from include.outbox.drain import DrainSummary, drain, failed
from include.outbox.resync import resync
from include.outbox.waiting import waiting
from spool import settings
from spool.archive.archive import Archive
from spool.audit.appended_ids import appended_ids
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
        _print_summary(output, stream, summary)
    errors = failed(summaries)
    for stream, error in errors.items():
        output.error(error, about={"stream": stream})
    return worst(errors.values())


def _print_summary(output: Output, stream: str, summary: DrainSummary) -> None:
    row = {name: value for name, value in summary._asdict().items() if name != "error"}
    sentence = f"{stream}: {summary.events:,} events in {summary.batches:,} batches"
    if summary.refused:
        sentence += f", {summary.refused:,} refused (`python -m include.dead_letters list`)"
    output.result({"stream": stream, **row}, "another drain is at work" if summary.is_busy else sentence)


def _resync(options: argparse.Namespace, output: Output) -> int:
    places, known = settings.places_from_environment(), settings.load()
    known.stream(options.stream)
    archive = Archive(_store(places), known.root)
    with _spool() as spool:
        plan = resync(
            database_from_environment(), spool, options.installation, options.stream,
            lambda log, start, current: appended_ids(archive, places.folder, log, start, current),
            dry_run=not options.yes,
        )  # fmt: skip
    output.fields({**plan._asdict(), "done": options.yes})
    return 0


def _show_waiting(database: Engine, output: Output) -> int:
    output.table([row._asdict() for row in waiting(database)], empty="nothing waits, and nothing ever did")
    return 0


def _spool() -> SpoolClient:
    places = settings.places_from_environment()
    return SpoolClient(places.folder, settings.load(), store=lambda: _store(places))


def _store(places: settings.Places) -> ObjectStore:
    from spool.store.s3_store import s3_store_from_places  # boto3, which an append on disk does not need

    return s3_store_from_places(places)


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Everything is in the environment."""


def _installation_option(parser: argparse.ArgumentParser) -> None:
    installation = os.environ.get("SPILLWAY_INSTALLATION", "local")
    parser.add_argument(
        "--installation", default=installation, help="whose outbox this is; part of the producer's name (%(default)s)"
    )


def _stream_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stream", required=True, help="the stream, as `status` names it")


def _drain_options(parser: argparse.ArgumentParser) -> None:
    _installation_option(parser)
    parser.add_argument("--seconds", type=seconds, default=SECONDS, help="end after so long (%(default)s)")
    parser.add_argument(
        "--max-events", type=whole_number, default=None, metavar="N", help="end after about N events of a stream (all)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what waits")


def _resync_options(parser: argparse.ArgumentParser) -> None:
    _installation_option(parser)
    _stream_option(parser)
    parser.add_argument("--yes", action="store_true", help="do it; without, the plan is shown")


STATUS = Verb("Shows what waits, and how far the drain of each stream is. Changes nothing.", _no_options, _status)
DRAIN = Verb(
    "Appends what waits to the streams of this host's spool folder, each event once, and deletes it from the outbox. "
    "May be run again at any time; a stream that fails stops no other.",
    _drain_options,
    _drain,
)
RESYNC = Verb(
    "Compares what waits with what is in the log, after a backup of the database or of the spool folder was restored, "
    "or the folder was lost. Shows the plan; --yes deletes what is in the log already, and goes on behind it.",
    _resync_options,
    _resync,
)
