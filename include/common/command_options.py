"""The options and ports that several commands of the features have."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from include.common.emit import Emit, no_events
from include.common.spool_events import spool_events

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient


def add_state_option(parser: argparse.ArgumentParser) -> None:
    state = Path(os.environ.get("SPILLWAY_STATE", "state"))
    parser.add_argument("--state", type=Path, default=state, help="the state folder (%(default)s)")


def add_installation_option(parser: argparse.ArgumentParser) -> None:
    installation = os.environ.get("SPILLWAY_INSTALLATION", "local")
    parser.add_argument("--installation", default=installation, help="whose counts these are (%(default)s)")


def add_config_option(parser: argparse.ArgumentParser, default: Path) -> None:
    parser.add_argument("--config", type=Path, default=default, help="the settings file (%(default)s)")


def spool_client() -> SpoolClient | None:
    """For the folder of SPOOL_FOLDER; None without that variable."""
    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        return None
    from spool import settings
    from spool.intake.client import SpoolClient

    return SpoolClient(Path(folder), settings.load())


def events_of(source: str) -> Emit:
    """Into the spool folder of SPOOL_FOLDER, durable on disk; without that variable, no events."""
    client = spool_client()
    if client is None:
        return no_events
    return spool_events(lambda stream, events: client.append(stream, events, acknowledgement="disk"), source)
