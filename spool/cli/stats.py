"""`stats`: how far each log is in each room, and the open alarms."""

from __future__ import annotations

import argparse

from spool import metrics
from spool.audit.stats import stats
from spool.audit.status_sections import alarm_row
from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option
from spool.command_line import Output, Verb
from spool.errors import SpoolError


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=False)
    parser.add_argument("--alarms", action="store_true", help="the alarms instead, open and closed")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    if options.stream:
        built.settings.stream(options.stream)
    store = built.store()
    try:
        alarms = built.alarm_book(store).all()
    except SpoolError:
        alarms = built.local_alarms().all()
    if options.alarms:
        output.table([alarm_row(alarm)._asdict() for alarm in alarms], empty="no alarm, open or closed")
        return 0
    log_stats = stats(built.settings, built.places.folder, store, built.places.kafka, alarms, stream=options.stream)
    output.table([row._asdict() for row in log_stats.rows], empty="no log yet: append something")
    return 0


VERB = Verb(
    description="One row for each log. " + " ".join(f"{m.name} ({m.unit}): {m.meaning}." for m in metrics.METRICS),
    add_options=_add_options,
    run=_run,
)
