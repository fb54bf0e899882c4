"""S3: SeaweedFS in one process. Honours If-None-Match, If-Match and checksums."""

from __future__ import annotations

import sys
from pathlib import Path

from stack.credentials import credentials
from stack.place import BUCKETS, HOST, Place, StackProblem
from stack.probes import http_ok
from stack.service import Service

PARTS = ("s3", "s3_master", "s3_volume", "s3_filer", "s3_admin")
# After a kill its parts need a moment to find one another again: mostly one second, twenty have been seen.
SETTLED_WITHIN_S = 90.0


def service(place: Place) -> Service:
    folder = place.path("s3")
    keys = credentials(place)
    port = place.port("s3")
    command = [
        str(Path(sys.prefix) / "bin" / "weed"), f"-logdir={folder}", "mini", f"-dir={folder}",
        f"-ip={HOST}", f"-ip.bind={HOST}",
        f"-master.port={place.port('s3_master')}", f"-volume.port={place.port('s3_volume')}",
        f"-filer.port={place.port('s3_filer')}", f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-webdav=false", "-admin.ui=false", f"-admin.port={place.port('s3_admin')}",
        f"-s3.localSocket={place.path('run', 's3.sock')}", f"-filer.localSocket={place.path('run', 'filer.sock')}",
        "-master.telemetry=false", f"-bucket={BUCKETS[0]}",
    ]  # fmt: skip
    return Service(
        name="s3",
        command=command,
        environment={"AWS_ACCESS_KEY_ID": keys["s3_access_key"], "AWS_SECRET_ACCESS_KEY": keys["s3_secret_key"]},
        prepare=lambda: (place.make("s3"), place.make("run")),
        ready=lambda: http_ok(f"http://{HOST}:{port}/healthz"),
        settle=lambda: make_buckets(f"http://{HOST}:{port}", keys["s3_access_key"], keys["s3_secret_key"], BUCKETS),
        # Each also listens 10000 higher, for gRPC.
        ports=tuple(place.port(part) + more for part in PARTS for more in (0, 10000)),
        url=f"http://{HOST}:{port}",
    )


def make_buckets(endpoint: str, access_key: str, secret_key: str, names: tuple[str, ...]) -> None:
    """Idempotent; waits until the store takes writes, which is a moment after it answers."""
    import time

    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 0}, connect_timeout=5, read_timeout=10,
        ),
    )  # fmt: skip
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while True:
        try:
            buckets = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for name in names:
                if name not in buckets:
                    client.create_bucket(Bucket=name)
            client.put_object(Bucket=names[0], Key="_probe", Body=b"x")
            client.delete_object(Bucket=names[0], Key="_probe")
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise StackProblem(f"the object store takes no writes: {error}", "see `make logs s=s3`") from None
            time.sleep(0.25)
        else:
            return
