"""
How fast sealed segments become objects, on one core, and how much memory that takes.

    ship        200-byte events with five CloudEvents headers, from sealed segments in a folder to a real S3 (SeaweedFS
                on loopback), by a process bound to one core: target 400,000 events/s, or 0.8 of `bare`
    layout      of that, without disk and store: commits in memory to the bytes of an object, process time
    bare        the same objects put by boto3's put_object alone, by a process bound to the same core
    memory      the largest resident size of the shipping process, for a small and a large backlog: target below 200 MB

Run: python -m benchmarks.ship [--events N] [--large N] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import peak_memory_mb, publish, summary
from spool.alarm import LogOnlyAlarms
from spool.clock import Deadline
from spool.disk import Disk
from spool.event import Event
from spool.format.layout import lay_out
from spool.log.folder import log_folders, segment_files
from spool.log.identity import read_identity, write_identity
from spool.log.reader import read_sealed
from spool.log.stream_log import StreamLog
from spool.settings import Places, Settings, StreamSettings
from spool.shipping.shipper import Shipper
from spool.store.s3_store import s3_store_from_places
from tests.support.seaweed import Seaweed

STREAM = "bench"
PARTITIONS = 4
A_CALL = 1000


def settings(root: str) -> Settings:
    stream = StreamSettings(name=STREAM, topic=STREAM, partitions=PARTITIONS, seal_age_s=86_400.0)
    return Settings(root, "checkpoints", 4, "deliveries", 1, {STREAM: stream})


def payload(number: int) -> bytes:
    """About 200 bytes of JSON, of which a third differs from one to the next."""
    start = b'{"id":%d,"ts":"2026-11-22T03:%02d:%02dZ","type":"measurement_report.imported","host":"collector-%d",' % (
        number, number // 60 % 60, number % 60, number % 17,
    )  # fmt: skip
    start += b'"size":%d,"note":"' % (number * 7919 % 100_003)
    return (start + b"x" * 200)[:185] + b'","path":"%d"}' % (number % 997)


def fill(folder: Path, events: int) -> None:
    """A folder whose events are all in sealed segments."""
    log = StreamLog.open(folder, settings("fill").stream(STREAM), alarms=LogOnlyAlarms())
    for first in range(0, events, A_CALL):
        made = [
            Event(payload(n), key=b"k%d" % (n % 5000), type="bench.event", time_ms=1_700_000_000_000 + n)
            for n in range(first, min(first + A_CALL, events))
        ]
        log.append(made, group=False, deadline=Deadline.after(60))
    log.seal()
    log.close()


def linked(source: Path, target: Path) -> Path:
    """The same segments in another folder, which counts as their own: shipping removes the files."""
    for log in log_folders(source):
        copy = target / log.stream / log.log
        copy.mkdir(parents=True)
        for path in log.path.iterdir():
            if path.name.endswith(".sealed"):
                os.link(path, copy / path.name)
            else:
                (copy / path.name).write_bytes(path.read_bytes())
        write_identity(copy, Disk(), read_identity(copy)._replace(inode=copy.stat().st_ino))
    return target


def child(work: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run one piece of work in a process of its own, bound to one core."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ship", "--child", work],
        input=json.dumps(options), capture_output=True, text=True, check=True, timeout=1800,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ship(options: dict[str, Any]) -> dict[str, Any]:
    folder = Path(options["folder"])
    shipper = Shipper(folder, settings(options["root"]), s3_store_from_places(_places(options)), LogOnlyAlarms())
    before_mb = peak_memory_mb()
    started, cpu = time.perf_counter(), time.process_time()
    done = shipper.ship_once()
    return {
        "seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "events": done.events,
        "size_bytes": done.size_bytes, "objects": done.objects, "before_mb": before_mb, "peak_mb": peak_memory_mb(),
    }  # fmt: skip


def bare(options: dict[str, Any]) -> dict[str, Any]:
    places = _places(options)
    store = s3_store_from_places(places)
    client = store._client
    bodies = [store.get(line.key).body for line in store.list(f"{options['root']}/{STREAM}/")]
    started = time.perf_counter()
    for number, body in enumerate(bodies):
        client.put_object(Bucket=places.s3_bucket, Key=f"bare/{options['root']}/{number}", Body=body)
    return {"seconds": time.perf_counter() - started}


def layout(options: dict[str, Any]) -> dict[str, Any]:
    (log,) = log_folders(Path(options["folder"]))
    contents = [read_sealed(file.path) for file in segment_files(log.path) if file.state == "sealed"][:4]
    started = time.process_time()
    events = sum(
        chunk.event_count for one in contents for chunk in lay_out(one.commits, log=log.log, partitions=PARTITIONS)
    )
    return {"seconds": time.process_time() - started, "events": events}


def _places(options: dict[str, Any]) -> Places:
    return Places(
        Path(options["folder"]), options["bucket"], options["endpoint"], "us-east-1", options["access_key"],
        options["secret_key"],
    )  # fmt: skip


def measure(folder: Path, server: Seaweed, repeats: int, large: int) -> dict[str, Any]:
    common = {
        "endpoint": server.endpoint, "bucket": server.bucket(), "access_key": server.access_key,
        "secret_key": server.secret_key,
    }  # fmt: skip
    shipped, plain, ratios, layouts = [], [], [], []
    last: dict[str, Any] = {}
    for number in range(repeats):
        options = {**common, "folder": str(linked(folder / "full", folder / f"run{number}")), "root": f"r{number}"}
        layouts.append(child("layout", {**options, "folder": str(folder / "full")}))
        last = child("ship", options)
        bare_s = child("bare", options)["seconds"]
        shipped.append(last)
        plain.append(last["events"] / bare_s)
        ratios.append(bare_s / last["seconds"])
    fill(folder / "large", large)
    largest = child("ship", {**common, "folder": str(folder / "large"), "root": "large"})
    return {
        "ship_events_per_s": summary([one["events"] / one["seconds"] for one in shipped]),
        "ship_cpu_s_per_million": summary([one["cpu_s"] / one["events"] * 1e6 for one in shipped]),
        "layout_events_per_s": summary([one["events"] / one["seconds"] for one in layouts]),
        "bare_put_events_per_s": summary(plain),
        "share_of_bare_put": [round(ratio, 2) for ratio in ratios],
        "object_bytes_per_event": round(last["size_bytes"] / last["events"], 1),
        "memory_mb": {
            "before": round(last["before_mb"]),
            f"{last['events']}_events": round(max(one["peak_mb"] for one in shipped)),
            f"{largest['events']}_events": round(largest["peak_mb"]),
        },
        "large_backlog_events_per_s": round(largest["events"] / largest["seconds"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", choices=("ship", "bare", "layout"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        json.dump({"ship": ship, "bare": bare, "layout": layout}[given.child](json.load(sys.stdin)), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as name, Seaweed(Path(name)) as server:
        folder = Path(name) / "spools"
        folder.mkdir()
        fill(folder / "full", given.events)
        publish(
            "ship",
            {"events": given.events, "partitions": PARTITIONS, **measure(folder, server, given.repeats, given.large)},
        )


if __name__ == "__main__":
    main()
