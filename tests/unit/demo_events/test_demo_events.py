"""A demo load is what was asked for, the same for the same seed, and honest about what it could not append."""

import itertools
import json
import threading
from collections import Counter

import pytest

from include.demo_events.config import DemoRequest, demo_request
from include.demo_events.generate import APPEND_EVENTS_MAX, appends
from include.demo_events.pipeline import append_load
from spool import settings
from spool.errors import AppendUnknown, LockTimeout, SettingsError, SpoolFull
from tests.fakes.fake_spool_client import FakeSpoolClient

SETTINGS = settings.load()


def load(**asked):
    return list(appends(DemoRequest(**asked)))


@pytest.mark.parametrize("events", [1, 9, 10, 11, 999, 25_001])
@pytest.mark.parametrize("group_share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("group_size", [2, 10, 7])
def test_it_makes_exactly_the_events_and_groups_asked_for(events, group_share, group_size):
    request = DemoRequest(events=events, group_share=group_share, group_size=group_size)
    made = list(appends(request))
    assert sum(len(append.events) for append in made) == events
    groups = [append for append in made if append.is_group]
    assert len(groups) == request.groups == int(events * group_share) // group_size
    assert {len(group.events) for group in groups} <= {group_size}
    assert all(1 <= len(append.events) <= APPEND_EVENTS_MAX for append in made)


def test_groups_lie_evenly_over_the_load():
    offset, starts = 0, []
    for append in load(events=10_000, group_share=0.1, group_size=10):
        if append.is_group:
            starts.append(offset)
        offset += len(append.events)
    gaps = Counter(b - a for a, b in itertools.pairwise(starts))
    assert set(gaps) == {100}


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    assert load(events=500, seed=7) == load(events=500, seed=7)
    assert load(events=500, seed=7) != load(events=500, seed=8)


def test_every_id_is_given_once():
    ids = [event.id for append in load(events=5_000) for event in append.events]
    assert len(set(ids)) == 5_000


@pytest.mark.parametrize("value_bytes", [100, 200, 10_000])
def test_a_payload_is_json_of_the_size_asked_for(value_bytes):
    for append in load(events=50, value_bytes=value_bytes):
        for event in append.events:
            assert len(event.value) == value_bytes
            assert json.loads(event.value)["key"] == event.key.decode()


def test_zipf_gives_the_first_keys_most_of_the_events():
    def share_of_first(distribution):
        keys = Counter(e.key for a in load(events=20_000, keys=100, key_distribution=distribution) for e in a.events)
        return keys[b"key-00000"] / 20_000

    assert share_of_first("uniform") == pytest.approx(0.01, abs=0.005)
    assert share_of_first("zipf") == pytest.approx(0.193, abs=0.02)


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ({"events": 0}, "events: must be 1 to 5,000,000, is 0"),
        ({"events": "many"}, "events: expected int"),
        ({"events": True}, "events: expected int"),
        ({"group_share": 1.1}, "group_share: must be 0 to 1"),
        ({"group_size": 1}, "group_size"),
        ({"key_distribution": "normal"}, "key_distribution: must be uniform or zipf"),
        ({"acknowledgement": "memory"}, "acknowledgement"),
        ({"event": 5}, "event: unknown key"),
    ],
    ids=str,
)
def test_bad_conf_is_refused_by_key_with_a_hint(conf, words):
    with pytest.raises(SettingsError, match="conf: ") as refused:
        demo_request(conf)
    assert words in str(refused.value)
    assert refused.value.hint


def test_the_acknowledgement_stream_is_the_streams_own():
    assert demo_request({"acknowledgement": "stream"}).acknowledgement is None


def test_the_answer_holds_counts_and_offset_ranges_only():
    client = FakeSpoolClient()
    summary = append_load(client, DemoRequest(events=1_000), SETTINGS)
    assert summary.pop("seconds") >= 0
    assert summary == {
        "stream": "demo", "events": 1_000, "groups": 10, "acknowledgement": "disk",
        "ranges": {"fake1": {"first": 0, "last": 999, "events": 1_000}},
    }  # fmt: skip
    assert len(client.groups) == 10


def test_an_append_that_wrote_nothing_is_tried_again():
    client = FakeSpoolClient([LockTimeout("held"), SpoolFull("disk"), None])
    rests = []
    append_load(client, DemoRequest(events=100, group_share=0), SETTINGS, sleep=rests.append)
    assert len(client.appended["demo"]) == 100
    assert len(rests) == 2


def test_it_gives_up_when_nothing_can_be_written():
    with pytest.raises(SpoolFull):
        append_load(
            FakeSpoolClient([SpoolFull("disk")] * 1_000), DemoRequest(events=100), SETTINGS, sleep=lambda _: None
        )


def test_an_unknown_outcome_is_never_sent_again():
    client = FakeSpoolClient([AppendUnknown("fsync")])
    with pytest.raises(AppendUnknown):
        append_load(client, DemoRequest(events=100, group_share=0), SETTINGS)
    assert client.calls == 1


def test_waiting_for_s3_is_shared_by_appends_under_way_at_the_same_time():
    class Counting(FakeSpoolClient):
        at_once = most = 0
        guard = threading.Lock()
        enough = threading.Event()

        def append(self, *arguments, **named):
            with self.guard:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
            if self.most >= 10:
                self.enough.set()
            self.enough.wait(timeout=240)
            accepted = super().append(*arguments, **named)
            with self.guard:
                self.at_once -= 1
            return accepted

    client = Counting()
    request = DemoRequest(events=1_000, group_share=0.5, acknowledgement="s3")
    summary = append_load(client, request, SETTINGS)
    assert client.most >= 10
    assert (summary["events"], summary["groups"]) == (1_000, 50)
    assert summary["ranges"] == {"fake1": {"first": 0, "last": 999, "events": 1_000}}


def test_on_disk_a_key_keeps_its_order():
    client = FakeSpoolClient()
    append_load(client, DemoRequest(events=2_000), SETTINGS)
    numbers = [int(event.id.rpartition("-")[2]) for event in client.appended["demo"]]
    assert numbers == sorted(numbers)
