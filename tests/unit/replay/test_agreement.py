"""What a checkpoint says was written, against the topic as it is."""

from __future__ import annotations

import pytest

from spool.kafka.topics import TargetTopic
from spool.replay import agreement
from spool.replay.agreement import TopicLedger, disagreement, holds_up_others
from spool.replay.checkpoint import Checkpoint, CheckpointKey, Checkpoints, encode_checkpoint

TARGET = TargetTopic("t", 2, 1_000_000, "id2")
CHECKPOINT = Checkpoint(next=10, segment=1, partitions={0: 5, 1: 3}, topic_id="id2")


def test_a_topic_that_holds_what_was_written_agrees():
    assert disagreement(CHECKPOINT, TARGET, {0: 6, 1: 4}) == ""


@pytest.mark.parametrize("ends", [{0: 5, 1: 4}, {0: 6, 1: 0}, {0: 6}])
def test_a_partition_that_ends_before_the_last_record_is_a_loss_that_holds_up_others(ends):
    found = disagreement(CHECKPOINT, TARGET, ends)
    assert "ends at" in found
    assert holds_up_others(found)


def test_another_topic_of_the_same_name_is_noticed_however_long_it_is():
    found = disagreement(CHECKPOINT._replace(topic_id="id1"), TARGET, {0: 600, 1: 400})
    assert "created again" in found
    assert not holds_up_others(found)


@pytest.mark.parametrize(("noted", "current"), [("", "id2"), ("id1", "")])
def test_an_id_that_is_not_known_proves_nothing(noted, current):
    assert disagreement(CHECKPOINT._replace(topic_id=noted), TARGET._replace(topic_id=current), {0: 600, 1: 400}) == ""


def test_logs_of_every_stream_are_compared_and_a_damaged_checkpoint_hides_none(monkeypatch):
    monkeypatch.setattr(agreement, "end_offsets", lambda *_: {0: 4, 1: 4})
    ledger = TopicLedger({}, TARGET)
    stored = {
        b"t/a/log1": encode_checkpoint(CHECKPOINT),
        b"t/b/log2": encode_checkpoint(CHECKPOINT),
        b"t/b/log3": b"{",
        b"other/b/log2": encode_checkpoint(CHECKPOINT),
        b"no key of ours": b"",
    }
    assert set(ledger.look(Checkpoints(stored))) == {CheckpointKey("t", "a", "log1"), CheckpointKey("t", "b", "log2")}


def test_an_offset_that_any_log_got_is_not_taken_a_second_time():
    ledger = TopicLedger({}, TARGET)
    ledger.note_written({0: 9})
    ledger.note_written({0: 8})
    assert ledger.last_written(0, CHECKPOINT) == 9
    assert ledger.last_written(1, CHECKPOINT) == 3
