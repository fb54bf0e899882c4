"""A private SeaweedFS on loopback for one test session: real S3, real conditional puts."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import boto3

from spool.settings import Places
from spool.store.s3_store import S3Store, client_config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# gRPC listens at the HTTP port + 10000, and all must stay below the ephemeral range, which begins at 32768.
PORTS = range(20210, 20290, 10)
READY_S = 30.0
_PR_SET_PDEATHSIG = 1


class Seaweed:
    """`with Seaweed(folder) as server: server.store()`; a bucket of its own for each store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.access_key = secrets.token_hex(10)
        self.secret_key = secrets.token_hex(20)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._session = boto3.session.Session()
        self._clients: dict[str, S3Client] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Seaweed:
        for base in PORTS:
            if all(_is_free(base + n) and _is_free(base + n + 10000) for n in range(5)):
                self._start(base)
                if self._is_ready():
                    return self
                self.stop()
        raise RuntimeError(f"SeaweedFS does not start; see {self._folder}/weed.log")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def places(self, bucket: str, **changes: str) -> Places:
        known = {"s3_endpoint": self.endpoint, "s3_access_key": self.access_key, "s3_secret_key": self.secret_key}
        return Places(folder=self._folder, s3_bucket=bucket, **{**known, **changes})

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"b{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def store(self, endpoint: str = "") -> S3Store:
        """In a bucket of its own; through `endpoint` if one is given."""
        return S3Store(self.client(endpoint), self.bucket())

    def client(self, endpoint: str = "") -> S3Client:
        """One for each endpoint: making a client takes botocore a third of a second."""
        url = endpoint or self.endpoint
        if url not in self._clients:
            self._clients[url] = self._session.client(
                "s3",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                config=client_config(path_style=True),
            )
        return self._clients[url]

    def _start(self, base: int) -> None:
        self.port = base
        folder = self._folder
        ports = zip(("s3", "filer", "volume", "master", "admin"), range(base, base + 5), strict=True)
        command = [
            str(Path(sys.executable).parent / "weed"), f"-logdir={folder}", "mini", f"-dir={folder}", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", *(f"-{name}.port={port}" for name, port in ports), "-s3.port.iceberg=0",
            "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", f"-s3.localSocket={folder}/s3.sock",
            f"-filer.localSocket={folder}/filer.sock", "-master.telemetry=false",
        ]  # fmt: skip
        with (folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key},
                preexec_fn=_die_with_parent,
            )

    def _is_ready(self) -> bool:
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self._process and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=1):
                    self.bucket()
                    return True
            except Exception:
                time.sleep(0.2)
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
