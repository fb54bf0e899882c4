"""One way to read an Airflow connection."""

from __future__ import annotations

from typing import Any

from spool.errors import SettingsError


def connection(connection_id: str) -> Any:
    """The Airflow connection; SettingsError, which is not retried, when it is not defined."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise SettingsError(
            f"the connection {connection_id} is not defined",
            hint=f"set AIRFLOW_CONN_{connection_id.upper()}; docs/reference/connections.md says what it holds",
        ) from None
