"""`ship`: seal what is due and put it into the object store."""

from __future__ import annotations

import argparse
import signal
import threading

from spool.cli.composition import parts
from spool.cli.options import add_config_option
from spool.command_line import Output, Verb
from spool.errors import TerminalError
from spool.shipping.shipper import Shipper, demand_all_shipped


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.add_argument("--follow", action="store_true", help="be this host's resident shipper until SIGTERM")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    store = built.store()
    shipper = Shipper(built.places.folder, built.settings, store, built.alarm_book(store))
    if options.follow:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        errors = shipper.run(stop)
        demand_all_shipped({name: error for name, error in errors.items() if isinstance(error, TerminalError)})
        return 0
    summary = shipper.ship_once()
    output.result(
        summary._asdict(),
        f"shipped {summary.objects} objects with {summary.events:,} events",
    )
    return 0


VERB = Verb(
    description="Once: seals and ships all that this host's folder holds. With --follow: the resident shipper.",
    add_options=_add_options,
    run=_run,
)
