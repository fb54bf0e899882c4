"""One sync, and everything that may go wrong on its way."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.measurements import batch_manifest
from include.measurements.batch_manifest import Manifest
from include.measurements.collect import pipeline
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.errors import BatchDiffers, DirectoryUnread, DiskFull, HostUnreachable, SyncRunning
from include.measurements.collect.progress import Transferred
from include.measurements.collect.transport import Forgotten
from spool import failpoints
from tests.support.aggregator import Aggregator
from tests.support.collector_host import CollectorHost
from tests.support.killed_child import run_until_killed


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    made = Aggregator(tmp_path / "state")
    yield made
    made.ledger.close()


@pytest.fixture
def host(tmp_path: Path) -> CollectorHost:
    return CollectorHost.make(tmp_path / "north")


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def test_files_arrive_are_counted_told_and_then_forgotten(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    host.record("b", b"22")
    summary = aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"1", "archive/b": b"22"}
    assert (summary.files, summary.size_bytes, summary.forgotten) == (2, 3, 2)
    assert host.files() == set()
    assert [kind for kind, _ in aggregator.events] == ["batch.collected", "batch.forgotten"]
    [count] = aggregator.ledger.counts()
    assert (count.count_in, count.count_out, count.difference) == (2, 2, 0)


def test_a_second_sync_brings_nothing_even_after_the_next_stage_took_the_files(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"1")
    host.change(forget_after_days=7)
    aggregator.sync(host.collector, host.transport)
    shutil.rmtree(aggregator.state / "raw" / "north")
    summary = aggregator.sync(host.collector, host.transport)
    assert (summary.files, aggregator.raw()) == (0, {})


def test_the_host_keeps_proven_files_for_the_days_it_was_told(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    host.change(forget_after_days=7)
    aggregator.sync(host.collector, host.transport)
    aggregator.now_ms += 7 * pipeline.DAY_MS - 2000
    assert aggregator.sync(host.collector, host.transport).forgotten == 0
    assert len(host.files()) == 1
    aggregator.now_ms += 1000
    assert aggregator.sync(host.collector, host.transport).forgotten == 1
    assert host.files() == set()


def test_two_collectors_with_one_file_name_and_different_content_both_keep_theirs(
    aggregator: Aggregator, tmp_path: Path
) -> None:
    hosts = [CollectorHost.make(tmp_path / name, name) for name in ("north", "south")]
    for host in hosts:
        host.record("2012-01-01T120000Z_AS3.yamloo", host.collector.id.encode())
        aggregator.sync_host(host)
    name = "archive/2012-01-01T120000Z_AS3.yamloo"
    assert aggregator.raw("north") == {name: b"north"}
    assert aggregator.raw("south") == {name: b"south"}


def test_a_host_that_is_down_fails_alone_and_loses_nothing(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    up = host.shell.read_text()
    host.go_down()
    with pytest.raises(HostUnreachable):
        aggregator.sync_host(host)
    host.shell.write_text(up)
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"1"}


def test_a_directory_that_is_misspelt_fails_and_is_named_and_the_others_files_arrive(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"1")
    host.change(directories=("archiv", "archive"))
    with pytest.raises(DirectoryUnread, match=r"north/.*: archiv$") as unread:
        aggregator.sync_host(host)
    assert "config/collectors.yml" in unread.value.hint
    assert aggregator.raw() == {"archive/a": b"1"}


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_drop_folder_that_is_none_fails_and_is_named(aggregator: Aggregator, tmp_path: Path, kind: str) -> None:
    dropped = tmp_path / "droped"
    if kind == "file":
        dropped.touch()
    with pytest.raises(DirectoryUnread, match="droped cannot be listed"):
        aggregator.sync(Collector("south", LocalFolder(transport="drop_folder", folder=dropped)), DropFolder(dropped))


def test_a_file_created_during_the_run_survives_for_the_next(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")

    class Recording(type(host.transport)):  # type: ignore[misc]
        def fetch(self, batch: str, folder: Path) -> Transferred:
            host.record("new", b"new")
            return super().fetch(batch, folder)  # type: ignore[no-any-return]

    aggregator.sync(host.collector, Recording("north", host.ssh, [str(host.shell)]))
    assert host.files() == {"archive/new"}
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"1", "archive/new": b"new"}


class Meddling:
    """The transport of a host where `after_fetch` happens once, just after a transfer."""

    def __init__(self, host: CollectorHost, after_fetch: object, times: int = 1) -> None:
        self._inner, self._after, self._times = host.transport, after_fetch, times

    def stage(self, batch: str) -> int:
        return self._inner.stage(batch)

    def batches(self) -> list[str]:
        return self._inner.batches()

    def manifest(self, batch: str) -> Manifest:
        return self._inner.manifest(batch)

    def fetch(self, batch: str, folder: Path) -> Transferred:
        transferred = self._inner.fetch(batch, folder)
        if self._times:
            self._times -= 1
            self._after(batch, folder)  # type: ignore[operator]
        return transferred

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        return self._inner.forget(batch, manifest)


def rewrite_with_same_size_and_time(path: Path, content: bytes) -> None:
    before = path.stat()
    assert before.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_grows_after_the_transfer_is_not_deleted_and_comes_again(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"1")

    def grow(batch: str, folder: Path) -> None:
        with (host.folder / "outgoing" / batch / "archive/a").open("ab") as file:
            file.write(b"more")

    summary = aggregator.sync(host.collector, Meddling(host, grow))
    assert (summary.forgotten, summary.changed) == (0, 1)
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"1", "archive/a+": b"1more"}
    assert host.files() == set()


def test_a_file_rewritten_with_the_same_size_and_time_is_not_deleted_and_comes_again(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"old bytes")

    def rewrite(batch: str, folder: Path) -> None:
        rewrite_with_same_size_and_time(host.folder / "outgoing" / batch / "archive/a", b"new bytes")

    aggregator.sync(host.collector, Meddling(host, rewrite))
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"old bytes", "archive/a+": b"new bytes"}


def test_a_file_rewritten_between_manifest_and_transfer_is_fetched_again_whole(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"old bytes")

    def rewrite(batch: str, folder: Path) -> None:
        # What arrived is neither version: the second manifest and the second transfer must agree.
        rewrite_with_same_size_and_time(host.folder / "outgoing" / batch / "archive/a", b"new bytes")
        rewrite_with_same_size_and_time(folder / "archive/a", b"odd bytes")

    aggregator.sync(host.collector, Meddling(host, rewrite))
    assert aggregator.raw() == {"archive/a": b"new bytes"}
    assert host.files() == set()


def test_a_local_copy_that_stays_corrupt_fails_the_task_and_leaves_the_source(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"good")

    def corrupt(batch: str, folder: Path) -> None:
        rewrite_with_same_size_and_time(folder / "archive/a", b"evil")

    with pytest.raises(BatchDiffers, match="1 changed"):
        aggregator.sync(host.collector, Meddling(host, corrupt, times=2))
    assert len(host.files()) == 1
    assert aggregator.raw() == {}
    assert aggregator.ledger.counts() == []
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"good"}


def test_a_batch_that_differs_does_not_keep_the_others_of_its_host(aggregator: Aggregator, tmp_path: Path) -> None:
    dropped = tmp_path / "dropped"
    for batch in ("bad", "good"):
        (dropped / batch).mkdir(parents=True)
        (dropped / batch / "r").write_bytes(b"r")
        manifest = batch_manifest.hashed(dropped / batch)
        (dropped / f"{batch}.manifest").write_text(batch_manifest.encode(manifest))
    (dropped / "bad" / "r").write_bytes(b"x")
    collector = Collector("north", LocalFolder(transport="drop_folder", folder=dropped, forget_after_days=0))
    with pytest.raises(BatchDiffers, match="north/bad"):
        aggregator.sync(collector, DropFolder(dropped))
    assert aggregator.raw() == {"r": b"r"}
    assert (dropped / "bad" / "r").exists()
    assert not (dropped / "good").exists()


def test_a_link_among_the_files_is_never_taken_for_a_file(aggregator: Aggregator, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r").symlink_to("/etc/passwd")
    assert batch_manifest.compare(tmp_path / "in", {"r": batch_manifest.sha256_of(Path("/etc/passwd"))}).changed == (
        "r",
    )


def test_a_full_disk_leaves_the_source_and_the_next_try_completes(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    for name in ("collectors.fetched", "collectors.noted", "collectors.renamed", "collectors.manifest_written"):
        failpoints.arm(f"{name}=enospc")
        with pytest.raises(DiskFull):
            aggregator.sync_host(host)
        assert len(host.files()) == 1
        failpoints.arm("")
        shutil.rmtree(aggregator.state)
        aggregator = Aggregator(aggregator.state)
    failpoints.arm("collectors.renamed=enospc")
    with pytest.raises(DiskFull):
        aggregator.sync_host(host)
    aggregator.sync_host(host)
    assert aggregator.raw() == {"archive/a": b"1"}


def test_a_disk_that_is_really_full_is_named_so(host: CollectorHost, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        aggregator = Aggregator(small / "state")
        host.record("big", os.urandom(600_000))
        with pytest.raises(DiskFull, match="no space left"):
            aggregator.sync_host(host)
        assert aggregator.raw() == {}
        aggregator.ledger.close()
    finally:
        subprocess.run(["umount", small], check=True)
    assert len(host.files()) == 1


def test_two_syncs_of_one_collector_do_not_run_at_once(host: CollectorHost, aggregator: Aggregator) -> None:
    def sync_meanwhile(batch: str, folder: Path) -> None:
        with pytest.raises(SyncRunning):
            aggregator.sync_host(host)

    host.record("a", b"1")
    assert aggregator.sync(host.collector, Meddling(host, sync_meanwhile)).files == 1


def test_an_error_that_is_no_full_disk_is_not_called_one(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    failpoints.arm("collectors.fetched=eio")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        aggregator.sync_host(host)


def test_a_batch_that_the_next_stage_has_taken_is_not_shown_again_after_a_kill(
    host: CollectorHost, aggregator: Aggregator
) -> None:
    host.record("a", b"1")
    assert run_until_killed(lambda: aggregator.sync_host(host), "collectors.event_told")
    [original] = (aggregator.state / "raw" / "north").glob("*/archive/a")
    packed = aggregator.state / "archive" / "north" / original.parent.parent.name / "archive" / "a.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress(original.read_bytes()))
    shutil.rmtree(aggregator.state / "raw" / "north")
    aggregator.sync_host(host)
    assert list((aggregator.state / "raw" / "north").iterdir()) == []
    assert host.files() == set()
    [count] = aggregator.ledger.counts()
    assert (count.count_in, count.count_out) == (1, 1)


def test_originals_are_private_on_this_side_too(host: CollectorHost, aggregator: Aggregator) -> None:
    host.record("a", b"1")
    aggregator.sync_host(host)
    for room in ("raw", "collecting", "collected"):
        assert (aggregator.state / room).stat().st_mode & 0o077 == 0, room


def test_no_log_and_no_error_names_a_file_that_is_not_sanitized_yet(
    host: CollectorHost, aggregator: Aggregator, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "198.51.100.7"
    host.record(f"{secret}.yamloo", b"1")
    host.record(f"{secret}\n.yamloo", b"1")

    def corrupt(batch: str, folder: Path) -> None:
        (folder / "archive" / f"{secret}.yamloo").write_bytes(b"evil")

    caplog.set_level("DEBUG")
    with pytest.raises(BatchDiffers) as differs:
        aggregator.sync(host.collector, Meddling(host, corrupt, times=2))
    aggregator.sync_host(host)
    assert secret not in caplog.text
    assert secret not in str(differs.value)
    assert secret not in str(aggregator.events)
