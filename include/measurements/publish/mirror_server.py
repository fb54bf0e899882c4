"""
Serves the folder `public` to anybody: GET and HEAD, files below it, nothing else.

Each part of a path is opened below the one before it and never through a link, so neither `..` nor a link leads out,
whatever changes meanwhile. Hidden files, and folders, do not exist. For one machine or behind a proxy that speaks TLS.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

LOGGER = logging.getLogger(__name__)

CONNECTIONS_MAX = 64
SILENCE_S = 30
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".json": "application/json", ".yaml": "application/yaml", ".gz": "application/gzip",
}  # fmt: skip


class NotPublic(Exception):
    """There is no such public file."""


def open_public(root: Path, path: str) -> BinaryIO:
    """The file that the path of a URL names; `/` is index.html. NotPublic for everything that is not a plain file."""
    parts = (unquote(path).removeprefix("/") or "index.html").split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise NotPublic
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO, errno.ENAMETOOLONG):
            raise NotPublic from None
        raise
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise NotPublic
    return os.fdopen(file, "rb")


def server(root: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is bound and not yet running: call serve_forever()."""

    class Handler(_Handler):
        folder = root

    return _Server((host, port), Handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        self._free.acquire()
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        # The reader disconnected. Its address is private.
        LOGGER.debug("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    timeout = SILENCE_S
    server_version = "mirror"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _refuse(self) -> None:
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 - the base class's names

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        try:
            file = open_public(self.folder, path)
        except NotPublic:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self.send_response(HTTPStatus.OK)
            kind = _TYPES.get(Path(path).suffix or ".html", "application/octet-stream")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            if with_body:
                shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:
        # Addresses of readers are private.
        LOGGER.debug("request answered: %s", args[1] if len(args) > 1 else "")
