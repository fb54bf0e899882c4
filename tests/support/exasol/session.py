"""One connection: a thread reads requests, another one works on them, so that an abort can arrive in between."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.exasol.commands import Commands
from tests.support.exasol.database import Database
from tests.support.exasol.errors import ABORTED, ROLLED_BACK, TIMED_OUT, ExasolError
from tests.support.exasol.faults import Fault, Faults
from tests.support.exasol.framing import WebSocket
from tests.support.exasol.login import Account, authenticate, public_key, welcome
from tests.support.exasol.statements import Statements
from tests.support.exasol.tunnel import Tunnels

_MISSING = re.compile(r'(?:Table|View|Schema) with name (\S+) does not exist|schema named "(\w+)"')
_WITH_ATTRIBUTES = frozenset({"getAttributes", "setAttributes", "execute"})

Request = Mapping[str, Any]


class Session:
    """`run` returns when the client has gone; what it had not committed is rolled back."""

    def __init__(
        self, number: int, socket: WebSocket, database: Database, tunnels: Tunnels, faults: Faults,
        account: Account, key: rsa.RSAPrivateKey, release: str,
    ) -> None:  # fmt: skip
        self._number, self._socket, self._database, self._faults = number, socket, database, faults
        self._account, self._key, self._release = account, key, release
        self._commands = Commands(database, Statements(database, tunnels, faults))
        self._compressed = False
        self._protocol = 3

    def run(self) -> None:
        working: threading.Thread | None = None
        try:
            for message in self._socket:
                text = zlib.decompress(message).decode() if isinstance(message, bytes) else message
                request = json.loads(text)
                if request.get("command") == "abortQuery":
                    # It has no answer of its own.
                    self._database.interrupt()
                    continue
                if working is not None:
                    working.join()
                working = threading.Thread(target=self._work, args=(request,), daemon=True)
                working.start()
        finally:
            self._database.interrupt()
            if working is not None:
                working.join()
            self._database.close()
            self._socket.close()

    def _work(self, request: Request) -> None:
        if request.get("command") == "execute" and self._faults.strikes(Fault.SILENT):
            self._socket.abandon()
            return
        answer = self._answered(lambda: self._data(request))
        if request.get("command") in _WITH_ATTRIBUTES:
            answer["attributes"] = self._commands.current_attributes()
        try:
            self._send(answer)
        except OSError:
            # The client has gone; the reading thread ends the session.
            return
        if "username" in request:
            # The answer to a login is the last message that is not compressed.
            self._compressed = bool(request.get("useCompression"))

    def _data(self, request: Request) -> dict[str, object] | None:
        if request.get("command") == "login":
            self._protocol = min(int(request["protocolVersion"]), 3)
            return public_key(self._key)
        if "command" in request:
            return self._commands.answer(request)
        authenticate(self._key, self._account, request)
        self._commands.set_attributes(request.get("attributes") or {})
        self._commands.attributes["compressionEnabled"] = bool(request.get("useCompression"))
        return welcome(self._number, self._release, self._protocol)

    def _answered(self, work: Callable[[], dict[str, object] | None]) -> dict[str, object]:
        try:
            data = work()
        except (ExasolError, duckdb.Error) as error:
            self._database.after_error()
            return self._failed(*self._explained(error))
        except Exception as error:  # a defect of this server, which the test shall see
            return self._failed("00000", f"{type(error).__name__}: {error}")
        return {"status": "ok"} if data is None else {"status": "ok", "responseData": data}

    def _failed(self, sql_code: str, text: str) -> dict[str, object]:
        return {"status": "error", "exception": {"sqlCode": sql_code, "text": f"{text} (Session: {self._number})"}}

    def _explained(self, error: ExasolError | duckdb.Error) -> tuple[str, str]:
        if isinstance(error, ExasolError):
            return error.sql_code, error.text
        if isinstance(error, duckdb.InterruptException):
            if self._commands.timed_out:
                return TIMED_OUT, "Query terminated because timeout has been reached."
            return ABORTED, "Client requested execution abort."
        line = str(error).partition("\n")[0]
        if missing := _MISSING.search(line):
            return "42000", f"object {missing[1] or missing[2]} not found [line 1, column 1]"
        return _sql_code(error), line

    def _send(self, answer: Mapping[str, object]) -> None:
        text = json.dumps(answer, ensure_ascii=False)
        self._socket.send(zlib.compress(text.encode(), 1) if self._compressed else text)


def _sql_code(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.TransactionException) or "onflict" in str(error):
        return ROLLED_BACK
    if isinstance(error, duckdb.ConstraintException):
        return "27002"
    return "22000" if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException) else "42000"
