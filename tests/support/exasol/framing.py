"""
Frames of RFC 6455, server side, as much as a client of a database needs.

    byte 0   0x80 last frame of the message, low 4 bits: 0 continued, 1 text, 2 binary, 8 close, 9 ping, 10 pong
    byte 1   0x80 masked (a client always masks), low 7 bits: length, 126: 2 bytes follow, 127: 8 bytes follow
"""

from __future__ import annotations

import base64
import hashlib
import struct
import threading
from collections.abc import Iterator
from socket import SHUT_RDWR, socket

_ACCEPT_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10

Message = str | bytes


class WebSocket:
    """One connection. `handshake` first, then messages by iteration; `send` from any thread."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb", 1 << 16)
        self._write_lock = threading.Lock()

    def handshake(self) -> bool:
        """Whether the request was one for a WebSocket; if not, it is refused and the connection closed."""
        request = self._reader.readline()
        head = dict(self._head_lines())
        key = head.get("sec-websocket-key")
        if not request.startswith(b"GET ") or key is None:
            self._connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.close()
            return False
        accept = base64.b64encode(hashlib.sha1((key + _ACCEPT_SALT).encode()).digest())
        self._connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return True

    def send(self, message: Message) -> None:
        if isinstance(message, str):
            self._frame(_TEXT, message.encode())
        else:
            self._frame(_BINARY, message)

    def abandon(self) -> None:
        """End the connection without a word."""
        self._connection.shutdown(SHUT_RDWR)

    def close(self) -> None:
        # The reader holds the socket open as long as it is open itself.
        self._reader.close()
        self._connection.close()

    def __iter__(self) -> Iterator[Message]:
        """Whole messages until the client closes."""
        collected, kind = b"", _TEXT
        while (frame := self._read_frame()) is not None:
            last, code, payload = frame
            if code == _CLOSE:
                self._frame(_CLOSE, payload[:2])
                return
            if code == _PING:
                self._frame(_PONG, payload)
            elif code in (_CONTINUED, _TEXT, _BINARY):
                kind = code or kind
                collected += payload
                if last:
                    yield collected.decode() if kind == _TEXT else collected
                    collected = b""

    def _head_lines(self) -> Iterator[tuple[str, str]]:
        while line := self._reader.readline().strip():
            name, _, value = line.decode("latin1").partition(":")
            yield name.lower(), value.strip()

    def _read_frame(self) -> tuple[bool, int, bytes] | None:
        head = self._reader.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 0x7F
        if length > 125:
            form = ">H" if length == 126 else ">Q"
            (length,) = struct.unpack(form, self._reader.read(struct.calcsize(form)))
        mask = self._reader.read(4) if head[1] & 0x80 else b"\0\0\0\0"
        return bool(head[0] & 0x80), head[0] & 0x0F, _unmasked(self._reader.read(length), mask)

    def _frame(self, code: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            size = bytes([length])
        else:
            size = b"\x7e" + struct.pack(">H", length) if length < 65536 else b"\x7f" + struct.pack(">Q", length)
        with self._write_lock:
            self._connection.sendall(bytes([0x80 | code]) + size + payload)


def _unmasked(data: bytes, mask: bytes) -> bytes:
    """As one big number: fast enough without a library."""
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(len(data), "little")
