"""The requeue of dead letters killed at every step, twenty times each: every letter's event is appended once."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool import failpoints
from spool.dead_letters.port import Decision, LetterFilter, demand_all_done, requeue_all
from tests.fakes.folder_store import FolderStore
from tests.support.dead_letter_places import StorePlace
from tests.support.killed_child import run_until_killed

pytestmark = pytest.mark.crash

KILLS = 20
POINTS = [name for name in failpoints.NAMES if name.startswith(("dead_letters.", "log.append.", "log.producers."))]
# The table of producers is written when segments are sealed and shipped, which a requeue of a few letters does not do.
RARE = ("log.producers.",)


@pytest.mark.parametrize("name", POINTS)
def test_every_letter_is_requeued_once_whenever_the_run_dies(name: str, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    place = StorePlace(store, tmp_path / "spool")
    for number in range(KILLS + 5):
        place.put(number)
    place.put_group(100, 3)
    place.letters.discard(place.put(200), Decision("ops", "not wanted"), dry_run=False)

    def requeue() -> None:
        here = StorePlace(store, tmp_path / "spool")
        demand_all_done(list(requeue_all(here.letters, "", Decision("ops", "again"), dry_run=False)))

    kills = 0
    while kills < KILLS and run_until_killed(requeue, name):
        kills += 1
    if name.startswith("dead_letters."):
        assert kills == KILLS
    assert kills or name.startswith(RARE)
    requeue()
    assert sorted(place.sent()) == sorted(f"payload {number}" for number in (*range(KILLS + 5), 100, 101, 102))
    states = {letter.state for letter in place.letters.list(LetterFilter(), limit=1000).letters}
    assert states == {"requeued", "discarded"}
