"""A source of tests: databases on one MariaDB, and a warehouse that copies them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.warehouse.config import DuckdbTarget as DuckdbSettings
from include.warehouse.config import Installation, Table, Unit, WarehouseConfig, WarehouseFile
from include.warehouse.snapshot.pipeline import TableCopied, copy_unit
from include.warehouse.target.port import WarehouseTarget
from tests.support.mariadb import Server

_NUMBERS = itertools.count()


class SourceDatabase:
    """One database, of its own name; `execute` commits."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = f"source_{os.getpid()}_{next(_NUMBERS)}"
        self._run(server.connect("mysql"), f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4", ())

    def connect(self) -> Any:
        return self.server.connect(self.name)

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def execute(self, sql: str, values: Sequence[object] = (), *, sql_mode: str = "") -> list[tuple[Any, ...]]:
        connection = self.connect()
        connection.query(f"SET SESSION sql_mode = '{sql_mode}', time_zone = '+00:00'")
        return self._run(connection, sql, values)

    def drop(self) -> None:
        self.execute(f"DROP DATABASE {self.name}")

    @staticmethod
    def _run(connection: Any, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            cursor = connection.cursor()
            cursor.execute(sql, tuple(values) or None)
            connection.commit()
            return list(cursor.fetchall() or ())
        finally:
            connection.close()


def config_of(
    installations: Sequence[str], tables: dict[str, Table], folder: Path = Path("/nowhere")
) -> WarehouseConfig:
    """Every installation has every table; the connection is called like the installation. Journals are in `folder`."""
    known = {name: Installation(connection=name) for name in installations}
    return WarehouseConfig(WarehouseFile(DuckdbSettings(folder=folder), known, tables, folder / "datasync"))


def copy_table(
    database: SourceDatabase, target: WarehouseTarget, table: str, snapshot: str, settings: Table | None = None,
    installation: str = "berlin",
) -> TableCopied:  # fmt: skip
    """One table, whole."""
    config = config_of([installation], {table: settings or Table()})
    (copied,) = copy_unit(config, Unit(installation, (table,)), database.connect, target, snapshot)
    return copied
