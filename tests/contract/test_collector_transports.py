"""
One suite for every way in which batches come: rsync through the gate, a drop folder, announce-and-pull.

The next stage sees a folder and its manifest, whichever way a batch came.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from include.measurements import batch_manifest
from include.measurements.collect import announcements
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.errors import BatchDiffers, GateRefused
from include.measurements.collect.transport import Transport
from tests.support.collector_host import CollectorHost

pytestmark = pytest.mark.contract

FILES = {"archive/a.yamloo": b"one\n", "archive/deep/b c.yamloo": b"", "archive/\u00e9.yamloo": b"\0\xff" * 5000}


class Site(Protocol):
    transport: Transport

    def finish(self, batch: str, files: dict[str, bytes]) -> None:
        """Make files a finished batch at the source."""
        ...

    def at_source(self, batch: str) -> Path: ...


class RsyncSite:
    def __init__(self, folder: Path) -> None:
        self.host = CollectorHost.make(folder / "host")
        self.transport: Transport = self.host.transport

    def finish(self, batch: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            self.host.record(path.removeprefix("archive/"), content)
        assert self.transport.stage(batch) == len(files)

    def at_source(self, batch: str) -> Path:
        return self.host.folder / "outgoing" / batch


class DropSite:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dropped"
        self.folder.mkdir()
        self.transport: Transport = DropFolder(self.folder)

    def finish(self, batch: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            (self.folder / batch / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / batch / path).write_bytes(content)
        manifest = batch_manifest.encode(batch_manifest.hashed(self.folder / batch))
        (self.folder / f"{batch}.manifest").write_text(manifest)

    def at_source(self, batch: str) -> Path:
        return self.folder / batch


class AnnouncedSite(RsyncSite):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._told = folder / "collector_batches"
        self._pull = self.transport
        self.transport = announcements.AnnouncedTransport(
            "north", self._pull, announcements.AnnouncementFile(self._told)
        )

    def finish(self, batch: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            self.host.record(path.removeprefix("archive/"), content)
        assert self._pull.stage(batch) == len(files)
        self.announce(batch)

    def announce(self, batch: str) -> None:
        told = announcements.announcement_of("north", batch, self._pull.manifest(batch))
        with self._told.open("ab") as file:
            file.write(announcements.encode(told) + b"\n")


@pytest.fixture(params=[RsyncSite, DropSite, AnnouncedSite], ids=["rsync", "drop_folder", "announced"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    made: Site = request.param(tmp_path)
    return made


def test_a_source_without_finished_files_offers_no_batch(site: Site) -> None:
    assert site.transport.stage("b1") == 0
    assert site.transport.batches() == []


def test_a_finished_batch_arrives_byte_for_byte_and_matches_its_manifest(site: Site, tmp_path: Path) -> None:
    site.finish("b1", FILES)
    assert site.transport.batches() == ["b1"]
    transferred = site.transport.fetch("b1", tmp_path / "in")
    manifest = site.transport.manifest("b1")
    assert manifest.keys() == FILES.keys()
    assert not batch_manifest.compare(tmp_path / "in", manifest)
    assert {path: (tmp_path / "in" / path).read_bytes() for path in FILES} == FILES
    assert transferred == (3, sum(map(len, FILES.values())))


def test_fetching_again_over_what_a_dead_process_left_completes_it(site: Site, tmp_path: Path) -> None:
    site.finish("b1", FILES)
    site.transport.fetch("b1", tmp_path / "in")
    (tmp_path / "in" / "archive/a.yamloo").unlink()
    site.transport.fetch("b1", tmp_path / "in")
    assert not batch_manifest.compare(tmp_path / "in", site.transport.manifest("b1"))


def test_forgetting_deletes_what_the_manifest_proves_and_then_offers_nothing(site: Site) -> None:
    site.finish("b1", FILES)
    manifest = site.transport.manifest("b1")
    assert site.transport.forget("b1", manifest) == (3, (), 0)
    assert site.transport.batches() == []
    assert not site.at_source("b1").exists()
    assert site.transport.forget("b1", manifest) == (0, (), 0)


def test_a_file_changed_since_is_not_deleted(site: Site) -> None:
    site.finish("b1", FILES)
    manifest = site.transport.manifest("b1")
    (site.at_source("b1") / "archive/a.yamloo").write_bytes(b"1n3\n")
    assert site.transport.forget("b1", manifest) == (2, ("archive/a.yamloo",), 0)
    left = [p for p in site.at_source("b1").parents[1].rglob("*") if p.is_file() and p.read_bytes() == b"1n3\n"]
    assert len(left) == 1


def test_a_file_that_the_manifest_does_not_know_stops_the_deletion(site: Site) -> None:
    site.finish("b1", FILES)
    manifest = site.transport.manifest("b1")
    (site.at_source("b1") / "new").write_bytes(b"new")
    with pytest.raises(GateRefused, match="not in the manifest, nothing is deleted"):
        site.transport.forget("b1", manifest)
    assert batch_manifest.hashed(site.at_source("b1")).keys() == {*FILES, "new"}


def test_a_batch_that_is_not_what_was_announced_is_not_taken(tmp_path: Path) -> None:
    site = AnnouncedSite(tmp_path)
    site.finish("b1", FILES)
    (site.at_source("b1") / "archive/a.yamloo").write_bytes(b"other")
    assert site.transport.batches() == ["b1"]
    with pytest.raises(BatchDiffers, match="not those it announced"):
        site.transport.manifest("b1")
    site.announce("b1")
    assert site.transport.batches() == ["b1"]
    assert site.transport.manifest("b1").keys() == FILES.keys()


def test_batches_that_nobody_announced_stay_where_they_are(tmp_path: Path) -> None:
    site = AnnouncedSite(tmp_path)
    site.host.record("x", b"x")
    site._pull.stage("b1")
    assert site.transport.batches() == []


def test_files_dropped_by_hand_with_an_empty_marker_are_a_batch(tmp_path: Path) -> None:
    site = DropSite(tmp_path)
    (site.folder / "byhand").mkdir()
    (site.folder / "byhand" / "r.yamloo").write_bytes(b"r")
    assert site.transport.batches() == []
    (site.folder / "byhand.ready").touch()
    assert site.transport.batches() == ["byhand"]
    assert site.transport.manifest("byhand").keys() == {"r.yamloo"}


def test_a_changed_file_comes_again_in_a_later_batch(site: Site, tmp_path: Path) -> None:
    site.finish("b1", FILES)
    manifest = site.transport.manifest("b1")
    (site.at_source("b1") / "archive/a.yamloo").write_bytes(b"late")
    site.transport.forget("b1", manifest)
    site.transport.stage("b2")
    if isinstance(site, AnnouncedSite):
        site._pull.stage("b2")
        site.announce("b2")
    [batch] = site.transport.batches()
    site.transport.fetch(batch, tmp_path / "again")
    assert (tmp_path / "again" / "archive/a.yamloo").read_bytes() == b"late"
