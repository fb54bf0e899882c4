"""What a verb is, and the options that all have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from spool import settings
from spool.cli.output import Output


class Verb(NamedTuple):
    """One command: its help line, its text, its options and what it does (returns the exit code)."""

    help: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Output], int]


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("--config", type=Path, default=settings.DEFAULT_FILE, help="the settings file (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="debug messages on standard error")


def add_stream_option(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--stream", required=required, default=None, help="the stream" if required else "only this stream (all of them)"
    )


def whole_number(text: str) -> int:
    """An argparse type: an integer of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, is {value}")
    return value


def number_from_0(text: str) -> int:
    """An argparse type: an integer of 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, is {value}")
    return value
