"""`config/measurements.yml` as one frozen value."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from include.common.yaml_config import load_mapping
from spool.errors import SettingsError

DEFAULT_FILE = Path(__file__).parent.parent.parent / "config" / "measurements.yml"
FORMAT_VERSION = 1
_COUNTRY = re.compile(r"[A-Z]{2}\Z")


@dataclass(frozen=True)
class MeasurementSettings:
    """
    control_country    where bridges are taken to be reachable: measurements from there are the controls
    control_window_h   a control is less than so many hours away
    bridge_days        the table of blocked bridges reaches back so many days
    mirror_title       of the page for browsing
    """

    control_country: str
    control_window_h: float
    bridge_days: float
    mirror_title: str

    @property
    def control_window(self) -> timedelta:
        return timedelta(hours=self.control_window_h)


def load(path: Path = DEFAULT_FILE) -> MeasurementSettings:
    """Read and check the file; SettingsError names file and key."""
    names = [field.name for field in fields(MeasurementSettings)]
    document = load_mapping(path, version=FORMAT_VERSION, keys=names, hint="see include/measurements/README.md")
    for name in names:
        _check(path, name, document[name])
    return MeasurementSettings(**document)


def _check(path: Path, name: str, value: object) -> None:
    if name == "control_country" and not (isinstance(value, str) and _COUNTRY.match(value)):
        raise SettingsError(f"{path}: {name}: must be two upper-case letters, is {value!a}")
    if name == "mirror_title" and not (isinstance(value, str) and value.strip()):
        raise SettingsError(f"{path}: {name}: must be text, is {value!a}")
    if name in ("control_window_h", "bridge_days") and (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100_000
    ):
        raise SettingsError(f"{path}: {name}: must be a number above 0, is {value!a}")
