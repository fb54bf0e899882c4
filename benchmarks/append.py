"""
How fast events become durable on the local disk.

    batches  200-byte events in calls of 1,000 from four threads, acknowledged `disk`: target 400,000 events/s
    idempotent  the same calls, each under a sequence of its thread's producer: target 0.9 of `batches`, taken in turns
    singles  one event per call from 64 threads: target 10,000 events/s
    ceiling  the same number of bytes as `batches` writes, in the same commit sizes, write + fdatasync only

Run: python -m benchmarks.append [--events N] [--repeats N]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import publish, repeat, repeat_in_turns
from spool.event import Event, ProducerSequence
from spool.intake.client import SpoolClient
from spool.settings import Settings, StreamSettings

STREAM = "bench"


def settings() -> Settings:
    stream = StreamSettings(name=STREAM, topic=STREAM, partitions=4, acknowledgement="disk", persistent=True)
    return Settings("spool", "checkpoints", 4, "deliveries", 1, {STREAM: stream})


def events(number: int) -> list[Event]:
    """Distinct 200-byte payloads with 5,000 keys."""
    return [
        Event(b'{"id":%012d,"pad":"' % i + b"x" * 164 + b'"}', key=b"k%d" % (i % 5000), type="bench.event")
        for i in range(number)
    ]


def run_threads(threads: int, work: Callable[[int], None]) -> float:
    """Seconds from the common start until the last thread is done."""
    barrier = threading.Barrier(threads + 1)

    def body(index: int) -> None:
        barrier.wait()
        work(index)

    pool = [threading.Thread(target=body, args=(i,)) for i in range(threads)]
    for thread in pool:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in pool:
        thread.join()
    return time.perf_counter() - started


def batches(folder: Path, total: int) -> float:
    calls = total // 4 // 1000
    chunk = events(1000)
    with SpoolClient(folder, settings()) as client:
        client.append(STREAM, chunk[:1])

        def work(_: int) -> None:
            for _ in range(calls):
                client.append(STREAM, chunk)

        return calls * 4 * 1000 / run_threads(4, work)


def idempotent(folder: Path, total: int) -> float:
    calls = total // 4 // 1000
    chunk = events(1000)
    with SpoolClient(folder, settings()) as client:
        log = client.log_of(STREAM)
        client.append_once(STREAM, chunk[:1], ProducerSequence("warm-up", 1, log))

        def work(thread: int) -> None:
            for sequence in range(1, calls + 1):
                client.append_once(STREAM, chunk, ProducerSequence(f"thread-{thread}", sequence, log))

        return calls * 4 * 1000 / run_threads(4, work)


def singles(folder: Path, total: int) -> float:
    calls = total // 64
    one = events(1)
    with SpoolClient(folder, settings()) as client:
        client.append(STREAM, one)

        def work(_: int) -> None:
            for _ in range(calls):
                client.append(STREAM, one)

        return calls * 64 / run_threads(64, work)


def ceiling(folder: Path, total: int) -> float:
    """Write and fdatasync as many bytes, 4,000 events a commit, with nothing else to do."""
    block = b"x" * (4000 * 330)
    descriptor = os.open(folder / "ceiling", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    started = time.perf_counter()
    for _ in range(total // 4000):
        os.write(descriptor, block)
        os.fdatasync(descriptor)
    seconds = time.perf_counter() - started
    os.close(descriptor)
    return total / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    def fresh(measure: Callable[[Path, int], float], total: int) -> Callable[[], float]:
        def once() -> float:
            with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
                return measure(Path(folder), total)

        return once

    top = repeat(fresh(ceiling, options.events), options.repeats)
    many, once_each = repeat_in_turns(
        fresh(batches, options.events), fresh(idempotent, options.events), repeats=options.repeats
    )
    single = repeat(fresh(singles, options.events // 25), options.repeats)
    publish(
        "append",
        {
            "batches_events_per_s": many | {"target": 400_000},
            "idempotent_events_per_s": once_each,
            "idempotent_to_batches": round(once_each["median"] / many["median"], 2),
            "singles_events_per_s": single | {"target": 10_000},
            "bare_write_and_fdatasync_events_per_s": top,
            "batches_to_bare_disk": round(many["median"] / top["median"], 2),
        },
    )


if __name__ == "__main__":
    main()
