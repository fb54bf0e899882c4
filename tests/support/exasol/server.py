"""
A server that speaks Exasol's protocol on DuckDB, for tests: an unmodified pyexasol works with it. No real Exasol
was ever contacted; the README of include/warehouse lists what is assumed.

    server          one port: WebSocket, WebSocket in TLS and tunnels, distinguished by their first bytes
    framing         frames of RFC 6455
    certificates    the server's certificate, its fingerprint, pins of public keys
    session         one connection: requests one after the other, abort in between, errors as Exasol words them
    login           RSA-encrypted password, attributes
    commands        requests of the WebSocket API by their names; prepared statements in `prepared`
    statements      SQL by its first words; what sqlglot cannot read is done here, the rest in `translation`
    database        the session's DuckDB cursor, its transaction and schema
    tables          CREATE TABLE with Exasol's types, which live in comments of columns
    data_types      types and values on their way to the client
    results         result sets, whole or by handle
    metadata        the views EXA_* and the metadata commands
    tunnel          HTTP through a tunnel, pins, broken bodies
    bulk_import, bulk_export    IMPORT and EXPORT of CSV
    faults          what goes wrong on demand

One port, three things, distinguished by the first bytes:

    02 21 21 02    a tunnel: 12 bytes from the client, 24 from the server, never encrypted; then it is kept for one
                   IMPORT or EXPORT
    16 03          TLS, then a WebSocket
    GET            a WebSocket
"""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
import struct
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from tests.support.exasol.certificates import ServerCertificate, private_key
from tests.support.exasol.database import Database
from tests.support.exasol.faults import Faults
from tests.support.exasol.framing import WebSocket
from tests.support.exasol.login import Account
from tests.support.exasol.metadata import VIEWS
from tests.support.exasol.session import Session
from tests.support.exasol.tunnel import Tunnels

_TUNNEL_MAGIC = struct.pack("<i", 0x02212102)
_TLS_HANDSHAKE = b"\x16"
_HOST = "127.0.0.1"
RELEASE = "8.34.0"
ACCOUNT = Account("sys", "exasol")


class ExasolServer:
    """
    Listens from `with` to its end, on a free port of the loopback interface.

    port, certificate   of clients; `certificate.fingerprint` for a DSN
    account             of the one user
    faults              what goes wrong on demand
    """

    def __init__(self, *, release: str = RELEASE, account: Account = ACCOUNT) -> None:
        self.account, self.release, self.faults = account, release, Faults()
        self._folder = Path(tempfile.mkdtemp(prefix="exasol_server_"))
        self.certificate = ServerCertificate(self._folder)
        self._duckdb = duckdb.connect(":memory:", config={"threads": 2})
        self._duckdb.execute(VIEWS)
        self._key = private_key()
        self._lock = threading.Lock()
        self._tunnels: dict[int, socket.socket] = {}
        self._tunnel_ports = itertools.count(20_001)
        self._session_numbers = itertools.count(1_700_000_000_000_000_001)
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((_HOST, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def dsn(self) -> str:
        """Host, fingerprint and port."""
        return f"{_HOST}/{self.certificate.fingerprint}:{self.port}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Wakes the thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            left = [*self._open, *self._tunnels.values()]
        for connection in left:
            _hang_up(connection)
        shutil.rmtree(self._folder)

    def disconnect_all(self) -> None:
        """As if the machine had gone: every session ends, what it had not committed is rolled back."""
        with self._lock:
            left = list(self._open)
        for connection in left:
            _hang_up(connection)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """DuckDB's SQL, past the protocol."""
        return self._duckdb.cursor().execute(sql).fetchall()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = connection.recv(4, socket.MSG_PEEK)
            if head == _TUNNEL_MAGIC:
                self._keep_tunnel(connection)
                return
            if head[:1] == _TLS_HANDSHAKE:
                connection = self.certificate.context.wrap_socket(connection, server_side=True)
            self._hold_session(connection)
        except (OSError, ssl.SSLError, EOFError, ValueError):
            # The client went away, or did not like the certificate.
            connection.close()

    def _keep_tunnel(self, connection: socket.socket) -> None:
        connection.recv(12, socket.MSG_WAITALL)
        with self._lock:
            port = next(self._tunnel_ports)
            self._tunnels[port] = connection
        connection.sendall(struct.pack("<ii16s", 0, port, _HOST.encode()))

    def _take_tunnel(self, port: int) -> socket.socket | None:
        with self._lock:
            return self._tunnels.pop(port, None)

    def _hold_session(self, connection: socket.socket) -> None:
        web_socket = WebSocket(connection)
        if not web_socket.handshake():
            return
        with self._lock:
            self._open.add(connection)
        try:
            Session(
                next(self._session_numbers), web_socket, Database(self._duckdb, self.faults),
                Tunnels(self._take_tunnel, self.release, self.faults), self.faults, self.account, self._key,
                self.release,
            ).run()  # fmt: skip
        finally:
            with self._lock:
                self._open.discard(connection)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()
