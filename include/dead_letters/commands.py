"""The verbs of `python -m include.dead_letters`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.database.connection import database_from_environment
from include.dead_letters.sql_letters import SqlDeadLetters
from include.dead_letters.ways_back import WAYS_BACK
from spool.dead_letters.port import DeadLetters
from spool.dead_letters.verbs import LetterPlace, verbs


def _source_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feature", default="", help="only letters of this feature (all)")


def _source(options: argparse.Namespace) -> str:
    return str(options.feature)


def _look(options: argparse.Namespace) -> DeadLetters[Any]:
    return SqlDeadLetters(database_from_environment(), WAYS_BACK)


@contextmanager
def _decide(options: argparse.Namespace) -> Iterator[DeadLetters[Any]]:
    yield _look(options)


_VERBS = verbs(LetterPlace("FEATURE/NUMBER", _source_options, _source, _look, _decide))
LIST, SHOW, REQUEUE, DISCARD = _VERBS["list"], _VERBS["show"], _VERBS["requeue"], _VERBS["discard"]
