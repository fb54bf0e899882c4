"""The conf of a run: a key that the DAG does not know is refused. Airflow itself lets any key through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spool.errors import SettingsError


def known_only(params: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The conf with exactly these keys; SettingsError names one that is not known."""
    if unknown := sorted(set(params) - set(known)):
        raise SettingsError(
            f"conf: {unknown[0]}: unknown key; known are {', '.join(known) or 'none'}",
            hint="correct the conf and trigger again",
        )
    return {key: params[key] for key in known}
