"""
One connection to Exasol: statements, transactions that are tried again, and loads of bytes.

Exasol isolates transactions as if they ran one after the other, by locks of whole tables: one that cannot be put in
such an order is rolled back with 40001, and the remedy is to run it again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pyexasol

from include.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from include.warehouse.target.exasol_options import DRIVER_OPTIONS, SOCKET_TIMEOUT_S
from include.warehouse.target.port import Produce
from include.warehouse.target.pulled import pulled
from spool.errors import SpoolError

T = TypeVar("T")
Connect = Callable[[], Any]
"""Opens a connection of pyexasol with DRIVER_OPTIONS."""


def connect_to(options: Mapping[str, Any]) -> Connect:
    """Connections with the options of `exasol_options`."""
    wanted = {"socket_timeout": SOCKET_TIMEOUT_S, **options, **DRIVER_OPTIONS}
    return lambda: pyexasol.connect(**wanted)


_SESSION = (
    "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD'",
    "ALTER SESSION SET NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF6'",
    "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
    "ALTER SESSION SET TIME_ZONE = 'UTC'",
)
_ROLLED_BACK = "40001"
_ENDED = frozenset({"R0001", "R0003", "R0004"})
# Of an IMPORT whose tunnel broke; what is wrong with rows has other codes.
_TRANSFER = ("ETL-5105", "ETL-5106")
ATTEMPTS = 6
_PAUSE_S = 0.2
_MESSAGE_SHOWN = 300
_HINT = "docs/reference/connections.md says what the connection needs"


class ExasolSession:
    """Connects at the first statement, and again after the connection broke. Of one thread."""

    def __init__(self, connect: Connect, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._connect, self._pause = connect, pause
        self._connection: Any = None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except pyexasol.ExaError:
                # It is gone already; the server rolls back what was not committed.
                return

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement, none where it has none. WarehouseUnavailable, WarehouseRefused."""
        try:
            statement = self._open().execute(sql)
            return list(statement.fetchall()) if statement.result_type == "resultSet" else []
        except (pyexasol.ExaError, OSError) as error:
            raise self._explained(error) from error

    def transaction(self, work: Callable[[], T]) -> T:
        """
        Run `work`, whose statements are one transaction; it is durable when this returns, undone when it raises.

        One that Exasol rolls back is run again, at most ATTEMPTS times in all: `work` must bear that.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(work)
            except RolledBack as collision:
                if attempt == ATTEMPTS:
                    raise WarehouseUnavailable(
                        f"Exasol rolled the transaction back {attempt} times: {collision}",
                        hint="other sessions work on the same tables; try again when they have ended",
                    ) from collision
                self._pause(_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def load(self, table: tuple[str, str], columns: Sequence[str], produce: Produce) -> None:
        """
        Append the rows of CSV that `produce` writes, all or none; what it raises goes on unchanged.

        Without a byte there is no statement: Exasol asks again for an empty body, and the driver answers once.
        """
        with pulled(produce) as source:
            if source.is_empty:
                return
            try:
                self._open().import_from_callback(
                    lambda pipe, _: source.copy(pipe.write), None, table,
                    import_params={"columns": list(columns), "row_separator": "LF", "encoding": "UTF-8"},
                )  # fmt: skip
            except (pyexasol.ExaError, OSError) as error:
                raise self._explained(error) from error

    def _attempt(self, work: Callable[[], T]) -> T:
        try:
            self._open().set_autocommit(False)
            result = work()
            self._open().commit()
        except (pyexasol.ExaError, OSError) as error:
            self._undo()
            raise self._explained(error) from error
        except BaseException:
            self._undo()
            raise
        self._open().set_autocommit(True)
        return result

    def _undo(self) -> None:
        """A connection that cannot even roll back is given up, which rolls back too."""
        if self._connection is None:
            return
        try:
            self._connection.rollback()
            self._connection.set_autocommit(True)
        except (pyexasol.ExaError, OSError):
            self.close()

    def _open(self) -> Any:
        if self._connection is None:
            try:
                self._connection = self._connect()
                for statement in _SESSION:
                    self._connection.execute(statement)
            except (pyexasol.ExaError, OSError) as error:
                self.close()
                raise self._explained(error) from error
        return self._connection

    def _explained(self, error: BaseException) -> SpoolError:
        causes = _causes(error)
        if any(isinstance(cause, pyexasol.ExaCommunicationError) for cause in causes):
            self.close()
        # Of an import, the server's reason stands among broken pipes.
        answers = [cause for cause in causes if isinstance(cause, pyexasol.ExaRequestError)]
        return _of_answer(answers[0]) if answers else _of_connection(causes[-1])


class RolledBack(WarehouseUnavailable):
    """A statement or transaction was rolled back with 40001."""


def _causes(error: BaseException) -> list[BaseException]:
    """An error, or those that an error of an import consists of, outermost first."""
    return [error, *(cause for part in getattr(error, "exceptions", ()) for cause in _causes(part))]


def _of_answer(error: Any) -> SpoolError:
    code, message = str(error.code), str(error.message).partition("\n")[0][:_MESSAGE_SHOWN]
    text = f"Exasol: {message} ({code})"
    if code == _ROLLED_BACK:
        return RolledBack(text, hint="try again")
    if code in _ENDED or any(transfer in f"{code} {message}" for transfer in _TRANSFER):
        return WarehouseUnavailable(text, hint="the statement was ended, or the way between here and Exasol; try again")
    hint = _HINT if isinstance(error, pyexasol.ExaAuthError) else "see docs/runbooks/warehouse.md"
    return WarehouseRefused(text, hint=hint)


def _of_connection(error: BaseException) -> SpoolError:
    message = str(getattr(error, "message", error)).partition("\n")[0][:_MESSAGE_SHOWN]
    if "fingerprint" in message.lower() or "certificate" in message.lower():
        return WarehouseRefused(f"Exasol is not the one that the connection names: {message}", hint=_HINT)
    return WarehouseUnavailable(f"no connection to Exasol: {message}", hint=f"is it running? {_HINT}")
