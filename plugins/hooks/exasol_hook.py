"""
The provider's hook for Exasol, with what it lacks.

The provider's passes on compression, encryption, json_lib and client_name, and drops every other option of the
connection without a word: there is no way to name a fingerprint or an authority, so a server with a certificate of its
own is out of reach; and a load that is silent for 30 seconds is given up. Options are those of
include/warehouse/target/exasol_options.py, an unknown one is an error, and the driver's reports to its maker are off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyexasol
from airflow.providers.exasol.hooks.exasol import ExasolHook as ProvidersHook

from include.warehouse.target.exasol_options import SOCKET_TIMEOUT_S, driver_options


class ExasolHook(ProvidersHook):
    """
    `driver` are options of pyexasol that the code demands, whatever the connection says.

    The connection's schema is opened where it has one; it must exist.
    """

    def __init__(self, *args: Any, driver: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._driver = dict(driver or {})

    def get_conn(self) -> pyexasol.ExaConnection:
        """A new connection; SettingsError names the option that is wrong."""
        known = self.get_connection(self.get_conn_id())
        options = driver_options(
            known.host or "", known.port, known.login or "", known.password or "", known.extra_dejson
        )
        schema = self.schema or known.schema
        defaults = {"socket_timeout": SOCKET_TIMEOUT_S} | ({"schema": schema} if schema else {})
        return pyexasol.connect(**defaults | options | self._driver)
