"""Each measurement report has a place for its companions, whatever it and others are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common.atomic_files import NAME_BYTES_MAX, free_name
from include.measurements.archived_originals import ArchivedOriginals
from include.measurements.companion_paths import companion_path, companion_paths


def test_a_companion_is_called_as_its_report_where_that_can_be(tmp_path: Path) -> None:
    assert companion_path(tmp_path, "north/b1/deep/r", ".gz") == tmp_path / "north/b1/deep/r.gz"


@pytest.mark.parametrize("name", ["r" * 255, "r" * 249, "\u20ac" * 85], ids=len)
def test_a_name_without_room_for_ending_and_number_gives_way_to_its_hash(tmp_path: Path, name: str) -> None:
    place = companion_path(tmp_path, f"north/b1/deep/{name}", ".gz")
    assert place.parent == tmp_path / "north/b1"
    place.parent.mkdir(parents=True)
    place.with_name(f"{place.stem}.999.gz").touch()
    assert companion_path(tmp_path, f"north/b1/deep/{name[:-1]}", ".gz") != place


def test_a_report_that_is_called_as_the_companion_of_another_is_not_in_its_way(tmp_path: Path) -> None:
    first = companion_path(tmp_path, "north/b1/r", ".gz")
    first.parent.mkdir(parents=True)
    first.touch()
    inside = companion_path(tmp_path, "north/b1/r.gz/x", ".gz")
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.touch()
    assert first == tmp_path / "north/b1/r.gz"
    assert companion_path(tmp_path, "north/b1/r", ".gz") == first
    folder = tmp_path / "north/b2/r.gz"
    folder.mkdir(parents=True)
    assert companion_path(tmp_path, "north/b2/r", ".gz") == companion_paths(tmp_path, "north/b2/r", ".gz")[1]


def test_an_original_is_found_again_in_either_place(tmp_path: Path) -> None:
    originals = ArchivedOriginals(tmp_path / "archive", tmp_path / "archived")
    by_name, by_hash = companion_paths(originals.archive, "north/b1/r", ".gz")
    by_name.parent.mkdir(parents=True)
    by_name.touch()
    by_hash.touch()
    by_hash.with_name(f"{by_hash.stem}.1.gz").touch()
    assert list(originals.copies("north/b1/r")) == [by_name, by_hash, by_hash.with_name(f"{by_hash.stem}.1.gz")]


def test_a_taken_name_of_full_length_gets_a_number_all_the_same(tmp_path: Path) -> None:
    taken = tmp_path / ("\u20ac" * 85)
    taken.touch()
    free = free_name(taken)
    free.touch()
    assert len(free.name.encode()) <= NAME_BYTES_MAX
    assert free_name(taken) not in (taken, free)
