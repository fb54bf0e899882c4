"""What a table of the source looks like, inside a snapshot, and that it can be copied from one at all."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from include.warehouse.column_types.source_column import SourceColumn, quoted
from include.warehouse.errors import TableRefused
from include.warehouse.source.snapshot_transaction import SnapshotTransaction, Values


class TableShape(NamedTuple):
    """`key` are the names of the primary key's columns, in its order; empty if there is none."""

    name: str
    columns: tuple[SourceColumn, ...]
    key: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of names, types and key: another one says that the table was altered."""
        described = [(column.name, column.column_type, column.charset, column.nullable) for column in self.columns]
        return hashlib.sha256(repr((described, self.key)).encode()).hexdigest()


_COLUMNS = """SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, NUMERIC_PRECISION, NUMERIC_SCALE,
DATETIME_PRECISION, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, CHARACTER_SET_NAME
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name} ORDER BY ORDINAL_POSITION"""

_KEY = """SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()
AND TABLE_NAME = {name} AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"""

# A view has no engine; a table whose engine has no transactions has no snapshot.
_ENGINE = """SELECT TABLE_TYPE, t.ENGINE, e.TRANSACTIONS FROM information_schema.TABLES t
LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name}"""


def table_shape(snapshot: SnapshotTransaction, name: str) -> TableShape:
    """
    The shape of table `name` as it is in the snapshot; from here on to the snapshot's end nobody can alter it.

    SnapshotBroken where it was altered since the snapshot began, TableRefused where it cannot be copied.
    """
    # The first read of a table keeps its definition until the transaction ends, or fails if that is newer.
    snapshot.rows(f"SELECT 1 FROM {quoted(name)} LIMIT 1")
    literal = snapshot.literal(name)
    _demand_transactions(name, snapshot.rows(_ENGINE.format(name=literal)))
    columns = tuple(_column(row) for row in snapshot.rows(_COLUMNS.format(name=literal)))
    key = tuple(_text(row[0]) for row in snapshot.rows(_KEY.format(name=literal)))
    return TableShape(name, columns, key)


def _demand_transactions(name: str, rows: list[Values]) -> None:
    kind, engine, transactions = rows[0] if rows else (None, None, None)
    if engine is not None and (transactions != b"YES" or kind == b"SEQUENCE"):
        raise TableRefused(
            f"{name}: tables of the engine {_text(engine)} have no snapshot",
            hint=f"ALTER TABLE {quoted(name)} ENGINE=InnoDB, or leave it out of config/warehouse.yml",
        )


def _column(row: Values) -> SourceColumn:
    name, data_type, column_type, nullable, precision, scale, fraction, characters, octets, charset = row
    return SourceColumn(
        _text(name), _text(data_type).lower(), _text(column_type), nullable == b"YES",
        _number(precision), _number(scale), _number(fraction), _number(characters), _number(octets), _text(charset),
    )  # fmt: skip


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()


def _number(value: bytes | None) -> int:
    return int(value or 0)
