"""
Coming back after a crash.

    recovery      a log of 1 GB whose lock file is gone: until it can be appended to again (target: under 5 s)
    replay start  a log of 100,000 archived objects with a checkpoint near its end: until the next chunk is in hand
                  (target: under 3 s); objects are a few bytes, their number is what is measured

Run: python -m benchmarks.recovery [--megabytes N] [--objects N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.append import events
from benchmarks.measure import publish
from spool.alarm import LogOnlyAlarms
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.format.object_format import encode_object
from spool.format.partitioner import NAME as PARTITIONER
from spool.format.segment_index import ArchivedSegment, Hole
from spool.log.stream_log import StreamLog
from spool.names import LogName
from spool.replay.archive_source import READ_AHEAD, ArchiveSource
from spool.settings import StreamSettings
from spool.store.keys import segment_key
from spool.store.object_store import ObjectStore
from tests.support.seaweed import Seaweed


def recovery(folder: Path, megabytes: int) -> float:
    """One open segment of this size, as after a power cut: nothing says how much of it is good."""
    stream = StreamSettings(
        "bench", "bench", acknowledgement="disk", persistent=True, seal_bytes=1 << 40, seal_age_s=1e9
    )
    log = StreamLog.open(folder, stream, alarms=LogOnlyAlarms())
    chunk = events(20_000)
    while log.synced().synced_end < megabytes * 1_000_000:
        log.append(chunk, group=False, deadline=Deadline.after(30))
    next_offset, path = log.synced().next_offset, log.path
    log.close()
    (path / "lock").unlink()
    started = time.perf_counter()
    again = StreamLog.open(folder, stream, alarms=LogOnlyAlarms())
    _, [offsets] = again.append(chunk[:1], group=False, deadline=Deadline.after(60))
    seconds = time.perf_counter() - started
    assert offsets.first == next_offset, "recovery lost or invented offsets"
    return seconds


def replay_start(store: ObjectStore, objects: int) -> float:
    """From a checkpoint ten objects before the end, as a replayer starts."""

    def put(number: int) -> None:
        empty = ArchivedSegment(
            "bench", "log", number, number, number + 1, 1, PARTITIONER, "0" * 64, "0" * 64, None,
            (Hole(number, number + 1, "benchmark"),), (),
        )  # fmt: skip
        store.put_if_absent(segment_key("spool", "bench", "log", number), encode_object(empty), {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(objects)))
    started = time.perf_counter()
    with ThreadPoolExecutor(READ_AHEAD) as readers:
        source = ArchiveSource(Archive(store, "spool"), LogName("bench", "log"), readers)
        source.seek(objects - 10, objects - 10)
        taken = 0
        while source.peek() is not None:
            source.take()
            taken += 1
    assert taken == 10, taken
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        (folder / "s3").mkdir()
        recovered_s = recovery(folder / "spool", options.megabytes)
        with Seaweed(folder / "s3") as server:
            started_s = replay_start(server.store(), options.objects)
    publish(
        "recovery",
        {
            "log_megabytes": options.megabytes,
            "recovery_s": round(recovered_s, 2),
            "recovery_target_s": 5,
            "archived_objects": options.objects,
            "replay_start_s": round(started_s, 2),
            "replay_start_target_s": 3,
        },
    )


if __name__ == "__main__":
    main()
