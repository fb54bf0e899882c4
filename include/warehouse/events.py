"""What is emitted when a table of the warehouse changed: counts, positions and ids, never values of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent

STREAM = "warehouse"


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
