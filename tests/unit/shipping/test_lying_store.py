"""A store that says more than it does, or does not keep what it was given: nothing here goes on its word alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from spool.errors import CorruptObject, StoreUnavailable
from spool.log.shipped import read_shipped
from spool.store.object_store import StoredObject
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost, numbered, values


class Forgetful(MemoryStore):
    """Acknowledges puts of segments and keeps nothing, while `is_lying`."""

    is_lying = True

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        etag = super().put_if_absent(key, body, metadata)
        if self.is_lying and key.endswith(".seg"):
            self.objects.pop(key)
        return etag


def test_a_put_that_was_answered_and_not_stored_leaves_everything_here(tmp_path: Path) -> None:
    store = Forgetful()
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 2)
    with pytest.raises(StoreUnavailable, match="accepted the object and does not have it"):
        host.ship()
    assert read_shipped(host.log.path).segment == -1
    assert host.files() == ["000000000000.sealed", "000000000001.sealed", "000000000002.open"]
    store.is_lying = False
    host.ship()
    assert values(store) == numbered("a", 2)


def lose_metadata(store: MemoryStore) -> None:
    for key, found in store.objects.items():
        store.objects[key] = StoredObject(found.body, found.etag, {})


def test_objects_that_lost_their_metadata_are_known_by_their_footer(tmp_path: Path) -> None:
    store = MemoryStore()
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 3)
    host.log.close()
    twin = host.snapshot(tmp_path / "twin", detected=False)
    twin.ship()
    lose_metadata(store)
    host.ship()
    (host.log.path / "shipped").unlink()
    host.append("later")
    host.ship()
    assert values(store) == sorted([*numbered("a", 3), "later"])
    assert host.alarms.ever == []


def test_another_folders_object_without_metadata_is_still_a_fork(tmp_path: Path) -> None:
    store = MemoryStore()
    host = SpoolHost(tmp_path / "spool", store)
    host.append("both")
    twin = host.snapshot(tmp_path / "twin", detected=False)
    host.append("one")
    twin.append("two")
    twin.ship()
    lose_metadata(store)
    for _ in range(3):
        host.ship()
    assert values(store) == ["both", "one", "two"]
    assert "log_forked" in host.alarms.ever


def test_a_key_taken_by_something_else_is_no_fork(tmp_path: Path) -> None:
    store = MemoryStore()
    host = SpoolHost(tmp_path / "spool", store)
    host.append("a")
    store.put_if_absent(host.archive.key(host.name, 0), b"<html>welcome</html>", {})
    with pytest.raises(CorruptObject, match=host.archive.key(host.name, 0)):
        host.ship()
    assert "log_forked" not in host.alarms.ever
    assert len(host.files()) == 2
