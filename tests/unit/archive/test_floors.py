"""Floors are only ever raised, by any process."""

from __future__ import annotations

import json
import threading

import pytest

from spool.archive.floors import Floor, raise_floor, read_floor
from spool.errors import CorruptObject, StoreUnavailable
from spool.names import LogName
from tests.fakes.memory_store import Fault, MemoryStore

NAME = LogName("s", "l")


def test_without_a_floor_every_number_counts() -> None:
    assert read_floor(MemoryStore(), "r", NAME) == Floor(0, None)


def test_a_floor_is_raised_and_never_lowered() -> None:
    store = MemoryStore()
    assert raise_floor(store, "r", NAME, 5).segment == 5
    assert raise_floor(store, "r", NAME, 3).segment == 5
    assert read_floor(store, "r", NAME).segment == 5
    assert list(store.objects) == ["r/_meta/floors/s/l"]


def test_the_highest_of_many_who_raise_at_once_stays() -> None:
    store = MemoryStore()
    threads = [threading.Thread(target=raise_floor, args=(store, "r", NAME, n)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_floor(store, "r", NAME).segment == 8


@pytest.mark.parametrize("held", [0, 2], ids=["no floor before", "a floor before"])
def test_a_floor_that_another_raised_higher_in_between_stays(held: int) -> None:
    store = MemoryStore()
    raise_floor(store, "r", NAME, held)
    calls: list[str] = []

    def overtake(name: str, key: str) -> None:
        calls.append(name)
        if calls == ["get"]:
            # The first read has its answer; whatever comes next meets the floor of another.
            store.before_call = raise_higher

    def raise_higher(name: str, key: str) -> None:
        store.before_call = None
        raise_floor(store, "r", NAME, 9)

    store.before_call = overtake
    assert raise_floor(store, "r", NAME, 5).segment == 9
    assert read_floor(store, "r", NAME).segment == 9


def test_a_floor_whose_answer_was_lost_is_found_raised() -> None:
    store = MemoryStore(faults=[Fault("put_if_match", "lose_answer")])
    with pytest.raises(StoreUnavailable):
        raise_floor(store, "r", NAME, 4)
    assert raise_floor(store, "r", NAME, 4).segment == 4


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"version": 1}', b'{"version": 2, "segment": 3}', b'{"version": 1, "segment": "x"}']
)
def test_a_floor_that_cannot_be_read_is_never_taken_for_none(body: bytes) -> None:
    store = MemoryStore()
    store.put_if_absent("r/_meta/floors/s/l", body, {})
    with pytest.raises(CorruptObject, match="floors/s/l"):
        read_floor(store, "r", NAME)


def test_the_bytes_of_a_floor() -> None:
    store = MemoryStore()
    raise_floor(store, "r", NAME, 7)
    assert json.loads(store.get("r/_meta/floors/s/l").body) == {"version": 1, "segment": 7}
