"""R-OONI-18: the mirror shows sanitized, imported reports and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

from include.measurements.publish import mirror
from include.measurements.publish.public_paths import PublicPaths
from tests.support.killed_child import run_until_killed
from tests.support.measurement_state import MeasurementState


def index(state: MeasurementState) -> dict[str, dict[str, object]]:
    return {str(row["report_file"]): row for row in mirror.read_index(state.folders.public)}


def public_files(state: MeasurementState) -> set[str]:
    public = state.folders.public
    return {path.relative_to(public).as_posix() for path in public.rglob("*") if path.is_file()}


PAGES = {
    "index.json", "index.yaml", "index.html", "browse.js", "browse.css", "bridges-by-country-code.json",
}  # fmt: skip


def test_imported_reports_are_published_whole_under_their_country(state: MeasurementState) -> None:
    state.stage_report("north/b1/a", state="imported")
    state.stage_report("north/b1/b", state="imported", probe_cc="it")
    assert state.publish().published == 2
    assert public_files(state) == PAGES | {"reports/IT/north/b1/a.gz", "reports/ZZ/north/b1/b.gz"}
    packed = (state.folders.public / "reports/IT/north/b1/a.gz").read_bytes()
    assert gzip.decompress(packed) == state.folders.path("imported", "north/b1/a").read_bytes()
    row = index(state)["north/b1/a"]
    assert row["sha256"] == hashlib.sha256(packed).hexdigest()
    assert (row["size_bytes"], row["test_name"], row["probe_cc"]) == (len(packed), "http_requests", "IT")
    assert yaml.safe_load((state.folders.public / "index.yaml").read_text()) == list(index(state).values())
    assert state.events[0] == ("measurement_report.published", "north/b1/a")
    assert state.open_counts() == []


def test_reports_in_any_other_state_are_not_published(state: MeasurementState) -> None:
    for name in ("raw", "staging", "reports", "archive", "quarantine", "errored/x"):
        state.stage_report("r", state=name)
    (state.folders.root / "imported" / "link").symlink_to(state.folders.root / "raw" / "r")
    state.publish()
    assert public_files(state) == PAGES


def test_the_index_says_of_a_probe_no_more_than_country_and_network(state: MeasurementState) -> None:
    state.stage_report("a", state="imported", probe_ip="10.9.8.7", options=["-f", "secret"])
    state.publish()
    text = "".join((state.folders.public / name).read_text() for name in ("index.json", "index.yaml"))
    for private in ("Rome", "10.9.8.7", "secret"):
        assert private not in text


def test_publishing_again_makes_nothing_again(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.publish()
    before = {path: path.stat().st_mtime_ns for path in (state.folders.public / "reports").rglob("*.gz")}
    content = (state.folders.public / "index.json").read_bytes()
    summary = state.publish()
    assert (summary.published, summary.unchanged) == (0, 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (state.folders.public / "index.json").read_bytes() == content


def test_what_is_imported_no_more_leaves_the_mirror(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.stage_report("b", state="imported")
    state.publish()
    state.folders.path("imported", "a").unlink()
    assert state.publish().removed == 1
    assert set(index(state)) == {"b"}
    assert public_files(state) == PAGES | {"reports/IT/b.gz"}


def test_a_report_that_changed_is_published_anew_also_under_another_country(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.publish()
    state.stage_report("a", {"input": "new"}, state="imported", probe_cc="FR")
    summary = state.publish()
    assert (summary.published, summary.removed) == (1, 1)
    assert public_files(state) == PAGES | {"reports/FR/a.gz"}


def test_a_file_nobody_published_is_left_alone_and_told(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.publish()
    foreign = state.folders.public / "reports" / "foreign.gz"
    foreign.write_bytes(b"x")
    assert state.publish().unknown == 1
    assert foreign.exists()
    assert "foreign.gz" not in index(state)


def test_a_report_whose_header_cannot_be_read_does_not_keep_the_others(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.stage_report("bad", state="imported")
    state.folders.path("imported", "bad").write_text("--- [1]\n")
    summary = state.publish()
    assert (summary.published, summary.errored) == (1, 1)
    assert state.open_counts() == []


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), b"\xff", {"a": 1}, "<script>alert(1)</script>", 2**70])
def test_odd_header_values_still_make_valid_indexes(state: MeasurementState, odd: object) -> None:
    state.stage_report("a", state="imported", software_name=odd, start_time=odd, probe_asn=odd)
    state.publish()
    rows = json.loads((state.folders.public / "index.json").read_text())
    assert yaml.safe_load((state.folders.public / "index.yaml").read_text()) == rows


def test_the_page_shows_text_of_strangers_as_text(state: MeasurementState) -> None:
    state.stage_report("<b>a", state="imported")
    state.publish(title="<i>Mirror & more")
    page = (state.folders.public / "index.html").read_text()
    assert "&lt;i&gt;Mirror &amp; more" in page
    assert "innerHTML" not in (state.folders.public / "browse.js").read_text()


def test_two_mirrors_of_the_same_reports_are_equal_byte_for_byte(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    state.publish()
    first = {name: (state.folders.public / name).read_bytes() for name in public_files(state)}
    shutil.rmtree(state.folders.public)
    state.publish()
    assert {name: (state.folders.public / name).read_bytes() for name in public_files(state)} == first


def test_a_note_torn_by_a_death_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "public_paths"
    PublicPaths(file).add("reports/IT/a.gz")
    with file.open("ab") as torn:
        torn.write(b"reports/IT")
    PublicPaths(file).add("reports/IT/b.gz")
    assert PublicPaths(file).noted() == ["reports/IT/a.gz", "reports/IT/b.gz"]


def test_a_file_that_became_a_link_meanwhile_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="link"):
        mirror.gzip_durably(tmp_path / "link", tmp_path / "public.gz")
    assert not (tmp_path / "public.gz").exists()


def test_a_copy_that_no_index_came_to_name_is_taken_away_with_its_report(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    assert run_until_killed(state.publish, "measurements.publish.copied")
    assert (state.folders.public / "reports/IT/a.gz").exists()
    state.folders.path("imported", "a").unlink()
    assert state.publish().removed == 1
    assert public_files(state) == PAGES
