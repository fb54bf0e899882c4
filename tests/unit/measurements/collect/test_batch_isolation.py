"""One bad batch never stops another, whatever is wrong with it and wherever it stands; the sync names it at its end."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.common.processes.bounded import CommandTimedOut
from include.measurements import batch_manifest
from include.measurements.batch_manifest import Manifest
from include.measurements.collect import pipeline
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.errors import (
    BatchRefused,
    DiskFull,
    HostUnreachable,
    OriginalsLost,
    RecordDamaged,
)
from include.measurements.collect.progress import Progress, Transferred
from include.measurements.collect.transport import Forgotten
from spool import failpoints
from spool.errors import SpoolError, SpoolFull
from tests.support.aggregator import Aggregator

BATCHES = ("b1", "b2", "b3")
DAY_MS = pipeline.DAY_MS


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    made = Aggregator(tmp_path / "state")
    yield made
    made.ledger.close()


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    folder = tmp_path / "dropped"
    for batch in BATCHES:
        drop(folder, batch)
    return folder


def drop(folder: Path, batch: str, name: str = "r") -> None:
    (folder / batch).mkdir(parents=True)
    (folder / batch / name).write_text(batch)
    (folder / f"{batch}.manifest").write_text(batch_manifest.encode(batch_manifest.hashed(folder / batch)))


def collector(folder: Path, days: float = 7) -> Collector:
    return Collector("north", LocalFolder(transport="drop_folder", folder=folder, forget_after_days=days))


class BadAt(DropFolder):
    """A source where one batch fails with `error` at `step`."""

    def __init__(self, folder: Path, bad: str, step: str, error: BaseException) -> None:
        super().__init__(folder)
        self._bad, self._step, self._error = bad, step, error

    def _fail(self, step: str, batch: str) -> None:
        if (step, batch) == (self._step, self._bad):
            raise self._error

    def manifest(self, batch: str) -> Manifest:
        self._fail("manifest", batch)
        return super().manifest(batch)

    def fetch(self, batch: str, folder: Path) -> Transferred:
        transferred = super().fetch(batch, folder)
        self._fail("fetch", batch)
        return transferred

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        self._fail("forget", batch)
        return super().forget(batch, manifest)


def as_pipe(folder: Path, batch: str) -> None:
    (folder / batch / "r").unlink()
    os.mkfifo(folder / batch / "r")


def as_link(folder: Path, batch: str) -> None:
    (folder / batch / "r").unlink()
    (folder / batch / "r").symlink_to("/etc/hostname")


def as_link_to_a_folder(folder: Path, batch: str) -> None:
    (folder / batch).rename(folder.parent / f"{batch}-elsewhere")
    (folder / batch).symlink_to(folder.parent / f"{batch}-elsewhere")


def as_file(folder: Path, batch: str) -> None:
    (folder / batch / "r").unlink()
    (folder / batch).rmdir()
    (folder / batch).write_text("a file")


def with_marker(content: bytes) -> Callable[[Path, str], None]:
    def spoil(folder: Path, batch: str) -> None:
        (folder / f"{batch}.manifest").write_bytes(content)

    return spoil


def with_folder_as_marker(folder: Path, batch: str) -> None:
    (folder / f"{batch}.manifest").unlink()
    (folder / f"{batch}.manifest").mkdir()


def with_pipe_as_marker(folder: Path, batch: str) -> None:
    (folder / f"{batch}.manifest").unlink()
    os.mkfifo(folder / f"{batch}.manifest")


def with_hidden_name(folder: Path, batch: str) -> None:
    (folder / batch / ".hidden").write_text("x")
    (folder / f"{batch}.manifest").unlink()
    (folder / f"{batch}.ready").touch()


def with_stray_file(folder: Path, batch: str) -> None:
    (folder / batch / "stray").write_text("x")


SPOILED = {
    "a pipe": as_pipe, "a link": as_link, "a link to a folder": as_link_to_a_folder, "a file": as_file,
    "another hash": with_marker(b"0" * 64 + b"  r\n"), "no manifest": with_marker(b"hello\n"),
    "not UTF-8": with_marker(b"\xff\xfe\n"), "NUL": with_marker(b"0" * 64 + b"  r\0\n"),
    "a path that leads out": with_marker(b"0" * 64 + b"  ../../r\n"),
    "a file twice": with_marker((b"0" * 64 + b"  r\n") * 2), "a folder as marker": with_folder_as_marker,
    "a pipe as marker": with_pipe_as_marker, "a hidden name": with_hidden_name, "a stray file": with_stray_file,
}  # fmt: skip


@pytest.mark.parametrize("bad", BATCHES)
@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_batch_that_is_wrong_in_itself_is_named_and_the_two_others_arrive(
    aggregator: Aggregator, dropped: Path, bad: str, spoil: Callable[[Path, str], None]
) -> None:
    spoil(dropped, bad)
    for _ in range(2):
        with pytest.raises(SpoolError, match=f"north/{bad}"):
            aggregator.sync(collector(dropped), DropFolder(dropped))
        assert aggregator.batches() == [batch for batch in BATCHES if batch != bad]
    assert os.path.lexists(dropped / bad)


ERRORS = {
    "permission": PermissionError(13, "Permission denied"), "name too long": OSError(36, "File name too long"),
    "loop": OSError(40, "Too many levels of symbolic links"), "refused": BatchRefused("too much"),
    "too slow": CommandTimedOut("rsync did not end in time"), "cut off": HostUnreachable("connection lost"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BATCHES)
@pytest.mark.parametrize("step", ["manifest", "fetch", "forget"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_batch_at_which_the_source_fails_is_named_and_the_two_others_go_on(
    aggregator: Aggregator, dropped: Path, bad: str, step: str, error: Exception
) -> None:
    with pytest.raises(SpoolError, match=f"north/{bad}"):
        aggregator.sync(collector(dropped, days=0), BadAt(dropped, bad, step, error))
    others = {batch for batch in BATCHES if batch != bad}
    assert others <= set(aggregator.batches())
    assert {batch for batch in BATCHES if (dropped / batch).exists()} == {bad}
    aggregator.sync(collector(dropped, days=0), DropFolder(dropped))
    assert aggregator.batches() == list(BATCHES)
    assert aggregator.open_counts() == []


@pytest.mark.parametrize("step", ["manifest", "fetch", "forget"])
@pytest.mark.parametrize("number", [5, 12, 23, 24])  # EIO, ENOMEM, ENFILE, EMFILE
def test_a_fault_of_the_machine_is_no_fault_of_a_batch(
    aggregator: Aggregator, dropped: Path, step: str, number: int
) -> None:
    broken = BadAt(dropped, "b1", step, OSError(number, os.strerror(number)))
    with pytest.raises(OSError, match=os.strerror(number)):
        aggregator.sync(collector(dropped, days=0), broken)
    assert all((dropped / batch).exists() for batch in BATCHES)


def test_a_spool_that_takes_no_events_ends_the_sync_and_the_next_one_finishes(
    aggregator: Aggregator, dropped: Path
) -> None:
    aggregator.emit_fails = SpoolFull("full")
    with pytest.raises(SpoolFull):
        aggregator.sync(collector(dropped), DropFolder(dropped))
    aggregator.emit_fails = None
    aggregator.sync(collector(dropped), DropFolder(dropped))
    assert aggregator.batches() == list(BATCHES)
    assert aggregator.open_counts() == []


def test_a_host_that_is_gone_ends_the_sync_at_the_first_batch(aggregator: Aggregator, dropped: Path) -> None:
    class Gone(BadAt):
        def batches(self) -> list[str]:
            if (aggregator.state / "collecting/north/b1").exists():
                raise HostUnreachable("the host is down")
            return super().batches()

    with pytest.raises(HostUnreachable, match="the host is down"):
        aggregator.sync(collector(dropped), Gone(dropped, "b1", "fetch", HostUnreachable("connection lost")))
    assert aggregator.batches() == []


def test_every_batch_that_failed_is_named_in_one_error_of_the_gravest_kind(
    aggregator: Aggregator, dropped: Path
) -> None:
    with_marker(b"0" * 64 + b"  r\n")(dropped, "b1")
    as_file(dropped, "b3")
    with pytest.raises(BatchRefused, match=r"north/b1 differs .*; north/b3: "):
        aggregator.sync(collector(dropped), DropFolder(dropped))


def test_a_batch_that_failed_is_tried_after_the_others(aggregator: Aggregator, dropped: Path) -> None:
    with pytest.raises(BatchRefused):
        aggregator.sync(collector(dropped), BadAt(dropped, "b1", "fetch", BatchRefused("too much")))
    drop(dropped, "b4")
    summary = aggregator.sync(collector(dropped), DropFolder(dropped))
    assert summary.batches == ["b4", "b1"]


def test_after_its_deadline_a_sync_begins_no_batch_and_says_how_many_are_left(
    aggregator: Aggregator, dropped: Path
) -> None:
    assert aggregator.sync(collector(dropped), DropFolder(dropped), deadline_s=-1).left == 3
    assert aggregator.sync(collector(dropped), DropFolder(dropped)).left == 0


class Hostile(DropFolder):
    """Says that it has batches of these names."""

    names: tuple[str, ...] = ()

    def batches(self) -> list[str]:
        return [*self.names, *super().batches()]


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "..", "", "a\0b", "a\nb", "b" * 65, "redriven-x-b1"])
def test_a_name_that_leads_out_is_refused_before_it_names_a_path(
    aggregator: Aggregator, dropped: Path, tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("kept")
    Hostile.names = (name,)
    with pytest.raises(BatchRefused, match="no batch may be called so"):
        aggregator.sync(collector(dropped), Hostile(dropped))
    assert [path.name for path in victim.iterdir()] == ["kept"]
    assert aggregator.batches() == list(BATCHES)
    assert not [p for p in aggregator.state.rglob("*") if "victim" in p.name]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"verified_ms": "x", "files": {}}', '{"verified_ms": 1, "files": {"../x": "0"}}']
)
def test_a_record_that_cannot_be_read_keeps_its_batch_at_the_host_and_no_other(
    aggregator: Aggregator, dropped: Path, content: str
) -> None:
    aggregator.sync(collector(dropped), DropFolder(dropped))
    (aggregator.state / "collected/north/b2.published").write_text(content)
    aggregator.now_ms += 8 * DAY_MS
    with pytest.raises(RecordDamaged, match="north/b2"):
        aggregator.sync(collector(dropped), DropFolder(dropped))
    assert [batch for batch in BATCHES if (dropped / batch).exists()] == ["b2"]


def original(aggregator: Aggregator, batch: str) -> Path:
    return aggregator.state / "raw/north" / batch / "r"


def test_a_host_keeps_what_changed_here_since_it_was_collected(aggregator: Aggregator, dropped: Path) -> None:
    aggregator.sync(collector(dropped), DropFolder(dropped))
    original(aggregator, "b2").write_text("c2")
    aggregator.now_ms += 8 * DAY_MS
    with pytest.raises(OriginalsLost, match="north/b2: of 1 originals 1 are not here"):
        aggregator.sync(collector(dropped), DropFolder(dropped))
    assert [batch for batch in BATCHES if (dropped / batch).exists()] == ["b2"]


def test_a_host_keeps_what_nobody_here_has_any_more(aggregator: Aggregator, dropped: Path) -> None:
    aggregator.sync(collector(dropped), DropFolder(dropped))
    original(aggregator, "b1").unlink()
    aggregator.now_ms += 8 * DAY_MS
    with pytest.raises(OriginalsLost):
        aggregator.sync(collector(dropped), DropFolder(dropped))
    assert (dropped / "b1/r").read_text() == "b1"


PLACES = {
    "raw": "raw/north/b1/r", "sent back": "raw/north/redriven-20261123t100000-b1/r",
    "archive": "archive/north/b1/r.gz", "second in the archive": "archive/north/b1/r.1.gz",
    "sent back, archived": "archive/north/redriven-20261123t100000-b1/r.gz",
    "quarantine": "quarantine/leak/north/b1/r", "errored": "errored/empty/north/b1/r",
    "held a second time": "quarantine/leak/north/b1/r.1",
}  # fmt: skip


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "damaged"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_host_forgets_what_is_proven_wherever_the_later_stages_put_it_and_only_that(
    aggregator: Aggregator, dropped: Path, place: str, whole: bool
) -> None:
    aggregator.sync(collector(dropped), DropFolder(dropped))
    content = original(aggregator, "b1").read_bytes() if whole else b"damaged"
    original(aggregator, "b1").unlink()
    target = aggregator.state / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(content) if place.endswith(".gz") else content)
    if place.endswith(".1.gz"):
        target.with_name("r.gz").write_bytes(gzip.compress(b"the first of that path"))
    aggregator.now_ms += 8 * DAY_MS
    if whole:
        assert aggregator.sync(collector(dropped), DropFolder(dropped)).forgotten == 3
    else:
        with pytest.raises(OriginalsLost):
            aggregator.sync(collector(dropped), DropFolder(dropped))
    assert (dropped / "b1").exists() != whole


@pytest.mark.parametrize("cut", [1, 9, 20])
def test_a_packed_original_that_is_cut_proves_nothing(aggregator: Aggregator, dropped: Path, cut: int) -> None:
    aggregator.sync(collector(dropped), DropFolder(dropped))
    packed = aggregator.state / "archive/north/b1/r.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress(original(aggregator, "b1").read_bytes())[:-cut])
    original(aggregator, "b1").unlink()
    aggregator.now_ms += 8 * DAY_MS
    with pytest.raises(OriginalsLost):
        aggregator.sync(collector(dropped), DropFolder(dropped))
    assert (dropped / "b1").exists()


def test_a_full_disk_at_one_batch_ends_the_sync_as_a_full_disk(aggregator: Aggregator, dropped: Path) -> None:
    failpoints.arm("collectors.noted=enospc")
    try:
        with pytest.raises(DiskFull):
            aggregator.sync(collector(dropped), DropFolder(dropped))
    finally:
        failpoints.arm("")
    assert all((dropped / batch).exists() for batch in BATCHES)


@pytest.mark.parametrize(
    "line",
    [
        "     101 100%   10.00kB/s    0:00:00 (xfr#1, to-chk=0/1)",
        "       1 100%   10.00kB/s    0:00:00 (xfr#1, to-chk=0/11)",
        "9" * 5000 + " 100%   10.00kB/s    0:00:00",
    ],
)
def test_a_transfer_of_more_than_a_batch_may_have_is_ended(line: str) -> None:
    progress = Progress("north", "b1", bytes_max=100, entries_max=10)
    progress.line("     100 100%   10.00kB/s    0:00:00 (xfr#1, to-chk=0/10)")
    with pytest.raises(BatchRefused, match="north/b1 has more than"):
        progress.line(line)
