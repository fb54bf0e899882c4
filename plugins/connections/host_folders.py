"""
The folders and files of this host, named by variables that every Airflow component has.

    variable SPOOL_FOLDER       the spool folder: DAGs append to, sweep and ship only this one
    variable SPILLWAY_STATE     the state folder of the measurement reports
    variable SPILLWAY_BRIDGES   the bridge map; only the sanitizer opens it
"""

from __future__ import annotations

import os
from pathlib import Path

from spool.errors import SettingsError


def spool_folder() -> Path:
    """SettingsError where the variable is missing."""
    return _path("SPOOL_FOLDER", "set it for every Airflow component; `make up` does")


def state_folder() -> Path:
    """The root of all state folders, which is created where it is missing; SettingsError without the variable."""
    path = _path("SPILLWAY_STATE", "set it for every Airflow component; `make up` does")
    path.mkdir(parents=True, exist_ok=True)
    return path


def bridge_map() -> Path:
    """The path only, the file need not be there; SettingsError where the variable is missing."""
    return _path("SPILLWAY_BRIDGES", "the path of the bridge map; see include/measurements/sanitize")


def _path(variable: str, hint: str) -> Path:
    if not (text := os.environ.get(variable, "")):
        raise SettingsError(f"{variable} is not set", hint=hint)
    return Path(text)
