"""
An HTTP proxy on loopback in front of a real S3, that fails on demand.

    with S3Proxy("127.0.0.1", port) as proxy:
        proxy.faults.append(ProxyFault("PUT", "lose_answer", path_part=".seg"))

    lose_answer   the store gets the request; the client's connection is closed without an answer
    delay         the client's connection is closed; the store gets the request at `land_delayed()`
    status        answers `status` with S3's XML for `code`; the store gets nothing
    cut           half of the answer's body, then the connection is closed
    stall         takes the request and answers nothing for `seconds`
    swallow       answers a put like the store; the store gets nothing
    page          answers 200 with an HTML page, as a proxy's sign-in page does
    whole_sum     answers with the checksum of another body, as stores do that answer a part with that of the whole

`bytes_per_s` is the speed of the link, in both directions; 0 for no limit. `requests` is what came in.
"""

from __future__ import annotations

import http.client
import socketserver
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType

_CHUNK_MAX = 64 * 1024 * 1024
_PIECE = 16 * 1024


@dataclass
class ProxyFault:
    method: str
    kind: str
    path_part: str = ""
    times: int = 1
    status: int = 0
    code: str = ""
    seconds: float = 0.0


@dataclass
class _Request:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class S3Proxy:
    """`answers` are the store's statuses, in order, delayed requests included."""

    def __init__(self, host: str, port: int) -> None:
        self.faults: list[ProxyFault] = []
        self.answers: list[tuple[str, int]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bytes_per_s = 0
        self._target = (host, port)
        self._delayed: list[_Request] = []
        self._mutex = threading.Lock()
        self._closed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                if self.headers.get("Expect", "").lower() == "100-continue":
                    self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                size = int(self.headers.get("Content-Length") or 0)
                assert size <= _CHUNK_MAX
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                body = bytearray()
                while len(body) < size:
                    body += self.rfile.read(min(_PIECE, size - len(body)))
                    proxy._take_time(_PIECE)
                proxy.requests.append((self.command, self.path, headers))
                proxy._serve(self, _Request(self.command, self.path, headers, bytes(body)))

            def log_message(self, *_: object) -> None:
                pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> S3Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def land_delayed(self) -> list[int]:
        """Send the delayed requests to the store now; its statuses."""
        with self._mutex:
            delayed, self._delayed = self._delayed, []
        return [self._forward(request)[0] for request in delayed]

    def _serve(self, client: BaseHTTPRequestHandler, request: _Request) -> None:
        fault = self._fault(request)
        if fault is None:
            self._answer(client, request, *self._forward(request))
        elif fault.kind == "lose_answer":
            self._forward(request)
            client.close_connection = True
        elif fault.kind == "delay":
            with self._mutex:
                self._delayed.append(request)
            client.close_connection = True
        elif fault.kind == "cut":
            status, headers, body = self._forward(request)
            self._answer(client, request, status, headers, body, sent=len(body) // 2)
            client.close_connection = True
        elif fault.kind == "swallow":
            self._answer(client, request, 200, {"ETag": '"0123"'}, b"")
        elif fault.kind == "page":
            page = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
            self._answer(client, request, 200, {"Content-Type": "text/html"}, page)
        elif fault.kind == "whole_sum":
            status, headers, body = self._forward(request)
            others = {name: value for name, value in headers.items() if "checksum" not in name.lower()}
            self._answer(client, request, status, {**others, "x-amz-checksum-sha256": "A" * 43 + "="}, body)
        elif fault.kind == "stall":
            self._closed.wait(fault.seconds)
            client.close_connection = True
        else:
            body = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
            self._answer(client, request, fault.status, {"Content-Type": "application/xml"}, body)

    def _forward(self, request: _Request) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self._target, timeout=240)
        try:
            # The Host header is part of the signature: it stays the proxy's.
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.answers.append((request.method, answer.status))
        dropped = ("connection", "transfer-encoding", "keep-alive")
        return answer.status, {name: value for name, value in answer.getheaders() if name.lower() not in dropped}, body

    def _take_time(self, size_bytes: int) -> None:
        if self.bytes_per_s:
            time.sleep(size_bytes / self.bytes_per_s)

    def _answer(
        self,
        client: BaseHTTPRequestHandler,
        request: _Request,
        status: int,
        headers: dict[str, str],
        body: bytes,
        sent: int | None = None,
    ) -> None:
        client.send_response_only(status)
        names = {name.lower() for name in headers}
        for name, value in headers.items():
            client.send_header(name, value)
        if "content-length" not in names and status not in (204, 304):
            client.send_header("Content-Length", str(len(body)))
        client.end_headers()
        if request.method != "HEAD":
            rest = memoryview(body)[:sent]
            while rest:
                client.wfile.write(rest[:_PIECE])
                self._take_time(len(rest[:_PIECE]))
                rest = rest[_PIECE:]
        client.wfile.flush()

    def _fault(self, request: _Request) -> ProxyFault | None:
        with self._mutex:
            for fault in self.faults:
                if fault.method in (request.method, "*") and fault.path_part in request.path:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
        return None
