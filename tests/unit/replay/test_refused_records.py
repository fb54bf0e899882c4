"""The alarm of a log that Kafka refuses closes when Kafka takes its records again, in whichever run that is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spool.errors import OperatorNeeded
from spool.kafka.transactional_producer import BatchRefused
from spool.replay.refusals import REFUSED_MAX
from spool.replay.refused_records import RefusedRecords
from tests.fakes.memory_store import MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.unit.replay.test_refusals import REASON, chunk, refused_by_kafka

REFUSES = ("kafka_refuses", "events/log")


def around(alarms: RecordedAlarms) -> SimpleNamespace:
    archive = SimpleNamespace(store=MemoryStore(), root="r")
    return SimpleNamespace(alarms=alarms, archive=archive, stream="events", subject=lambda log: f"events/{log}")


def test_it_opens_where_more_is_refused_than_a_person_expects_and_the_next_run_closes_it():
    alarms = RecordedAlarms()
    refused = RefusedRecords(around(alarms), "log", "events")
    assert isinstance(refused.too_many(REFUSED_MAX + 1), OperatorNeeded)
    assert REFUSES in alarms.now
    next_run = RefusedRecords(around(alarms), "log", "events")
    next_run.committed([])
    assert alarms.now == {}


def test_what_was_refused_stays_an_alarm_of_its_own():
    alarms = RecordedAlarms()
    refused = RefusedRecords(around(alarms), "log", "events")
    made, skipped = chunk(30), []
    while answer := refused_by_kafka(made, {7}):
        made = refused.sifted(made, BatchRefused(answer), skipped)
    refused.committed(skipped)
    assert set(alarms.now) == {("dead_letters", "events/log")}
    assert skipped == [7]


def test_a_chunk_of_which_kafka_refuses_everything_opens_it():
    alarms = RecordedAlarms()
    refused = RefusedRecords(around(alarms), "log", "events")
    with pytest.raises(OperatorNeeded):
        refuse_everything(refused)
    assert REFUSES in alarms.now


def refuse_everything(refused: RefusedRecords) -> None:
    made, skipped = chunk(400), []
    while True:
        every = {number: REASON for number, _ in enumerate(made.batches)}
        made = refused.sifted(made, BatchRefused(every), skipped)
