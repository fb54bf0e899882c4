"""What the engine relies on in an object store: one suite on the fake and on a real S3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from spool.errors import ObjectExists, ObjectMissing, PreconditionFailed
from spool.store import s3_store
from spool.store.object_store import ObjectStore

pytestmark = pytest.mark.contract


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    body = bytes(range(256)) * 1000
    etag = store.put_if_absent("r/a", body, {"source-sha256": "abc"})
    found = store.get("r/a")
    assert (found.body, found.etag, dict(found.metadata)) == (body, etag, {"source-sha256": "abc"})


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put_if_absent("r/empty", b"", {})
    assert store.get("r/empty").body == b""
    assert store.get_tail("r/empty", 5) == b""


def test_metadata_names_come_back_in_lower_case(store: ObjectStore) -> None:
    store.put_if_absent("r/a", b"x", {"Source-SHA256": "AbC"})
    assert dict(store.metadata("r/a")) == {"source-sha256": "AbC"}


def test_a_second_put_finds_the_key_taken_and_changes_nothing(store: ObjectStore) -> None:
    store.put_if_absent("r/a", b"first", {"n": "1"})
    with pytest.raises(ObjectExists):
        store.put_if_absent("r/a", b"second", {"n": "2"})
    assert store.get("r/a").body == b"first"
    assert dict(store.metadata("r/a")) == {"n": "1"}


def test_of_many_puts_of_one_key_at_once_one_wins(store: ObjectStore) -> None:
    def put(number: int) -> bool:
        try:
            store.put_if_absent("r/race", str(number).encode(), {})
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, mine in enumerate(pool.map(put, range(16))) if mine]
    assert len(won) == 1
    assert store.get("r/race").body == str(won[0]).encode()


@pytest.mark.parametrize("call", ["get", "metadata"])
def test_what_is_not_there_is_missing(store: ObjectStore, call: str) -> None:
    with pytest.raises(ObjectMissing):
        getattr(store, call)("r/none")
    with pytest.raises(ObjectMissing):
        store.get_tail("r/none", 10)


def test_a_tail_is_the_last_bytes_or_the_whole_of_a_shorter_object(store: ObjectStore) -> None:
    store.put_if_absent("r/a", b"0123456789", {})
    assert store.get_tail("r/a", 3) == b"789"
    assert store.get_tail("r/a", 10) == b"0123456789"
    assert store.get_tail("r/a", 99) == b"0123456789"


def test_put_if_match_replaces_only_what_was_seen(store: ObjectStore) -> None:
    first = store.put_if_match("r/a", b"1", None)
    second = store.put_if_match("r/a", b"2", first)
    with pytest.raises(PreconditionFailed):
        store.put_if_match("r/a", b"3", first)
    with pytest.raises(PreconditionFailed):
        store.put_if_match("r/a", b"3", None)
    assert (store.get("r/a").body, store.get("r/a").etag) == (b"2", second)


def test_put_if_match_of_a_missing_object_fails(store: ObjectStore) -> None:
    etag = store.put_if_match("r/a", b"1", None)
    store.delete("r/a")
    with pytest.raises(PreconditionFailed):
        store.put_if_match("r/a", b"2", etag)


def test_of_many_changes_from_one_state_one_wins(store: ObjectStore) -> None:
    etag = store.put_if_match("r/a", b"0", None)

    def change(number: int) -> bool:
        try:
            store.put_if_match("r/a", str(number).encode(), etag)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(1, 17))) == 1


def test_listings_are_in_binary_order_below_the_prefix_and_after_the_start(store: ObjectStore) -> None:
    keys = [f"r/events/log{n}/{segment:012d}.seg" for n in (1, 2) for segment in (2, 10, 9)]
    for key in [*keys, "r/_meta/floors/events/log1", "other/x"]:
        store.put_if_absent(key, b"x" * 3, {})
    assert [line.key for line in store.list("r/events/")] == sorted(keys)
    after = "r/events/log1/000000000009.seg"
    assert [line.key for line in store.list("r/events/log1/", start_after=after)] == ["r/events/log1/000000000010.seg"]
    assert {line.size_bytes for line in store.list("r/")} == {3}
    assert list(store.list("r/events/log3/")) == []


def test_a_listing_goes_on_beyond_one_page(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "PAGE", 7)
    keys = [f"r/page/{number:05d}" for number in range(30)]
    for key in keys:
        store.put_if_absent(f"{key}", b"", {})
        store.put_if_absent(f"r/folders{key[1:]}/x", b"", {})
    assert list(store.folders("r/folders/page/")) == [key.rpartition("/")[2] for key in keys]
    assert [line.key for line in store.list("r/page/")] == keys
    assert [line.key for line in store.list("r/page/", start_after=keys[1])] == keys[2:]


def test_a_deleted_object_is_in_no_listing(store: ObjectStore) -> None:
    store.put_if_absent("r/l/a", b"", {})
    store.put_if_absent("r/l/b", b"", {})
    store.delete("r/l/a")
    store.delete("r/l/never")
    assert [line.key for line in store.list("r/l/")] == ["r/l/b"]


def test_folders_are_the_next_parts_of_keys(store: ObjectStore) -> None:
    for key in ("r/b/1/x", "r/b/2/x", "r/a/1/x", "r/_meta/y/z", "r/file", "rr/c/d"):
        store.put_if_absent(key, b"", {})
    assert list(store.folders("r/")) == ["_meta", "a", "b"]
    assert list(store.folders("r/b/")) == ["1", "2"]
    assert list(store.folders("none/")) == []


def test_a_bucket_without_lifecycle_rules_lets_nothing_expire(store: ObjectStore) -> None:
    assert store.expiring_prefixes() == ()
