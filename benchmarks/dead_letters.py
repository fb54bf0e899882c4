"""
Looking up one dead letter among a million, and a page of a hundred from anywhere in the list.

    store      letters of ten logs in a real S3, each an object of its own; target 50 ms
    sql        letters of ten features in a real MariaDB; target 50 ms
    bare       the same without the project: one GET of the key by boto3, one SELECT by the primary key

A look-up is what `show` does: the letter and what was decided about it. Letters are chosen at random; bare and ours
take turns. Filling S3 takes most of the time: the objects go in through its filer, which stores them as a PUT would.
Run: python -m benchmarks.dead_letters [--letters N] [--sql-letters N] [--looks N]
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select

from benchmarks.measure import percentile, publish
from include.database import migrate
from include.database.connection import engine, transaction
from include.database.tables import DEAD_LETTERS
from include.dead_letters.sql_letters import SqlDeadLetters
from spool.dead_letters.letters import letter_key
from spool.dead_letters.port import DeadLetters, LetterFilter
from spool.dead_letters.store import StoreDeadLetters
from spool.event import Position
from spool.store.s3_store import S3Store
from tests.support import mariadb
from tests.support.seaweed import Seaweed

ROOT, STREAM, SOURCES = "spool", "bench", 10
TARGET_MS = 50
FILLERS = 4
PAGE = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=1_000_000)
    parser.add_argument("--sql-letters", type=int, default=1_000_000)
    parser.add_argument("--looks", type=int, default=200)
    options = parser.parse_args()
    publish(
        "dead_letters",
        {
            "store": {"letters": options.letters, **over_s3(options.letters, options.looks)},
            "sql": {"letters": options.sql_letters, **over_sql(options.sql_letters, options.looks)},
            "target_ms": TARGET_MS,
        },
    )


def over_s3(letters: int, looks: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name, Seaweed(Path(name)) as server:
        bucket = server.bucket()
        fill_s3(server.port + 1, bucket, letters)
        client = server.client()

        def bare(position: str) -> None:
            key = letter_key(ROOT, Position(STREAM, *_parts(position)))
            client.get_object(Bucket=bucket, Key=key)["Body"].read()

        return looked_up(StoreDeadLetters(S3Store(client, bucket), ROOT), bare, list(_ids(letters)), looks)


def over_sql(letters: int, looks: int) -> dict[str, Any]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        fill_sql(database, letters)
        with transaction(database) as connection:
            rows = connection.execute(select(DEAD_LETTERS.c.feature, DEAD_LETTERS.c.id)).all()

        def bare(letter_id: str) -> None:
            with database.connect() as connection:
                query = select(DEAD_LETTERS).where(DEAD_LETTERS.c.id == int(letter_id.rpartition("/")[2]))
                assert connection.execute(query).one()

        return looked_up(SqlDeadLetters(database, {}), bare, [f"{row.feature}/{row.id}" for row in rows], looks)


def looked_up(letters: DeadLetters[Any], bare: Callable[[str], None], ids: list[str], looks: int) -> dict[str, float]:
    """Milliseconds, of `looks` random letters."""
    chosen = random.Random(1).sample(ids, looks)
    ours_ms: list[float] = []
    bare_ms: list[float] = []
    page_ms: list[float] = []
    letters.show(chosen[0])
    bare(chosen[0])
    for letter_id in chosen:
        ours_ms.append(_timed_ms(lambda letter_id=letter_id: letters.show(letter_id)))  # type: ignore[misc]
        bare_ms.append(_timed_ms(lambda letter_id=letter_id: bare(letter_id)))  # type: ignore[misc]
    after = letters.list(LetterFilter(), limit=1).next
    for source in sorted({letter_id.rpartition("/")[0] for letter_id in ids}):
        page_ms.append(_timed_ms(lambda source=source: letters.list(LetterFilter(source), limit=PAGE)))  # type: ignore[misc]
    page_ms.append(_timed_ms(lambda: letters.list(LetterFilter(), after=after, limit=PAGE)))
    return {
        "look_up_ms_p50": round(percentile(ours_ms, 0.5), 1),
        "look_up_ms_p95": round(percentile(ours_ms, 0.95), 1),
        "bare_ms_p50": round(percentile(bare_ms, 0.5), 1),
        "ratio_to_bare": round(statistics.median(ours_ms) / statistics.median(bare_ms), 1),
        "page_of_100_ms_p50": round(percentile(page_ms, 0.5), 1),
    }


def fill_s3(filer_port: int, bucket: str, letters: int) -> None:
    def part(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", filer_port, timeout=120)
        for index, letter_id in enumerate(_ids(letters)):
            if index % FILLERS != number:
                continue
            position = Position(STREAM, *_parts(letter_id))
            body = json.dumps(_document(position)).encode()
            connection.request("PUT", f"/buckets/{bucket}/{letter_key(ROOT, position)}", body)
            response = connection.getresponse()
            response.read()
            assert response.status == 201, response.status
        connection.close()

    with ThreadPoolExecutor(FILLERS) as pool:
        list(pool.map(part, range(FILLERS)))


def fill_sql(database: Engine, letters: int) -> None:
    for start in range(0, letters, 10_000):
        rows = [
            {
                "feature": f"feature{number % SOURCES}", "subject": f"change {number}", "state": "open",
                "reason": "no such installation", "time_ms": 1, "payload": b"x" * 300, "details": b"{}",
            }
            for number in range(start, min(start + 10_000, letters))
        ]  # fmt: skip
        with transaction(database) as connection:
            connection.execute(insert(DEAD_LETTERS), rows)


def _document(position: Position) -> dict[str, Any]:
    return {
        "stream": position.stream, "log": position.log, "offset": position.offset, "topic": STREAM,
        "reason": "10 MESSAGE_TOO_LARGE", "group": None, "time_ms": 1, "event_time_ms": 1, "key": None,
        "headers": [["ce_id", "aWQ="]], "value": "eHh4" * 100,
    }  # fmt: skip


def _ids(letters: int) -> Iterator[str]:
    for number in range(letters):
        yield f"{STREAM}/log{number % SOURCES}/{number // SOURCES}"


def _parts(letter_id: str) -> tuple[str, int]:
    _, log, offset = letter_id.split("/")
    return log, int(offset)


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
