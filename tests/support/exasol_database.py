"""Empty warehouses on an Exasol: the test server, or a real database that the environment names."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from include.warehouse.target.exasol_catalog import CURRENT, HISTORY
from include.warehouse.target.exasol_session import connect_to
from include.warehouse.target.exasol_target import ExasolTarget
from tests.support.exasol.server import ExasolServer

_NUMBERS = itertools.count()


class ExasolDatabase(NamedTuple):
    """`options` of the driver, with the account."""

    options: Mapping[str, Any]

    def connect(self) -> Any:
        return connect_to({"socket_timeout": 120} | dict(self.options))()

    @contextmanager
    def empty_warehouse(self) -> Iterator[ExasolTarget]:
        """In a schema of its own, which is dropped at the end. The views are shared: one warehouse at a time."""
        schema = f"spillway_{os.getpid()}_{next(_NUMBERS)}_{secrets.token_hex(2)}"
        target = ExasolTarget(self.connect, schema=schema)
        try:
            yield target
        finally:
            target.close()
            self.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            statement = connection.execute(sql)
            return list(statement.fetchall()) if statement.result_type == "resultSet" else []
        finally:
            connection.close()

    def demand_no_warehouse(self) -> None:
        """The tests replace views of the same names."""
        schemas = f"'{CURRENT}', '{HISTORY}'"
        assert not self.run(f"SELECT SCHEMA_NAME FROM SYS.EXA_SCHEMAS WHERE SCHEMA_NAME IN ({schemas})"), (
            "EXAHOST names a database that holds a warehouse; take an empty one"
        )

    def drop_views(self) -> None:
        for schema in (CURRENT, HISTORY):
            self.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def of_server(server: ExasolServer) -> ExasolDatabase:
    return ExasolDatabase({"dsn": server.dsn, "user": server.account.user, "password": server.account.password})


def of_environment(environment: Mapping[str, str]) -> ExasolDatabase:
    """EXAHOST is a DSN of the driver: `host/FINGERPRINT:port`."""
    user, password = environment.get("EXAUID", "sys"), environment.get("EXAPWD", "exasol")
    return ExasolDatabase({"dsn": environment["EXAHOST"], "user": user, "password": password})
