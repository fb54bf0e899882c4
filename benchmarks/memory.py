"""
Memory of the shipper and of the replayer, each in a process of its own, at 100,000 and at 5,000,000 events.

Target: flat, under 200 MB. Reported is the largest resident size of the whole process, libraries included.
Run: python -m benchmarks.memory [--events N,N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.append import events
from benchmarks.measure import peak_memory_mb, publish
from benchmarks.replay import APPEND, STREAM, settings
from spool.alarm import LogOnlyAlarms
from spool.intake.client import SpoolClient
from spool.replay.replayer import Replayer
from spool.settings import Places
from spool.shipping.shipper import Shipper
from spool.store.s3_store import s3_store_from_places
from tests.support.private_kafka import KafkaBroker
from tests.support.seaweed import Seaweed


def append(places: Places, total: int, answer: Any) -> None:
    with SpoolClient(places.folder, settings("bench", 4)) as client:
        chunk = events(APPEND)
        for _ in range(total // APPEND):
            client.append(STREAM, chunk)
    answer.put(peak_memory_mb())


def ship(places: Places, _: int, answer: Any) -> None:
    Shipper(places.folder, settings("bench", 4), s3_store_from_places(places), LogOnlyAlarms()).ship_once()
    answer.put(peak_memory_mb())


def replay(places: Places, total: int, answer: Any) -> None:
    made = settings("bench", 4)
    done = Replayer(made, made.stream(STREAM), s3_store_from_places(places), places.kafka or {}).drain()
    assert done.events == total, f"{done.events} of {total}"
    answer.put(peak_memory_mb())


def in_process(work: Callable[[Places, int, Any], None], places: Places, total: int) -> int:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=work, args=(places, total, answer))
    process.start()
    peak = float(answer.get(timeout=600))
    process.join()
    return round(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="100000,5000000")
    options = parser.parse_args()
    results: dict[str, Any] = {"target_mb": 200}
    for total in map(int, options.events.split(",")):
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
            folder = Path(name)
            (folder / "s3").mkdir()
            with Seaweed(folder / "s3") as store, KafkaBroker(folder) as broker:
                known = store.places(store.bucket())
                places = Places(
                    folder / "spool", known.s3_bucket, known.s3_endpoint, known.s3_region, known.s3_access_key,
                    known.s3_secret_key, {"bootstrap.servers": broker.bootstrap},
                )  # fmt: skip
                results[f"at_{total}_events_mb"] = {
                    "append": in_process(append, places, total),
                    "ship": in_process(ship, places, total),
                    "replay": in_process(replay, places, total),
                }
    publish("memory", results)


if __name__ == "__main__":
    main()
