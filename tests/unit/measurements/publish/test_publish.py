"""The mirror shows sanitized, imported reports and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

from include.measurements import measurement_report
from include.measurements.errors import MeasurementReportsStuck
from include.measurements.publish import mirror
from include.measurements.publish.gzip_copy import gzip_durably
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
        gzip_durably(tmp_path / "link", tmp_path / "public.gz")
    assert not (tmp_path / "public.gz").exists()


def test_a_copy_that_no_index_came_to_name_is_taken_away_with_its_report(state: MeasurementState) -> None:
    state.stage_report("a", state="imported")
    assert run_until_killed(state.publish, "measurements.publish.copied")
    assert (state.folders.public / "reports/IT/a.gz").exists()
    state.folders.path("imported", "a").unlink()
    assert state.publish().removed == 1
    assert public_files(state) == PAGES


DEEP: list[object] = []
DEEP.append(DEEP)


@pytest.mark.parametrize(
    "odd",
    [
        10**5000,
        -(10**5000),
        1.0e20,
        "x" * 1_000_000,
        ["x" * 5000] * 5000,
        [[[1]]],
        DEEP,
        {"a": 10**5000},
        "\ud800",
        {1},
    ],
    ids=["huge", "-huge", "1e20", "long", "long list", "nested", "in itself", "huge inside", "half pair", "set"],
)
def test_a_header_of_any_values_makes_a_row_of_bounded_size_and_costs_no_other(
    state: MeasurementState, odd: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.stage_report("good", state="imported")
    state.stage_report("odd", state="imported")
    header = measurement_report.header
    monkeypatch.setattr(
        measurement_report,
        "header",
        lambda path: {**header(path), **({"software_name": odd, "start_time": odd} if path.name == "odd" else {})},
    )
    assert state.publish().published == 2
    assert set(index(state)) == {"good", "odd"}
    assert yaml.safe_load((state.folders.public / "index.yaml").read_text()) == list(index(state).values())
    assert (state.folders.public / "index.json").stat().st_size < 2_500_000


@pytest.mark.parametrize("bad", ["a", "b", "c"])
@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "denied"),
        OSError(36, "File name too long"),
        OverflowError(),
        RecursionError(),
        KeyError("x"),
    ],
)
def test_a_report_that_fails_in_any_way_keeps_no_other_from_the_mirror_and_is_not_counted_again(
    state: MeasurementState, bad: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        state.stage_report(name, state="imported")
    header = measurement_report.header

    def failing(path: Path) -> object:
        if path.name == bad:
            raise error
        return header(path)

    monkeypatch.setattr(measurement_report, "header", failing)
    assert [state.publish().errored for _ in range(2)] == [1, 0]
    assert set(index(state)) == {"a", "b", "c"} - {bad}
    assert state.open_counts() == []
    [count] = state.ledger.counts()
    assert (count.count_in, count.count_out, count.errored) == (3, 2, 1)


@pytest.mark.parametrize("number", [5, 12, 24, 28])
def test_a_fault_of_the_machine_ends_the_publishing_and_judges_nobody(
    state: MeasurementState, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.stage_report("a", state="imported")

    def failing(path: Path) -> object:
        raise OSError(number, "the machine")

    monkeypatch.setattr(measurement_report, "header", failing)
    with pytest.raises(OSError, match="the machine"):
        state.publish()
    monkeypatch.undo()
    assert state.publish().published == 1
    assert state.open_counts() == []


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "[" * 100_000])
def test_a_damaged_note_of_what_is_published_is_made_again(state: MeasurementState, content: str) -> None:
    state.stage_report("a", state="imported")
    state.publish()
    (state.folders.exports / mirror.PUBLISHED).write_text(content)
    assert state.publish().published == 1
    assert set(index(state)) == {"a"}


def test_a_report_with_the_longest_name_that_there_is_is_published(state: MeasurementState) -> None:
    for length in (248, 251, 252, 255):
        state.stage_report("n" * length, state="imported")
    summary = state.publish()
    assert (summary.published, summary.errored) == (4, 0)
    assert {str(row["path"]) for row in index(state).values()} == public_files(state) - PAGES
    assert state.publish().unchanged == 4


def test_a_copy_that_cannot_be_removed_is_named_and_the_others_are_gone(state: MeasurementState) -> None:
    for name in ("a", "b", "c"):
        state.stage_report(name, state="imported")
    state.publish()
    for name in ("a", "b", "c"):
        state.folders.path("imported", name).unlink()
    stuck = state.folders.public / "reports/IT/b.gz"
    stuck.unlink()
    stuck.mkdir()  # neither root nor anybody else can unlink a folder
    with pytest.raises(MeasurementReportsStuck, match=r"reports/IT/b\.gz"):
        state.publish()
    assert public_files(state) == PAGES
    stuck.rmdir()
    assert state.publish().removed == 1
