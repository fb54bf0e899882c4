"""What is in the stream `datasync` of a spool folder, and a consumer that replays it into a fresh DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from spool.format import record_batch
from spool.format.partitioner import murmur2
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.log.reader import tail
from spool.settings import Settings, StreamSettings

PARTITIONS = 4
SETTINGS = Settings(
    "r", "checkpoints", 1, "deliveries", 1,
    {"datasync": StreamSettings("datasync", "datasync", PARTITIONS, "disk", persistent=True)},
)  # fmt: skip

Payload = dict[str, Any]


class StreamEvent(NamedTuple):
    key: bytes
    type: str
    payload: Payload


def client(folder: Path) -> SpoolClient:
    """No object store and no Kafka is near: what is appended is durable on disk."""
    return SpoolClient(folder, SETTINGS)


def stream_events(folder: Path) -> list[StreamEvent]:
    """All events of the folder's logs in the order of their offsets."""
    return [
        StreamEvent(record.key or b"", _header(record.headers, "ce_type"), json.loads(record.value or b""))
        for log in log_folders(folder)
        if log.stream == "datasync"
        for commit in tail(log)
        for record in record_batch.records(commit.frame)
    ]


def changes(folder: Path) -> list[Payload]:
    """Rows that changed by merges, not those of whole copies."""
    return [
        event.payload
        for event in stream_events(folder)
        if event.type == "datasync.row_changed" and event.payload["operation"] != "snapshot"
    ]


def epochs(folder: Path) -> list[str]:
    return [event.payload["epoch"] for event in stream_events(folder) if event.type == "datasync.table_replaced"]


def partition_after_partition(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """As a consumer may see them: each partition in its order, the last partition first."""
    partitions = [code % PARTITIONS for code in murmur2([event.key for event in events])]
    ordered = sorted(zip(partitions, events, strict=True), key=lambda pair: -pair[0])
    return [event for _, event in ordered]


class Replay:
    """
    The rule for consumers: a row of an epoch that is older than the table's is passed over, and a new epoch removes the
    rows of older ones.
    """

    def __init__(self, events: Iterable[StreamEvent]) -> None:
        self._replaced: dict[tuple[str, str], Payload] = {}
        self._rows: dict[tuple[str, str], dict[tuple[str, ...], tuple[str, Payload | None]]] = {}
        for event in events:
            table = (event.payload["installation"], event.payload["table"])
            if event.type == "datasync.table_replaced":
                self._replace(table, event.payload)
            else:
                self._change(table, event.payload)

    def _replace(self, table: tuple[str, str], payload: Payload) -> None:
        if payload["epoch"] > self._epoch(table):
            self._replaced[table] = payload
            kept = self._rows.get(table, {}).items()
            self._rows[table] = {key: row for key, row in kept if row[0] >= payload["epoch"]}

    def _change(self, table: tuple[str, str], payload: Payload) -> None:
        if payload["epoch"] >= self._epoch(table):
            rows = self._rows.setdefault(table, {})
            rows[tuple(payload["primary_key"])] = (payload["epoch"], payload.get("after"))

    def _epoch(self, table: tuple[str, str]) -> str:
        return str(self._replaced.get(table, {}).get("epoch", ""))

    def rows(self, installation: str, table: str) -> list[tuple[object, ...]]:
        """Of a table that was made in a fresh DuckDB, sorted."""
        columns = self._replaced[installation, table]["columns"]
        names = ", ".join(f'"{column["name"]}" {column["duckdb"]}' for column in columns)
        values = ", ".join(map(_value, columns))
        with duckdb.connect() as warehouse:
            warehouse.execute(f"CREATE TABLE replayed ({names})")
            for _, after in self._rows[installation, table].values():
                if after is not None:
                    row = [after[column["name"]] for column in columns]
                    warehouse.execute(f"INSERT INTO replayed VALUES ({values})", row)
            return warehouse.execute("FROM replayed ORDER BY ALL").fetchall()


def warehouse_rows(folder: Path, installation: str, table: str) -> list[tuple[object, ...]]:
    """What readers of the warehouse see, sorted."""
    query = f"SELECT * EXCLUDE (installation) FROM snapshot_current.{table} WHERE installation = ? ORDER BY ALL"
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query, [installation]).fetchall()


def _value(column: dict[str, str]) -> str:
    return "unhex(?)" if column["kind"] == "binary" else f"CAST(? AS {column['duckdb']})"


def _header(headers: Iterable[tuple[str, bytes | None]], name: str) -> str:
    return next((value or b"").decode() for key, value in headers if key == name)
