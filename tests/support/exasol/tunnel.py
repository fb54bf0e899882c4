"""
HTTP through a tunnel: a connection that the client opened and the server sends one request over.

The client answers GET with a chunked body. A body that ends without its last chunk is a client that failed, so the
statement fails. A body of nothing at all makes Exasol ask again, which a client that answers once refuses
(https://github.com/exasol/websocket-api/issues/33).
"""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket
from typing import BinaryIO, NamedTuple

from tests.support.exasol.certificates import public_key_pin
from tests.support.exasol.errors import READING, WRITING, transfer_failed
from tests.support.exasol.faults import Fault, Faults

_AT = re.compile(
    r"AT\s+'(https?)://([\d.]+):(\d+)[^']*'(?:\s+PUBLIC\s+KEY\s+'sha256//([^']+)')?\s+FILE\s+'([^']+)'", re.IGNORECASE
)
_GZIP = 16 + zlib.MAX_WBITS
_ANSWER_S = 60.0
# Releases from this one on demand the pin of the client's key.
_PINS_SINCE = (8, 32)

Take = Callable[[int], socket | None]
"""The tunnel of a port, which is used once."""


class Place(NamedTuple):
    """`AT 'https://127.0.0.1:20001' PUBLIC KEY 'sha256//...' FILE '000.csv'`."""

    encrypted: bool
    port: int
    pin: str | None
    file: str


def places(sql: str) -> list[Place]:
    """All of a statement, in its order."""
    return [
        Place(scheme.lower() == "https", int(port), pin or None, file)
        for scheme, _, port, pin, file in _AT.findall(sql)
    ]


class Tunnels:
    """The tunnels of a server, by the port that the client was given."""

    def __init__(self, take: Take, release: str, faults: Faults) -> None:
        self._take, self._faults = take, faults
        self._demands_pin = tuple(int(part) for part in release.split(".")[:2]) >= _PINS_SINCE

    def read(self, place: Place, write: Callable[[bytes], object]) -> None:
        """GET the body into `write`; ExasolError where it is empty or breaks off."""
        with self._dialled(place, READING) as connection:
            connection.sendall(_head("GET", place))
            reader = connection.makefile("rb", 1 << 16)
            _demand_ok(reader, READING)
            unpacked = zlib.decompressobj(wbits=_GZIP) if place.file.endswith(".gz") else None
            received = 0
            for chunk in _chunks(reader, self._faults.bytes_before_drop()):
                received += len(chunk)
                write(unpacked.decompress(chunk) if unpacked else chunk)
            if not received:
                raise transfer_failed(READING, "Connection refused, when the empty answer was asked for again")

    def write(self, place: Place, pieces: Iterator[bytes]) -> None:
        """PUT the pieces as one body; ExasolError unless the client says 200."""
        left = self._faults.bytes_before_drop()
        with self._dialled(place, WRITING) as connection:
            connection.sendall(_head("PUT", place, b"Transfer-Encoding: chunked\r\nExpect: \r\n"))
            for piece in _packed(pieces) if place.file.endswith(".gz") else pieces:
                connection.sendall(b"%X\r\n%b\r\n" % (len(piece), piece))
                left = None if left is None else left - len(piece)
                if left is not None and left < 0:
                    raise transfer_failed(WRITING, "connection lost")
            connection.sendall(b"0\r\n\r\n")
            connection.settimeout(_ANSWER_S)
            _demand_ok(connection.makefile("rb"), WRITING)

    @contextmanager
    def _dialled(self, place: Place, code: str) -> Iterator[socket]:
        connection = self._take(place.port)
        if connection is None:
            raise transfer_failed(code, f"127.0.0.1:{place.port}/{place.file}: Couldn't connect to server")
        try:
            if place.encrypted:
                connection = _encrypted(connection)
                self._check_pin(place, connection, code)
            yield connection
        except (OSError, ValueError) as error:
            raise transfer_failed(code, str(error)) from error
        finally:
            connection.close()

    def _check_pin(self, place: Place, connection: ssl.SSLSocket, code: str) -> None:
        found = public_key_pin(connection.getpeercert(binary_form=True) or b"")
        if self._faults.strikes(Fault.WRONG_PIN):
            found = "another"
        if self._demands_pin and place.pin != found:
            raise transfer_failed(code, "SSL: public key does not match pinned public key")


def _encrypted(connection: socket) -> ssl.SSLSocket:
    """On a tunnel the client is the server of TLS; its certificate is made for this transfer, the pin proves it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


def _head(method: str, place: Place, more: bytes = b"") -> bytes:
    line = f"{method} /{place.file} HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\nUser-Agent: Exasol\r\n".encode()
    return line + more + b"\r\n"


def _demand_ok(reader: BinaryIO, code: str) -> None:
    status = reader.readline()
    if b" 200 " not in status:
        raise transfer_failed(code, status.decode("latin1").strip() or "connection closed")
    while reader.readline() not in (b"\r\n", b""):
        pass


def _chunks(reader: BinaryIO, drop_after: int | None) -> Iterator[bytes]:
    received = 0
    while line := reader.readline().strip():
        size = int(line, 16)
        if size == 0:
            reader.readline()
            return
        chunk = reader.read(size)
        received += len(chunk)
        if len(chunk) < size or (drop_after is not None and received > drop_after):
            break
        reader.read(2)
        yield chunk
    raise transfer_failed(READING, f"transfer closed with outstanding read data remaining after {received} bytes")


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
