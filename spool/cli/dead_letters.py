"""`dead-letters`: what Kafka refused: list it, look at it, send it again, or give it up with a reason."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.command_line import Output, UsageError, Verb
from spool.dead_letters.port import DeadLetters
from spool.dead_letters.requeue import WayBack
from spool.dead_letters.store import StoreDeadLetters
from spool.dead_letters.verbs import LetterPlace, verbs
from spool.intake.client import SpoolClient
from spool.replay.letter_effects import LetterEffects


def _source_options(parser: argparse.ArgumentParser) -> None:
    add_stream_option(parser, required=False)
    parser.add_argument("--log", type=log_id, default=None, help="only this log of the stream")


def _source(options: argparse.Namespace) -> str:
    if options.stream:
        parts(options).settings.stream(options.stream)
    if options.log and not options.stream:
        raise UsageError("--log needs --stream", hint="a log belongs to a stream: --stream S --log L")
    return "/".join(part for part in (options.stream, options.log) if part)


def _look(options: argparse.Namespace) -> DeadLetters[Any]:
    built = parts(options)
    return StoreDeadLetters(built.store(), built.settings.root)


@contextmanager
def _decide(options: argparse.Namespace) -> Iterator[DeadLetters[Any]]:
    built = parts(options)
    with SpoolClient(built.places.folder, built.settings, store=built.store) as client:
        way_back = WayBack(LetterEffects(built.settings, built.kafka()), client)
        yield StoreDeadLetters(built.store(), built.settings.root, way_back)


_VERBS = verbs(LetterPlace("STREAM/LOG/OFFSET", _source_options, _source, _look, _decide))


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, verb in _VERBS.items():
        action = actions.add_parser(name, help=verb.description, description=verb.description)
        verb.add_options(action)
        # Before or behind the action; a default here would undo what stands before it.
        for flag in ("--json", "--verbose"):
            action.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        action.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the settings file")


def _run(options: argparse.Namespace, output: Output) -> int:
    return _VERBS[options.action].run(options, output)


VERB = Verb(
    description="Dead letters are in the object store under _meta/dead_letters, with their reason and their bytes.",
    add_options=_add_options,
    run=_run,
)
