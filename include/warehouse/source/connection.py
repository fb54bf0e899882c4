"""Connections to a source by a URL, and what the server's errors mean to those who copy from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from include.database.connection import Connect, connect_to, explained
from include.warehouse.config import uri_variable
from include.warehouse.errors import SnapshotBroken, TableRefused
from spool.errors import SettingsError

# The server is silent while it reads a whole table for its sums; its max_statement_time ends what takes too long.
READ_TIMEOUT_S = 6 * 3600

# https://mariadb.com/kb/en/mariadb-error-code-reference/
_ALTERED = frozenset({1412})
_NO_TABLE = frozenset({1054, 1142, 1143, 1146, 1347, 1356})


def from_environment(connection: str, environment: Mapping[str, str] = os.environ) -> Connect:
    """What a command line connects with; SettingsError names the variable that is missing."""
    name = uri_variable(connection)
    if not (url := environment.get(name, "")):
        raise SettingsError(f"{name} is not set", hint="mysql://user:password@host:3306/database")
    return connect_to(url, read_timeout_s=READ_TIMEOUT_S)


@contextmanager
def source_errors(what: str) -> Iterator[None]:
    """The driver's errors as SnapshotBroken, TableRefused or those of include/database; `what` is being read."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("MySQLdb", "pymysql"):
            raise
        code = error.args[0] if error.args else 0
        if code in _ALTERED:
            raise SnapshotBroken(f"{what}: the table was altered while its snapshot was open ({code})") from error
        if code in _NO_TABLE:
            raise TableRefused(
                f"{what}: {error.args[-1]} ({code})",
                hint="the table must exist, and the account of the connection must have SELECT on it",
            ) from error
        raise explained(error) from error
