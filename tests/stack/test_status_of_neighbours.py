"""What is published of real neighbours: an archive behind Kafka, an oversize event, counts and letters in MariaDB."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from include.counts.batch_numbers import Numbers, StageNumbers
from include.counts.events import StageCounted
from include.counts.table import StageCounts, send
from include.database.connection import transaction
from include.database.tables import OUTBOX, OUTBOX_BATCHES, STAGE_COUNTS
from plugins.connections import engine, kafka, mariadb
from plugins.tasks import status
from spool import settings
from spool.cli import main
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.status.board import Board
from spool.status.rows import LogRow
from tests.support.private_kafka import KafkaBroker
from tests.support.replay_world import World
from tests.support.sql_letters_place import FEATURE, SqlPlace


@pytest.fixture
def world(tmp_path: Path, kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path, kafka_broker.bootstrap)
    monkeypatch.setenv("SPOOL_FOLDER", str(world.spool_folder))
    monkeypatch.setattr(engine, "settings", lambda: world.settings)
    monkeypatch.setattr(status, "object_store", lambda: world.store)
    monkeypatch.setattr(kafka, "client_settings", lambda: world.kafka)
    return world


def test_logs_alarms_and_what_kafka_refused_are_published_as_they_are(world: World) -> None:
    log = world.segments([5])
    world.make_topic(max_message_bytes="2000")
    world.drain()
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        client.append(world.name, [Event(os.urandom(5000), key=b"k0")])
    world.append(2, start=6)
    world.ship()
    engine.alarms(world.store).open("log_gap", f"{world.name}/{log}", "segment 3")
    status.publish_engine({})
    published = {section.name: section for section in Board(world.spool_folder).sections()}
    [row] = published["logs"].rows
    shown = LogRow(**row)  # type: ignore[arg-type]
    assert (shown.log, shown.appended, shown.archived, shown.delivered, shown.waiting) == (log, 8, 8, 5, 3)
    assert (shown.sealed_segments, shown.alarms) == (0, 1)
    assert [row["condition"] for row in published["alarms"].rows] == ["log_gap"]
    assert published["dead_letters"].rows == ()
    world.drain()
    status.publish_engine({})
    [letters] = Board(world.spool_folder).read("dead_letters").rows  # type: ignore[union-attr]
    assert (letters["source"], letters["state"], letters["letters"]) == (f"{world.name}/{log}", "open", 1)
    assert "10" in str(letters["reason"])


def test_counts_and_letters_of_features_are_published_and_printed_by_the_command(
    operational_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    monkeypatch.setattr(mariadb, "database", lambda: operational_database)
    with transaction(operational_database) as connection:
        for table in (STAGE_COUNTS, OUTBOX, OUTBOX_BATCHES):
            connection.execute(table.delete())
    SqlPlace.empty(operational_database).put(1, "no such installation")
    with StageNumbers(tmp_path, "here") as numbers:
        numbers.note("mail", "send", "batch 1", Numbers(10, count_out=9), datetime.now(UTC).date())
        send([numbers], StageCounts(operational_database, settings.load()))
    assert status.publish_database({}) == {"counts": 1, "feature_dead_letters": 1, "outbox": 1}
    [waiting] = Board(tmp_path).read("outbox").rows  # type: ignore[union-attr]
    assert (waiting["stream"], waiting["waiting"]) == (StageCounted.stream, 1)
    assert main(["status"]) == 0
    printed = capsys.readouterr().out
    for shown in ("counts, as of", "mail", "difference", FEATURE, "no such installation"):
        assert shown in printed
