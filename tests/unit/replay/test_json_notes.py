"""The notes beside the events: whatever is damaged in them is one error that names the note."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.dead_letters.letters import letters
from spool.errors import CorruptRecord
from spool.kafka.topics import Cluster, TargetTopic
from spool.replay.checkpoint import Checkpoint, CheckpointKey, Checkpoints, decode_checkpoint, encode_checkpoint
from spool.replay.deliveries import DeliveredBatch, Delivery, decode_delivery, encode_delivery
from spool.replay.markers import put_marker, read_marker
from spool.store.keys import meta_key
from tests.fakes.memory_store import MemoryStore

KEY = CheckpointKey("t", "s", "log1")
CHECKPOINT = Checkpoint(next=7, segment=1, partitions={0: 3}, topic_id="abc", checked_end=4, checked_next=7)
DELIVERY = Delivery("t", "s", "log1", 0, 0, 7, (DeliveredBatch(0, 0, 7, 0, 6),), (), (), "abc")
NOTES = [
    pytest.param(decode_checkpoint, encode_checkpoint(CHECKPOINT), id="checkpoint"),
    pytest.param(decode_delivery, encode_delivery(DELIVERY), id="delivery"),
]
# What JSON can hold in the place of any field.
WRONG = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=3), st.lists(st.integers(), max_size=2),
    st.sampled_from([-1, 1 << 63, 1 << 200, {}, {"a": 1}, [[1]], [[2, 1]], "1", float("inf")]),
)  # fmt: skip


@pytest.mark.parametrize(("decode", "note"), NOTES)
@given(data=st.data())
def test_a_field_of_any_other_kind_is_read_or_is_one_error(decode, note, data):
    document = json.loads(note)
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(WRONG)
    with suppress(CorruptRecord):
        decode(json.dumps(document).encode())


@pytest.mark.parametrize(("decode", "note"), NOTES)
@pytest.mark.parametrize("value", [b"", b"\xff", b"nothing", b"[]", b"null", b"[" * 100_000, b'{"version": 1}'])
def test_what_is_no_note_is_one_error_that_names_it(decode, note, value):
    with pytest.raises(CorruptRecord, match="the note of a test"):
        decode(value, "the note of a test")


@pytest.mark.parametrize(("decode", "note"), NOTES)
def test_a_field_that_a_newer_program_added_is_left_out(decode, note):
    assert decode(json.dumps(json.loads(note) | {"new": 1}).encode()) == decode(note)


@pytest.mark.parametrize(("decode", "note"), NOTES)
def test_a_note_of_before_the_topic_s_id_is_still_read(decode, note):
    document = json.loads(note)
    for field in ("topic_id", "checked_end", "checked_next", "released"):
        document.pop(field, None)
    assert decode(json.dumps(document).encode()).topic_id == ""


def test_a_damaged_checkpoint_is_an_error_of_its_own_log_only():
    checkpoints = Checkpoints({KEY.encode(): b"{", b"t/s/log2": encode_checkpoint(CHECKPOINT)})
    assert checkpoints.of(KEY._replace(log="log2")) == CHECKPOINT
    assert checkpoints.of(KEY._replace(log="log3")) is None
    with pytest.raises(CorruptRecord, match="t/s/log1"):
        checkpoints.of(KEY)


def test_a_marker_is_read_as_it_was_put_and_a_damaged_one_names_its_object():
    store = MemoryStore()
    put_marker(store, "r", KEY, Cluster("c1", TargetTopic("t", 1, 1_000_000, "abc")))
    marker = read_marker(store, "r", KEY)
    assert marker is not None
    assert (marker.cluster_id, marker.topic_id) == ("c1", "abc")
    [key] = store.objects
    for damage in (b"", b'{"cluster_id": 1}', b"[]"):
        store.objects[key] = store.objects[key]._replace(body=damage)
        with pytest.raises(CorruptRecord, match=key):
            read_marker(store, "r", KEY)


def test_a_marker_without_a_topic_id_is_still_read():
    store = MemoryStore()
    key = meta_key("r", "markers", *KEY)
    store.put_if_absent(key, json.dumps({"cluster_id": "c", "topic": "t", "log": "log1"}).encode(), {})
    marker = read_marker(store, "r", KEY)
    assert marker is not None
    assert marker.topic_id == ""


def test_a_damaged_dead_letter_names_its_object():
    store = MemoryStore()
    key = meta_key("r", "dead_letters", "s", "log1", f"{7:020d}.json")
    store.put_if_absent(key, b'{"offset": "seven"}', {})
    with pytest.raises(CorruptRecord, match=key):
        list(letters(store, "r", "s", "log1"))
