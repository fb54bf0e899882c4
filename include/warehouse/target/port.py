r"""
The port of a warehouse, and what goes through it.

One physical table holds one snapshot of one table of one installation; it appears to readers, and disappears, as a
whole. Readers use the views:

    snapshot_current.<table>    the current rows of all installations, the column `installation` first
    snapshot_history.<table>    the rows of all snapshots that are kept, `installation` and `snapshot` first

CSV that goes in: UTF-8, `,` between values, `\n` after each row. NULL is nothing at all; text always stands in `"`, a
`"` in it doubled, so that an empty text is `""`; numbers and moments are bare; bytes are bare hexadecimal digits, and
`""` where there are none. Columns are those of the table, in their order; `installation` is not among them: the target
adds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from include.warehouse.column_types.digest import Digest
from include.warehouse.column_types.mapped_column import Limits, MappedColumn

Write = Callable[[bytes], object]
Produce = Callable[[Write], None]
"""Writes CSV in pieces of any size. When it raises, the load is void and the error goes on to the caller."""


@dataclass(frozen=True)
class TargetTable:
    """
    installation, name   checked identifiers: lower-case letters, digits and `_`
    columns              in the order of the CSV
    key                  names of the primary key's columns; empty where the source has none
    """

    installation: str
    name: str
    columns: tuple[MappedColumn, ...]
    key: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.installation}/{self.name}"

    @property
    def key_columns(self) -> tuple[MappedColumn, ...]:
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)


TextRow = tuple[str | None, ...]
"""Values in the order of the table's columns: texts, bytes as hexadecimal digits; None is NULL."""


class SnapshotRecord(NamedTuple):
    """
    What the warehouse knows of one snapshot; it changes only together with the rows.

    snapshot       its id: the logical time in UTC, `20261125T093000Z`. A rerun of the same id replaces
    taken_at       the source's clock at the snapshot or the last merge, `2026-11-25 09:30:00.123456` in UTC
    rows           in the warehouse; `rejected` rows of the source are not
    gtid           the source's GTID position that the rows agree with; empty where it keeps no binary log
    watermark      greatest value of the watermark column, as the source writes it; empty in other modes
    schema_sha256  of the columns, so that a change of the source's table is noticed
    """

    installation: str
    table: str
    snapshot: str
    taken_at: str
    rows: int
    rejected: int
    gtid: str = ""
    watermark: str = ""
    schema_sha256: str = ""


class Staged(NamedTuple):
    """Rows that were loaded and that no reader sees. `place` is the target's own name for where they are."""

    table: TargetTable
    snapshot: str
    place: str


class Publication(NamedTuple):
    """Staged rows with the record that becomes visible together with them."""

    staged: Staged
    record: SnapshotRecord


class Merged(NamedTuple):
    """
    rows       of the table afterwards
    upserted   rows inserted or replaced
    deleted    rows that were there and whose key was among the deleted ones
    """

    rows: int
    upserted: int
    deleted: int


class KeyDifference(NamedTuple):
    """Keys as lines of CSV without their line end, sorted; at most `limit` of each, and how many there are of each."""

    only_in_source: tuple[bytes, ...]
    only_in_target: tuple[bytes, ...]
    source_count: int
    target_count: int


class WarehouseTarget(Protocol):
    """
    A warehouse. Every method is one unit: durable and whole when it returns, nothing visible when it raises.

    Errors: WarehouseUnavailable when trying again may help, WarehouseRefused when not; what `produce` raises goes on
    unchanged. One object serves one thread; several processes may work on different tables at once, and those of one
    table exclude each other (WarehouseUnavailable at the deadline).
    """

    name: str
    """`duckdb` or `exasol`."""
    limits: Limits
    """What its types can hold; decides how columns are mapped."""

    def load(self, table: TargetTable, snapshot: str, produce: Produce, *, longest_line: int = 0) -> Staged:
        """
        Load a new physical table that no reader sees; what an earlier try left of it is replaced.

        longest_line: no line has more bytes; 0 where that is not known.
        """
        ...

    def digest(self, staged: Staged) -> Digest:
        """What the staged rows add up to."""
        ...

    def publish(self, publications: Sequence[Publication]) -> None:
        """
        Make staged rows and their records visible in one transaction, all or none; a snapshot with the same id is
        replaced. The one with the greatest id of an installation and table is the current one.
        """
        ...

    def merge(self, table: TargetTable, upserts: Produce, deleted_keys: Produce, record: SnapshotRecord) -> Merged:
        """
        Change the current snapshot: rows with the keys of `upserts` are replaced or inserted, those of `deleted_keys`
        (CSV of the key's columns) removed; a key in both is upserted. The record, whose `snapshot` is the current one
        and whose `rows` is set by the target, becomes visible in the same transaction.

        WarehouseRefused where the table has no current snapshot, no key, or other columns than `table`.
        """
        ...

    def differing_keys(self, table: TargetTable, keys: Produce, *, limit: int) -> KeyDifference:
        """Compare the keys of the current snapshot with `keys`, CSV of the key's columns."""
        ...

    def rows_of_keys(self, table: TargetTable, keys: Produce) -> list[TextRow]:
        """
        The current rows that have these keys (CSV of the key's columns), in no order: for some thousands at a time.

        Values are texts as the source writes them, only numbers with a floating point may have other digits for the
        same number. WarehouseRefused as for `merge`.
        """
        ...

    def current(self, installation: str, table: str) -> SnapshotRecord | None:
        """The record of the current snapshot; None if there is none."""
        ...

    def history(self, installation: str, table: str) -> list[SnapshotRecord]:
        """All snapshots that are kept, the oldest first."""
        ...

    def rows(self, installation: str, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """The current rows in the driver's own values, in no order: for tests and small tables."""
        ...

    def drop_expired(self, installation: str, table: str, keep: int) -> list[str]:
        """Keep the newest `keep` snapshots, at least the current one; the ids of those that were dropped."""
        ...

    def prune_unfinished(self, installation: str, table: str) -> list[str]:
        """Remove what killed loads left behind; their places."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
