"""Whether a service answers: quick questions in its own protocol, no exceptions."""

from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request

from stack.place import HOST, is_listening


def http_ok(url: str, timeout_s: float = 5.0) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            return 200 <= int(response.status) < 300
    except (OSError, urllib.error.URLError, ValueError):
        return False


def tcp(port: int) -> bool:
    return is_listening(port)


def kafka_brokers(port: int, timeout_s: float = 1.0) -> int:
    """Live brokers in a Metadata answer (API 3, version 1, no topics); 0 where nothing sensible answers."""
    client = b"probe"
    request = struct.pack(">hhih", 3, 1, 7, len(client)) + client + struct.pack(">i", 0)
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            stream = connection.makefile("rb")
            response = stream.read(struct.unpack(">i", stream.read(4))[0])
            return int(struct.unpack(">i", response[4:8])[0])
    except (OSError, struct.error):
        return 0
