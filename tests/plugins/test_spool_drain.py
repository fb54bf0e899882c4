"""Streams are drained side by side; one that fails neither stops nor hides the others."""

import threading

import pytest

from plugins.spool_drain import drain_side_by_side
from spool.errors import KafkaUnavailable, NotOwner, OperatorNeeded


class FakeReplayer:
    def __init__(self, answer=None, error=None, barrier=None):
        self.answer, self.error, self.barrier, self.asked = answer, error, barrier, None

    def drain(self, **asked):
        self.asked = asked
        if self.barrier:
            self.barrier.wait(timeout=240)
        if self.error:
            raise self.error
        return self.answer


def drain(replayers, **more):
    asked = {"max_events": None, "seconds": 5.0, "dry_run": False} | more
    return drain_side_by_side(replayers, **asked)


def test_each_stream_gives_its_summary():
    assert drain({"a": FakeReplayer(1), "b": FakeReplayer(2)}) == {"a": 1, "b": 2}


def test_the_streams_run_at_the_same_time():
    barrier = threading.Barrier(3)
    assert drain({name: FakeReplayer(name, barrier=barrier) for name in "abc"}) == {"a": "a", "b": "b", "c": "c"}


def test_a_stream_that_fails_lets_the_others_finish_and_then_fails_the_task(caplog):
    other = FakeReplayer(2)
    with pytest.raises(OperatorNeeded):
        drain({"a": FakeReplayer(error=OperatorNeeded("a gap", hint="read the runbook")), "b": other})
    assert other.asked is not None
    assert "stream=a What to do: read the runbook" in caplog.text
    assert "stream=b" not in [record.message[:8] for record in caplog.records if record.levelname == "ERROR"]


def test_each_error_is_in_the_log_and_one_that_needs_a_person_is_raised_first(caplog):
    with pytest.raises(OperatorNeeded):
        drain({"a": FakeReplayer(error=KafkaUnavailable("down")), "b": FakeReplayer(error=OperatorNeeded("gap"))})
    assert "stream=a KafkaUnavailable: down" in caplog.text
    assert "stream=b OperatorNeeded: gap" in caplog.text


def test_an_error_that_is_a_mistake_of_ours_comes_with_its_traceback(caplog):
    with pytest.raises(KeyError):
        drain({"a": FakeReplayer(error=KeyError("offset"))})
    assert "Traceback" in caplog.text


def test_it_follows_unless_it_is_bounded_by_events_or_dry():
    for asked, follow in (({}, True), ({"max_events": 10}, False), ({"dry_run": True}, False)):
        replayer = FakeReplayer(1)
        drain({"a": replayer}, **asked)
        assert replayer.asked["follow"] is follow
        assert replayer.asked["deadline_s"] == 5.0


def test_when_the_task_is_ended_the_drains_are_told_to_stop(monkeypatch):
    class UntilStopped(FakeReplayer):
        def drain(self, *, stop, **asked):
            assert stop.wait(timeout=240)
            self.answer = "stopped"

    def ended(futures):
        raise KeyboardInterrupt

    monkeypatch.setattr("spool.replay.streams.wait", ended)
    replayers = {"a": UntilStopped(), "b": UntilStopped()}
    with pytest.raises(KeyboardInterrupt):
        drain(replayers)
    assert [replayer.answer for replayer in replayers.values()] == ["stopped", "stopped"]


def test_another_owner_is_the_least_urgent_error():
    with pytest.raises(KafkaUnavailable):
        drain({"a": FakeReplayer(error=NotOwner("host b")), "b": FakeReplayer(error=KafkaUnavailable("down"))})
