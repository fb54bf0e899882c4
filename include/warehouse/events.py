"""
What is emitted when a table of the warehouse changed.

    stream `warehouse`   counts, positions and ids, never values of rows
    stream `datasync`    the rows of tables that are published, for services that follow them
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent

STREAM = "warehouse"
DATASYNC = "datasync"


@dataclass(frozen=True)
class _TableEvent(FeatureEvent, stream=STREAM):
    installation: Annotated[str, "the installation in `config/warehouse.yml`"]
    table: Annotated[str, "the table in `config/warehouse.yml`"]
    target: Annotated[str, "`duckdb` or `exasol`"]
    snapshot: Annotated[str, "id of the snapshot: its logical time in UTC, such as `20261125T093000Z`"]

    def event_key(self) -> str:
        """`<installation>/<table>`."""
        return f"{self.installation}/{self.table}"


@dataclass(frozen=True)
class SnapshotPublished(_TableEvent, type="warehouse.snapshot_published"):
    """A whole snapshot of the table is what readers see, or is kept as an older one."""

    taken_at: Annotated[str, "the source's clock at the snapshot, in UTC"]
    gtid: Annotated[str, "the source's GTID position of the snapshot; empty where it keeps no binary log"]
    rows: Annotated[int, "rows in the warehouse"]
    rejected: Annotated[int, "rows of the source that a policy rejected"]
    rejected_by: Annotated[str, "rejected rows by the column that rejected them, a JSON object"]
    replaced_by: Annotated[str, "values that a policy replaced by their column, a JSON object"]
    seconds: Annotated[float, "how long the copy took"]


@dataclass(frozen=True)
class ChangesMerged(_TableEvent, type="warehouse.changes_merged"):
    """The current snapshot of the table was brought up to date by its changes."""

    taken_at: Annotated[str, "the source's clock at the state that readers see now, in UTC"]
    gtid: Annotated[str, "the source's GTID position of that state; empty where it keeps no binary log"]
    rows: Annotated[int, "rows in the warehouse"]
    upserted: Annotated[int, "rows that were inserted or replaced"]
    deleted: Annotated[int, "rows that were removed"]
    seconds: Annotated[float, "how long it took"]


@dataclass(frozen=True)
class SnapshotFailed(_TableEvent, type="warehouse.snapshot_failed"):
    """Nothing was published; readers see what they saw before."""

    error: Annotated[str, "the kind of error"]
    is_transient: Annotated[bool, "whether trying again may help"]


@dataclass(frozen=True)
class _DatasyncEvent(FeatureEvent, stream=DATASYNC):
    installation: Annotated[str, "the installation in `config/warehouse.yml`"]
    table: Annotated[str, "the table in `config/warehouse.yml`"]
    epoch: Annotated[str, "begins with each whole copy of the table; a later one is the greater text"]
    taken_at: Annotated[str, "the source's clock at the state that the warehouse has with this change, in UTC"]
    gtid: Annotated[str, "the source's GTID position of that state; empty where it keeps no binary log"]


@dataclass(frozen=True)
class TableReplaced(_DatasyncEvent, type="datasync.table_replaced"):
    """An epoch begins: its rows follow as `snapshot`, and rows of the table in earlier epochs no longer count."""

    rows: Annotated[int, "how many rows follow"]
    columns: Annotated[
        tuple[Mapping[str, str], ...], "of each column its `name`, `mariadb`, `duckdb` (types) and `kind`"
    ]
    primary_key: Annotated[tuple[str, ...], "names of the key's columns"]

    def event_key(self) -> str:
        """`["<installation>","<table>"]`."""
        return _key(self.installation, self.table)


@dataclass(frozen=True)
class RowChanged(_DatasyncEvent, type="datasync.row_changed"):
    """A row of a published table changed in the warehouse."""

    operation: Annotated[str, "`snapshot` (a row of a whole copy), `insert`, `update` or `delete`"]
    primary_key: Annotated[tuple[str, ...], "values of the key's columns"]
    before: Annotated[
        Mapping[str, str | None] | None, "the row that the warehouse had, by columns; values are texts or null"
    ] = None
    after: Annotated[Mapping[str, str | None] | None, "the row that it has now"] = None
    left_out: Annotated[
        tuple[str, ...] | None, "`before`, or both, where the row is too large for an event: ask the source for it"
    ] = None

    def event_key(self) -> str:
        """`["<installation>","<table>","<value of the primary key>", ...]`."""
        return _key(self.installation, self.table, *self.primary_key)


def _key(*parts: str) -> str:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
