"""The mirror over HTTP: browse and download, nothing else, and nothing private whatever is asked."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from include.measurements.publish import mirror_server
from tests.support.measurement_state import MeasurementState

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    root = tmp_path_factory.mktemp("mirror") / "state"
    state = MeasurementState(root)
    state.stage_report("north/b1/r.yamloo", state="imported")
    (root / "raw").mkdir(exist_ok=True)
    (root / "raw" / "secret").write_bytes(b"s3cret")
    state.publish()
    (root / "public" / "out").symlink_to(root / "raw")
    (root / "public" / "link.gz").symlink_to(root / "raw" / "secret")
    state.ledger.close()
    with mirror_server.server(root / "public", "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port: int, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def raw_request(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_a_person_gets_the_page_and_a_program_the_index(port: int) -> None:
    status, headers, page = ask(port, "GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"browse.js" in page
    assert b"Content-Security-Policy" in page
    status, headers, body = ask(port, "GET", "/index.json?fresh=1")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    [row] = json.loads(body)
    status, headers, packed = ask(port, "GET", f"/{row['path']}")
    assert (status, headers["content-type"], len(packed)) == (200, "application/gzip", row["size_bytes"])
    assert b"http_requests" in gzip.decompress(packed)


def test_head_tells_the_size_without_the_body(port: int) -> None:
    status, headers, body = ask(port, "HEAD", "/index.yaml")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_every_method_that_is_not_reading_is_refused(port: int, method: str) -> None:
    status, headers, _ = ask(port, method, "/index.json")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/../raw/secret", "/..%2fraw/secret", "/%2e%2e/raw/secret", "/out/secret", "/link.gz", "/out", "/reports",
        "//raw/secret", "/.measurements.lock", "/reports/../../raw/secret", "/raw/secret", "/%00",
    ],
)  # fmt: skip
def test_private_files_are_not_reachable(port: int, path: str) -> None:
    answer = raw_request(port, f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 404")
    assert b"s3cret" not in answer


def test_a_client_that_says_nothing_does_not_keep_the_others(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(10)]
    assert ask(port, "GET", "/")[0] == 200
    for connection in silent:
        connection.close()
