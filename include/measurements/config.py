"""`config/measurements.yml` as one frozen value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from spool import config_file
from spool.config_file import Block, Key

DEFAULT_FILE = Path(__file__).parent.parent.parent / "config" / "measurements.yml"
FORMAT_VERSION = 1
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_TITLE = re.compile(r"(?=[\s\S]*\S)")


@dataclass(frozen=True)
class MeasurementSettings(Block):
    """The whole of `config/measurements.yml`; every key is required."""

    control_country: Annotated[
        str,
        Key(
            "country where bridges are taken to be reachable: measurements from there are the controls",
            pattern=_COUNTRY,
            what="two upper-case letters",
        ),
    ]
    control_window_h: Annotated[
        float, Key("a control of the same bridge is less than this many hours away", "h", above=0, at_most=100_000)
    ]
    bridge_days: Annotated[
        float, Key("how far back the table of blocked bridges reaches", "days", above=0, at_most=100_000)
    ]
    mirror_title: Annotated[str, Key("title of the page for browsing", pattern=_TITLE, what="text")]

    @property
    def control_window(self) -> timedelta:
        return timedelta(hours=self.control_window_h)


def load(path: Path = DEFAULT_FILE) -> MeasurementSettings:
    """Read and check the file; SettingsError names the file, the path of keys and the line."""
    return config_file.load(
        path, MeasurementSettings, version=FORMAT_VERSION, hint="see include/measurements/README.md"
    )
