"""
How fast the drain takes rows of the outbox into the spool, against the least that a program can do.

    bare   a loop that selects 5,000 rows with their payload, deletes them by id and commits, and appends nothing
    drain  the outbox's drain into a spool folder on this disk, acknowledged at `disk`; target 20,000 rows per second

Rows are events of about 200 bytes with 1,000 keys, put as a feature puts them. Both run on the same MariaDB, which
flushes at each commit, on the other core; the runs alternate. Run: python -m benchmarks.outbox [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, bindparam, delete, select

from benchmarks.measure import peak_memory_mb, publish, summary
from include.database import migrate
from include.database.connection import engine, transaction
from include.database.tables import OUTBOX
from include.outbox.batches import BATCH_EVENTS_MAX
from include.outbox.drain import drain, failed
from include.outbox.write import put
from spool.clock import Deadline
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.settings import Settings, StreamSettings
from tests.support import mariadb

STREAM = StreamSettings("events", "events", 4, "disk", persistent=True, seal_bytes=16 << 20)
SETTINGS = Settings("spool", "checkpoints", 4, "deliveries", 7, {"events": STREAM})
TARGET_ROWS_PER_S = 20_000


def fill(database: Engine, rows: int) -> float:
    """Rows per second, in transactions of 1,000."""
    started = time.perf_counter()
    for start in range(0, rows, 1_000):
        events = [
            Event(b'{"number": %d, "text": "%s"}' % (n, b"x" * 160), key=b"k%d" % (n % 1_000), type="row.changed")
            for n in range(start, min(start + 1_000, rows))
        ]
        with transaction(database) as connection:
            put(connection, STREAM, events, source="benchmark")
    return rows / (time.perf_counter() - started)


def bare(database: Engine, rows: int) -> float:
    """Rows per second."""
    columns = (OUTBOX.c.id, OUTBOX.c.event_key, OUTBOX.c.payload, OUTBOX.c.time_ms, OUTBOX.c.event_id)
    query = select(*columns).where(OUTBOX.c.stream == STREAM.name).order_by(OUTBOX.c.id).limit(BATCH_EVENTS_MAX)
    remove = delete(OUTBOX).where(OUTBOX.c.id.in_(bindparam("ids", expanding=True)))
    started = time.perf_counter()
    seen = 0
    while seen < rows:
        with transaction(database) as connection:
            found = connection.execute(query).all()
            connection.execute(remove, {"ids": [row.id for row in found]})
        seen += len(found)
    return rows / (time.perf_counter() - started)


def drained(database: Engine, folder: Path, rows: int) -> float:
    """Rows per second."""
    started = time.perf_counter()
    with SpoolClient(folder, SETTINGS) as client:
        summaries = drain(database, client, "benchmark", deadline=Deadline.after(600))
    elapsed = time.perf_counter() - started
    for error in failed(summaries).values():
        raise error
    assert summaries[STREAM.name].events == rows, summaries
    return rows / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    puts, bares, drains = [], [], []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name, mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        for _ in range(options.repeats):
            puts.append(fill(database, options.rows))
            bares.append(bare(database, options.rows))
            fill(database, options.rows)
            drains.append(drained(database, Path(name), options.rows))
    publish(
        "outbox",
        {
            "rows": options.rows,
            "put_rows_per_s": summary(puts),
            "bare_rows_per_s": summary(bares),
            "drain_rows_per_s": {**summary(drains), "target": TARGET_ROWS_PER_S},
            "drain_of_bare_percent": summary([100 * one / other for one, other in zip(drains, bares, strict=True)]),
            "peak_memory_mb": round(peak_memory_mb()),
        },
    )


if __name__ == "__main__":
    main()
