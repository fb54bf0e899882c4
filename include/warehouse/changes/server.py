"""Where the binary log is read, and what the server must be set to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from include.warehouse.config import uri_variable
from include.warehouse.errors import TableRefused
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from spool.errors import SettingsError

# What the reader of keys depends on, with the value that it must have. The default of binlog_row_metadata leaves out
# names and signs of columns, and MIXED writes some changes as statements.
_REQUIRED = {
    "log_bin": "1",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "log_bin_compress": "0",
}


class ServerAddress(NamedTuple):
    """How replication connects; with `socket` host and port are not used. The account needs REPLICATION SLAVE."""

    host: str
    port: int
    user: str
    password: str
    socket: str = ""

    def __repr__(self) -> str:
        return f"ServerAddress({self.socket or self.host}:{self.port})"

    def settings(self) -> dict[str, Any]:
        """As PyMySQL takes them."""
        place = {"unix_socket": self.socket} if self.socket else {"host": self.host, "port": self.port}
        return {**place, "user": self.user, "password": self.password}


AddressOf = Callable[[str], ServerAddress]
"""From the name of a connection in config/warehouse.yml. SettingsError."""


def address_from_environment(connection: str, environment: Mapping[str, str] = os.environ) -> ServerAddress:
    """What a command line reads the log with; SettingsError names the variable that is missing."""
    name = uri_variable(connection)
    if not (url := environment.get(name, "")):
        raise SettingsError(f"{name} is not set", hint="mysql://user:password@host:3306/database")
    return address_of(url)


def address_of(url: str) -> ServerAddress:
    """Of a URL that include/database/connection.py took."""
    parts = urlsplit(url)
    socket = dict(parse_qsl(parts.query)).get("unix_socket", "")
    return ServerAddress(
        parts.hostname or "", parts.port or 3306, unquote(parts.username or ""), unquote(parts.password or ""), socket
    )


def demand_row_binlog(snapshot: SnapshotTransaction) -> None:
    """TableRefused, saying what to set, unless the server writes a log of rows with the names of their columns."""
    selected = ", ".join(f"@@GLOBAL.{name}" for name in _REQUIRED)
    values = [b"" if value is None else value for value in snapshot.row(f"SELECT {selected}")]
    values_now = dict(zip(_REQUIRED, (value.decode().upper() for value in values), strict=True))
    wrong = {name: value for name, value in _REQUIRED.items() if values_now[name] != value}
    if "log_bin" in wrong:
        raise TableRefused(
            "mode log: the server keeps no binary log",
            hint="start it with log-bin (a replica also with log-slave-updates), or use mode watermark or snapshot",
        )
    if wrong:
        raise TableRefused(
            "mode log: " + ", ".join(f"{name} is {values_now[name]}" for name in wrong),
            hint="; ".join(f"SET GLOBAL {name} = {value}" for name, value in wrong.items())
            + "; and the same in the server's configuration",
        )
    if not snapshot.gtid:
        raise TableRefused(
            "mode log: the account does not see the GTID position of its snapshot",
            hint="GRANT BINLOG MONITOR, REPLICATION SLAVE ON *.* to the account of the connection",
        )
