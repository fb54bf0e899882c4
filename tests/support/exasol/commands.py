"""The requests of the WebSocket API by their names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.exasol import metadata, prepared
from tests.support.exasol.database import Database
from tests.support.exasol.errors import ExasolError
from tests.support.exasol.login import ATTRIBUTES
from tests.support.exasol.results import Handles, Result, answered, fetch
from tests.support.exasol.statements import Statements

Request = Mapping[str, Any]
Answer = dict[str, object] | None

_METADATA = {
    "getSchemas": metadata.schemas, "getTables": metadata.tables, "getColumns": metadata.columns,
    "getKeywords": metadata.keywords,
}  # fmt: skip


class Commands:
    """
    What a session may ask for after its login.

    timed_out   whether the running statement was ended by its time-out
    """

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database, self._statements = database, statements
        self._handles = Handles()
        self.attributes = dict(ATTRIBUTES)
        self.timed_out = False
        self._by_name: dict[str, Callable[[Request], Answer]] = {
            "execute": lambda request: self._answer(self._run(request["sqlText"])),
            "executeBatch": self._execute_batch,
            "createPreparedStatement": lambda request: prepared.prepare(database, self._handles, request["sqlText"]),
            "executePreparedStatement": self._execute_prepared,
            "closePreparedStatement": lambda request: self._handles.drop([request["statementHandle"]]),
            "fetch": self._fetch,
            "closeResultSet": lambda request: self._handles.drop(request["resultSetHandles"]),
            "getAttributes": lambda request: None,
            "setAttributes": lambda request: None,
            "getHosts": lambda request: {"numNodes": 1, "nodes": [request.get("hostIp") or "127.0.0.1"]},
            "disconnect": lambda request: None,
        }

    def answer(self, request: Request) -> Answer:
        """`responseData`; ExasolError or duckdb.Error."""
        name = request["command"]
        self.set_attributes(request.get("attributes") or {})
        if name in _METADATA:
            return self._answer(_METADATA[name](self._database, request))
        if name not in self._by_name:
            raise ExasolError("00000", f"unknown command {name}")
        return self._by_name[name](request)

    def set_attributes(self, wanted: Mapping[str, Any]) -> None:
        if "autocommit" in wanted:
            self._database.set_autocommit(bool(wanted["autocommit"]))
        if wanted.get("currentSchema"):
            self._database.open_schema(wanted["currentSchema"])
        self.attributes |= {name: value for name, value in wanted.items() if name in ATTRIBUTES}
        if "queryTimeout" in wanted:
            self._statements.query_timeout_s = int(wanted["queryTimeout"])

    def current_attributes(self) -> dict[str, object]:
        return self.attributes | {
            "autocommit": self._database.autocommit,
            "currentSchema": self._database.schema,
            "openTransaction": int(self._database.in_transaction),
        }

    def _run(self, sql: str) -> Result:
        self.timed_out = False
        if not self._statements.query_timeout_s:
            return self._statements.run(sql)
        timer = threading.Timer(self._statements.query_timeout_s, self._time_out)
        timer.start()
        try:
            return self._statements.run(sql)
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self.timed_out = True
        self._database.interrupt()

    def _answer(self, result: Result) -> dict[str, object]:
        return answered(result, self._handles, int(str(self.attributes["resultSetMaxRows"])))

    def _execute_batch(self, request: Request) -> Answer:
        results = [self._answer(self._run(sql))["results"][0] for sql in request["sqlTexts"]]  # type: ignore[index]
        return {"numResults": len(results), "results": results}

    def _execute_prepared(self, request: Request) -> Answer:
        statement = self._handles[request["statementHandle"]]
        return self._answer(prepared.execute(self._statements, statement, request.get("data") or []))

    def _fetch(self, request: Request) -> Answer:
        return fetch(self._handles[request["resultSetHandle"]], request["startPosition"], request["numBytes"])
