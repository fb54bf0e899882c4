"""
One consistent view of a MariaDB, taken without a lock.

    START TRANSACTION WITH CONSISTENT SNAPSHOT     all InnoDB tables as they are now, writers go on
    SHOW STATUS LIKE 'binlog_snapshot_%'           where in the binary log exactly this snapshot is
    SELECT BINLOG_GTID_POS(file, position)         the same as a GTID position

https://mariadb.com/kb/en/enhancements-for-start-transaction-with-consistent-snapshot/

Values come as the server's bytes: no type of Python stands between the server's text and the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from include.database.connection import Connect
from include.warehouse.source.connection import source_errors

Values = tuple[bytes | None, ...]

# Of one fetch. A row of a few hundred bytes: some hundred kilobytes are held at a time.
ROWS_A_FETCH = 2_000

_SESSION = (
    # The server's settings must not change what is read: moments in UTC, names in backticks, no padding of CHAR.
    "SET SESSION sql_mode = '', time_zone = '+00:00', net_write_timeout = 21600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
)


class SnapshotTransaction:
    """
    Open from `with` to its end. It changes nothing and locks nothing but the shape of the tables that were read.

    taken_at   the server's clock, `2026-11-25 09:30:00.123456` in UTC
    gtid       the GTID position of the snapshot; empty where the server keeps no binary log
    binlog_position   the same as file and position, such as `binlog.000007:4711`
    """

    taken_at: str
    gtid: str
    binlog_position: str

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: Any = None

    def __enter__(self) -> Self:
        with source_errors("the source"):
            self._connection = self._connect()
            try:
                self._start()
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing ends the transaction, also where rows of a broken load were not fetched.
        self._connection.close()

    def rows(self, sql: str) -> list[Values]:
        """All rows of a small result."""
        return [row for rows in self.stream(sql) for row in rows]

    def row(self, sql: str) -> Values:
        """The one row of a result."""
        (row,) = self.rows(sql)
        return row

    def stream(self, sql: str) -> Iterator[tuple[Values, ...]]:
        """Rows as they come, some thousands at a time. Nothing else may be asked before the last one was taken."""
        with source_errors("the source"):
            self._connection.query(sql.encode())
            result = self._connection.use_result()
            while rows := result.fetch_row(ROWS_A_FETCH, 0):
                yield rows

    def literal(self, text: str) -> str:
        """A text as a literal of SQL."""
        encoded: bytes = self._connection.string_literal(text.encode())
        return encoded.decode()

    def _start(self) -> None:
        self._connection.converter = {}
        self._connection.set_character_set("utf8mb4")
        for statement in (*_SESSION, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"):
            self._connection.query(statement.encode())
        place: dict[bytes | None, bytes | None] = dict(self.rows("SHOW STATUS LIKE 'binlog_snapshot_%'"))  # type: ignore[arg-type]
        (now,) = self.row("SELECT UTC_TIMESTAMP(6)")
        self.taken_at = _text(now)
        file, position = _text(place.get(b"Binlog_snapshot_file")), _text(place.get(b"Binlog_snapshot_position"))
        self.binlog_position = f"{file}:{position}" if file else ""
        self.gtid = self._gtid(file, position)

    def _gtid(self, file: str, position: str) -> str:
        if not file:
            return ""
        (gtid,) = self.row(f"SELECT BINLOG_GTID_POS({self.literal(file)}, {int(position)})")
        return _text(gtid)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
