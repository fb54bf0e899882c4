"""
Primary keys of the rows of one table that changed between two GTID positions.

The log is read as a replica reads it (mysql-replication), from the position of the current snapshot to the position of
the new one. Only keys are taken from it: values of rows differ from what SELECT gives in several types, so the rows
are selected again by key.

    ends       where every domain has reached the end position; a heartbeat says that the server has nothing new
    reconnects from the last transaction that was read whole. The library would begin again where it first began
    gives up   WholeCopyNeeded: purged or foreign position, TRUNCATE, DDL, DML as text, what cannot be decoded, or more
               changes than are worth reading
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import (
    HeartbeatLogEvent,
    MariadbGtidEvent,
    NotImplementedEvent,
    QueryEvent,
    XAPrepareEvent,
    XidEvent,
)
from pymysqlreplication.row_event import DeleteRowsEvent, RowsEvent, UpdateRowsEvent, WriteRowsEvent

from include.database.errors import DatabaseUnavailable
from include.warehouse.changes.gtid import GtidPosition
from include.warehouse.changes.server import ServerAddress
from include.warehouse.changes.statements import ends_transaction, reason_for_whole_copy
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.source.connection import source_errors
from spool.errors import SpoolError

Key = tuple[object, ...]

HEARTBEAT_S = 10.0
# Of silence: several heartbeats.
_READ_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10
# One after the other without a whole transaction in between.
_CONNECTIONS_MAX = 3
# ER_MASTER_FATAL_ERROR_READING_BINLOG: purged, another history, or a position that is yet to come.
_CANNOT_SERVE = 1236
_ROWS_IN_OTHER_FORM = range(165, 172)  # MariaDB's compressed events, which the library does not decode
_STANDALONE = 1  # a transaction of one statement, DDL: it has no event at its end
_EVENTS = (
    MariadbGtidEvent, XidEvent, XAPrepareEvent, QueryEvent, HeartbeatLogEvent, NotImplementedEvent,
    WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent,
)  # fmt: skip


class LoggedTable(NamedTuple):
    """A table in the log; `key` are names of its primary key's columns."""

    database: str
    name: str
    key: tuple[str, ...]


def changed_keys(
    address: ServerAddress, table: LoggedTable, since: GtidPosition, until: GtidPosition, changes_max: int
) -> set[Key]:
    """
    The keys of all rows that were inserted, updated (old and new key) or deleted after `since`, up to `until`.

    A key may be among them whose row did not change in the end. Errors: WholeCopyNeeded, and those of include/database.
    """
    reading = _Reading(table, since, until, changes_max)
    connections = 0
    while not reading.position.reaches(until):
        before = reading.position
        try:
            with source_errors("the binary log"):
                reading.read(_events(address, table, before))
        except DatabaseUnavailable:
            connections = 1 if reading.position != before else connections + 1
            if connections >= _CONNECTIONS_MAX:
                raise
    return reading.keys


class _Reading:
    """What was read so far; it survives a connection."""

    def __init__(self, table: LoggedTable, since: GtidPosition, until: GtidPosition, changes_max: int) -> None:
        self._table, self._until, self._changes_max = table, until, changes_max
        self.position = since
        self.keys: set[Key] = set()
        self._changes = 0
        self._transaction: MariadbGtidEvent | None = None

    def read(self, events: Iterator[Any]) -> None:
        for event in events:
            self._take(event)
            if self.position.reaches(self._until):
                return

    def _take(self, event: Any) -> None:
        if isinstance(event, MariadbGtidEvent):
            self._transaction = event
        elif isinstance(event, RowsEvent):
            self._take_rows(event)
        elif isinstance(event, QueryEvent):
            self._take_statement(event)
        elif isinstance(event, (XidEvent, XAPrepareEvent)):
            self._end_transaction()
        elif event.event_type in _ROWS_IN_OTHER_FORM:
            raise WholeCopyNeeded("the binary log holds compressed events")

    def _take_rows(self, event: RowsEvent) -> None:
        for row in event.rows:
            images = [row[name] for name in ("values", "before_values", "after_values") if name in row]
            for image in images:
                self.keys.add(_key(self._table, image))
            self._changes += len(images)
        if self._changes > self._changes_max:
            raise WholeCopyNeeded(f"more than {self._changes_max:,} changes: a whole copy is quicker")

    def _take_statement(self, event: QueryEvent) -> None:
        schema = event.schema.decode(errors="replace")
        if reason := reason_for_whole_copy(event.query, schema, self._table.database, self._table.name):
            raise WholeCopyNeeded(reason)
        is_alone = self._transaction is not None and bool(self._transaction.flags & _STANDALONE)
        if is_alone or ends_transaction(event.query):
            self._end_transaction()

    def _end_transaction(self) -> None:
        if (ended := self._transaction) is not None:
            self.position = self.position.after(ended.domain_id, ended.server_id, ended.gtid_seq_no)
            self._transaction = None


def _key(table: LoggedTable, image: dict[str, object]) -> Key:
    try:
        return tuple(image[name] for name in table.key)
    except KeyError:
        raise WholeCopyNeeded("events were written without the names of the columns (binlog_row_metadata)") from None


def _events(address: ServerAddress, table: LoggedTable, since: GtidPosition) -> Iterator[Any]:
    """Events of one connection, until it ends. WholeCopyNeeded for what the library cannot decode."""
    connect = _ConnectOnce()
    settings = {**address.settings(), "read_timeout": _READ_TIMEOUT_S, "connect_timeout": _CONNECT_TIMEOUT_S}
    reader = BinLogStreamReader(
        connection_settings=dict(settings),
        ctl_connection_settings=dict(settings),
        server_id=_server_id(),
        is_mariadb=True,
        auto_position=str(since),
        blocking=True,
        slave_heartbeat=HEARTBEAT_S,
        only_events=_EVENTS,
        filter_non_implemented_events=False,
        only_schemas=[table.database],
        only_tables=[table.name],
        pymysql_wrapper=connect,
        enable_logging=False,
    )
    try:
        yield from _decoded(reader)
    finally:
        reader.close()
        connect.close()


def _decoded(reader: BinLogStreamReader) -> Iterator[Any]:
    while True:
        try:
            event = reader.fetchone()
        except pymysql.err.MySQLError as error:
            if error.args and error.args[0] == _CANNOT_SERVE:
                raise WholeCopyNeeded(f"the server cannot give its binary log from here: {error.args[-1]}") from error
            raise
        except (OSError, SpoolError):
            raise
        except Exception as error:
            # Whatever a decoder of foreign bytes raises: the rows are still in the table.
            raise WholeCopyNeeded(f"the binary log is not understood: {type(error).__name__}: {error}") from error
        if event is None:
            raise DatabaseUnavailable("the server ended the connection to its binary log", hint="it is tried again")
        yield event


class _ConnectOnce:
    """
    Opens one connection for the log and one for the library's questions.

    The library hides a lost connection and reads from its first position again; here the second try is an error.
    """

    def __init__(self) -> None:
        self._opened: list[Any] = []

    def __call__(self, **settings: Any) -> Any:
        if len(self._opened) == 2:
            raise DatabaseUnavailable("the connection to the binary log was lost", hint="it is tried again")
        self._opened.append(pymysql.connect(**settings))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            if connection.open:
                connection._force_close()


def _server_id() -> int:
    """Its own for each reader: a server ends the connection of a replica when another with the same number comes."""
    return 2**31 + secrets.randbelow(2**31 - 1)
