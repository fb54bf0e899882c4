"""A private SeaweedFS on loopback for one test session: real S3, real conditional puts."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import boto3

from spool.settings import Places
from spool.store.s3_store import S3Store, client_config
from tests.support import ports
from tests.support.server_process import end_server, start_server, wait_until_ready

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Of each server, in this order, and its gRPC, which listens at its port + 10000; all below the ephemeral range.
SERVERS = ("s3", "filer", "volume", "master", "admin")
GRPC = 10000


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
        servers = range(len(SERVERS))
        self.port = ports.reserve(ports.SEAWEED, (*servers, *(GRPC + n for n in servers)))
        log = self._folder / "weed.log"
        self._process = start_server(
            self._command(),
            log,
            env={**os.environ, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key},
        )
        wait_until_ready(self._process, self._is_ready, log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process:
            end_server(self._process, signal.SIGKILL)
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

    def _command(self) -> list[str]:
        folder = self._folder
        return [
            str(Path(sys.executable).parent / "weed"), f"-logdir={folder}", "mini", f"-dir={folder}", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", *(f"-{name}.port={self.port + n}" for n, name in enumerate(SERVERS)),
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
            f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock", "-master.telemetry=false",
        ]  # fmt: skip

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=5):
                self.bucket()
                return True
        except Exception:
            return False
