"""`replay`: from the object store into Kafka, exactly once."""

from __future__ import annotations

import argparse

from spool.cli.composition import parts
from spool.cli.output import Output
from spool.cli.verb import Verb, add_stream_option, whole_number


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_stream_option(parser, required=False)
    parser.add_argument("--follow", action="store_true", help="go on until SIGTERM, through outages of any length")
    parser.add_argument("--max-events", type=whole_number, default=None, metavar="N", help="stop after about N events")
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="stop after S seconds")
    parser.add_argument("--dry-run", action="store_true", help="only print the plan")


def _run(options: argparse.Namespace, output: Output) -> int:
    raise NotImplementedError


VERB = Verb(
    help="send archived events to Kafka, exactly once",
    description="Goes on after the checkpoint of each log. Safe to kill and to run again at any time.",
    add_options=_add_options,
    run=_run,
)
