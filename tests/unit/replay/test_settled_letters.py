"""What a rewound replay leaves out: read ahead of the chunks, in their order."""

from __future__ import annotations

import pytest

from spool.dead_letters.port import Decision
from spool.dead_letters.states import LetterState, LetterStates
from spool.errors import CorruptRecord
from spool.event import Position
from spool.replay.settled_letters import SettledLetters
from tests.fakes.memory_store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def decide(store: MemoryStore, first: int, size: int = 1, state: str = "requeued", *, log: str = "log") -> None:
    decided = LetterState(state, first, size, Decision("ops", "why"), 1)  # type: ignore[arg-type]
    LetterStates(store, "r").write(Position("s", log, first), decided, None)


def settled(store: MemoryStore) -> SettledLetters:
    return SettledLetters(LetterStates(store, "r"), "s", "log")


def test_each_offset_is_named_once_by_the_chunk_that_holds_it(store: MemoryStore) -> None:
    decide(store, 3)
    decide(store, 10, 3, "discarded")
    decide(store, 20, state="requeueing")
    decide(store, 21, state="open")
    decide(store, 5, log="another")
    letters = settled(store)
    letters.begin(0)
    assert [letters.below(end) for end in (3, 10, 15, 20, 100)] == [set(), {3}, {10, 11, 12}, set(), {20}]


def test_what_lies_before_the_checkpoint_is_left_out_of_it(store: MemoryStore) -> None:
    decide(store, 3)
    decide(store, 10)
    letters = settled(store)
    letters.begin(10)
    assert letters.below(11) == {10}
    letters.begin(0)
    assert letters.below(100) == {3, 10}


def test_a_log_without_states_costs_one_listing(store: MemoryStore) -> None:
    letters = settled(store)
    letters.begin(0)
    assert [letters.below(offset) for offset in range(0, 1000, 100)] == [set()] * 10
    assert [call.name for call in store.calls] == ["list"]


def test_a_damaged_state_stops_the_log_at_its_letter_by_name(store: MemoryStore) -> None:
    decide(store, 3)
    decide(store, 10)
    store.put_if_absent(LetterStates(store, "r").key(Position("s", "log", 30)), b"{", {})
    letters = settled(store)
    letters.begin(0)
    assert letters.below(10) == {3}
    with pytest.raises(CorruptRecord, match="00000000000000000030"):
        letters.below(100)
