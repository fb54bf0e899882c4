"""The options that several verbs of the engine have."""

from __future__ import annotations

import argparse
from pathlib import Path

from spool import settings
from spool.event import NAME


def add_config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=settings.DEFAULT_FILE, help="the settings file (%(default)s)")


def add_stream_option(parser: argparse.ArgumentParser, *, required: bool) -> None:
    text = "the stream" if required else "only this stream (all of them)"
    parser.add_argument("--stream", required=required, default=None, help=text)


def log_id(text: str) -> str:
    """An argparse type: the id of a log, which becomes part of object keys."""
    if not NAME.match(text):
        raise argparse.ArgumentTypeError(f"{text[:80]!a} is no id of a log; `ls --stream S` lists them")
    return text
