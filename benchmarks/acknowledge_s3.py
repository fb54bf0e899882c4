"""
How long an append waits for S3 at 1,000 single events a second, with a resident shipper.

Targets: median under 400 ms; at most 2 objects a second. The events come at fixed times from many threads, whatever the
answers do, so that a slow answer does not slow the load (no coordinated omission).
Run: python -m benchmarks.acknowledge_s3 [--seconds N] [--rate N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.append import events
from benchmarks.measure import percentile, publish
from spool import settings as spool_settings
from spool.archive.archive import Archive
from spool.intake.client import SpoolClient
from spool.settings import Places
from spool.store.s3_store import s3_store_from_places
from stack.place import REPOSITORY
from tests.support.seaweed import Seaweed

CONFIG = """version: 1
root: spool
checkpoint_topic: c
checkpoint_partitions: 1
deliveries_topic: d
deliveries_retention_days: 1
streams:
  bench: {topic: bench, partitions: 4}
"""
STREAM = "bench"
THREADS = 1200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=1000)
    options = parser.parse_args()
    threading.stack_size(256 * 1024)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        (folder / "s3").mkdir()
        (folder / "spool.yml").write_text(CONFIG, encoding="utf-8")
        with Seaweed(folder / "s3") as store:
            known = store.places(store.bucket())
            places = Places(
                folder / "spool",
                known.s3_bucket,
                known.s3_endpoint,
                known.s3_region,
                known.s3_access_key,
                known.s3_secret_key,
            )
            shipper = _start_shipper(folder, places)
            try:
                waits, seconds = _load(folder, places, options.rate, options.rate * options.seconds)
            finally:
                shipper.terminate()
                shipper.wait()
            archive = Archive(s3_store_from_places(places), "spool")
            objects = sum(len(list(archive.segments(name))) for name in archive.logs())
    publish(
        "acknowledge_s3",
        {
            "events_per_s": round(len(waits) / seconds),
            "p50_ms": round(percentile(waits, 0.5) * 1000),
            "p95_ms": round(percentile(waits, 0.95) * 1000),
            "p99_ms": round(percentile(waits, 0.99) * 1000),
            "p50_target_ms": 400,
            "objects_per_s": round(objects / seconds, 2),
            "objects_target_per_s": 2,
        },
    )


def _start_shipper(folder: Path, places: Places) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "SPOOL_FOLDER": str(places.folder),
        "SPOOL_S3_BUCKET": places.s3_bucket,
        "SPOOL_S3_ENDPOINT": places.s3_endpoint,
        "SPOOL_S3_ACCESS_KEY": places.s3_access_key,
        "SPOOL_S3_SECRET_KEY": places.s3_secret_key,
    }
    command = [sys.executable, "-m", "spool", "ship", "--follow", "--config", str(folder / "spool.yml")]
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    time.sleep(3)
    return process


def _load(folder: Path, places: Places, rate: int, total: int) -> tuple[list[float], float]:
    [event] = events(1)
    waits: list[float] = []
    with SpoolClient(places.folder, spool_settings.load(folder / "spool.yml")) as client:
        client.append(STREAM, [event])

        def one(due: float) -> None:
            client.append(STREAM, [event])
            waits.append(time.perf_counter() - due)

        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(total):
                due = started + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                pool.submit(one, due)
        return waits, time.perf_counter() - started


if __name__ == "__main__":
    main()
