"""
Dead letters on a real broker: listed, edited, requeued and in Kafka once; and a rewind keeps skipping what was settled.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spool.dead_letters.port import Decision, LetterFilter, requeue_all
from spool.dead_letters.requeue import WayBack
from spool.dead_letters.states import LetterStates
from spool.dead_letters.store import StoreDeadLetters
from spool.errors import LetterRefused
from spool.event import Event, Position
from spool.intake.client import SpoolClient
from spool.replay.letter_effects import LetterEffects
from tests.support.replay_world import World, assert_whole

DECISION = Decision("ops@here", "smaller now")


@pytest.fixture
def world(tmp_path: Path, kafka_broker) -> World:
    world = World(tmp_path, kafka_broker.bootstrap)
    world.make_topic(max_message_bytes="20000")
    return world


def too_large(sequence: int, key: str = "k0") -> Event:
    document = {"key": key, "sequence": sequence, "pad": os.urandom(30_000).hex()}
    return Event(json.dumps(document).encode(), key=key.encode(), id=f"event {sequence}")


def fitting(sequence: int, key: str = "k0") -> bytes:
    return json.dumps({"key": key, "sequence": sequence, "pad": ""}).encode()


def delivered(world: World, events: list[Event], *, group: bool = False) -> str:
    """Their log, after everything was shipped and replayed."""
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        log = (client.append_group if group else client.append)(world.name, events).log
    world.ship()
    world.drain()
    return log


@pytest.fixture
def letters(world: World) -> Iterator[StoreDeadLetters]:
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        way_back = WayBack(LetterEffects(world.settings, world.kafka), client)
        yield StoreDeadLetters(world.store, world.settings.root, way_back)


def again(world: World, letters: StoreDeadLetters, letter_id: str, **options: Any) -> Any:
    [outcome] = letters.requeue([letter_id], DECISION, dry_run=False, **options)
    world.ship()
    world.drain()
    return outcome


def test_a_rewind_keeps_skipping_what_was_requeued_or_discarded(world: World, letters: StoreDeadLetters) -> None:
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        log = client.append(world.name, [Event(fitting(0), key=b"k0"), too_large(1), too_large(2)]).log
        client.append_group(world.name, [too_large(3), Event(fitting(4, "k1"), key=b"k1")])
    world.ship()
    world.drain()
    ids = [letter.id for letter in letters.list(LetterFilter()).letters]
    assert ids == [f"{world.name}/{log}/{offset}" for offset in (1, 2, 3, 4)]
    [first] = letters.requeue(ids[:1], DECISION, dry_run=False, value=fitting(1))
    letters.discard(ids[1], DECISION, dry_run=False)
    outcome = again(world, letters, ids[2], value=fitting(3))
    assert (first.error, outcome.error, world.sequences()) == (None, None, [0, 1, 3, 4])

    world.delete_topic(world.name)
    world.make_topic(max_message_bytes="200000")  # now Kafka would take what it refused
    world.rewind(log, 0)
    summary = world.drain()
    assert (world.sequences(), summary.dead_letters) == ([0, 1, 3, 4], 0)
    row = world.row()
    assert (row.missing, row.doubled, row.is_green) == (0, 0, True)
    assert letters.show(ids[1]).letter.state == "discarded"
    [outcome] = letters.requeue([ids[0]], DECISION, dry_run=False)
    assert (outcome.state, len(world.sequences())) == ("requeued", 4)


def test_a_letter_whose_event_a_rewind_brings_is_void(world: World, letters: StoreDeadLetters) -> None:
    log = delivered(world, [too_large(0)])
    [letter] = letters.list(LetterFilter()).letters
    world.delete_topic(world.name)
    world.make_topic(max_message_bytes="200000")
    world.rewind(log, 0)
    [waiting] = letters.requeue([letter.id], DECISION, dry_run=False)
    assert isinstance(waiting.error, LetterRefused)
    assert "comes again by a rewind" in str(waiting.error)
    world.drain()
    outcome = again(world, letters, letter.id)
    assert isinstance(outcome.error, LetterRefused)
    assert "void" in str(outcome.error)
    assert letters.show(letter.id).letter.state == "open"
    assert_whole(world, 1)


def test_a_letter_of_a_transaction_that_never_came_is_void(world: World, letters: StoreDeadLetters) -> None:
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        log = client.append(world.name, [Event(fitting(0), key=b"k0"), too_large(1)]).log
    world.ship()
    assert world.drain_in_child("replay.dead_letter.put=kill").wait(240) < 0
    [letter] = letters.list(LetterFilter()).letters
    [outcome] = letters.requeue([letter.id], DECISION, dry_run=False)
    assert isinstance(outcome.error, LetterRefused)
    world.drain()
    assert again(world, letters, f"{world.name}/{log}/1", value=fitting(1)).error is None
    assert_whole_payloads(world, 2)


def assert_whole_payloads(world: World, number: int) -> None:
    assert Counter(world.sequences()) == Counter(range(number))


def test_all_letters_are_requeued_but_the_one_that_cannot_be(world: World, letters: StoreDeadLetters) -> None:
    log = delivered(world, [too_large(number) for number in range(5)])
    world.store.put_if_match(
        LetterStates(world.store, world.settings.root).key(Position(world.name, log, 2)), b"{", None
    )
    outcomes = list(requeue_all(letters, world.name, DECISION, dry_run=False))
    assert [type(outcome.error) for outcome in outcomes if outcome.error] == [LetterRefused]
    world.ship()
    assert world.drain().dead_letters == 4  # still too large: letters of their new positions
    assert len(letters.list(LetterFilter(state="open")).letters) == 4
