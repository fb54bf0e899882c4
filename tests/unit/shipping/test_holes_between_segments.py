"""Offsets that recovery left out between two segments: holes that an object names, so that replay can pass them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.archive.ranges import archived_ranges
from spool.format.segment_header import SegmentHeader, encode_segment_header
from spool.log import recovery
from spool.log.folder import open_path
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost


def of_an_older_program(header: SegmentHeader) -> bytes:
    return encode_segment_header(header._replace(previous_next=-1))


@pytest.mark.parametrize("is_old", [True, False], ids=["header of an older program", "header of today"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_segment_that_was_damaged_as_a_whole_leaves_a_hole_that_its_object_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, is_old: bool
) -> None:
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    host.append_segments("a", before)
    host.ship()
    host.append("lost", "too")
    damaged = open_path(host.log.path, before)
    host.log.close()
    damaged.write_bytes(bytes(damaged.stat().st_size))
    (host.log.path / "lock").unlink()
    if is_old:
        monkeypatch.setattr(recovery, "encode_segment_header", of_an_older_program)
    host.append("later")
    host.ship()
    [run] = archived_ranges(host.archive, host.name)
    assert (run.first, run.first_segment, run.last_segment) == (0, 0, before)
    [(hole_first, hole_next)] = run.holes
    assert hole_first == 5 * before
    assert hole_next + 1 == run.next
