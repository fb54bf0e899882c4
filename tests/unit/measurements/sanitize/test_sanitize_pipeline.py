"""A run over batches: every report in one state, originals kept, secrets gone, counts reported."""

import gzip
import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from include.measurements.errors import MeasurementReportsStuck
from include.measurements.sanitize import pipeline
from include.measurements.sanitize.errors import BridgeMapRefused
from include.measurements.sanitize.explain import explain
from include.measurements.sanitize.redrive import find, redrive
from include.measurements.sanitize.rules import RULES_VERSION
from include.measurements.state_folders import AnotherRun, StateFolders
from spool.errors import SettingsError
from tests.support.file_systems import folder_on_another_file_system
from tests.support.raw_batches import HASHED, RawBatches, report

MAPPED = "{connection: success, input: '1.2.3.4:8980'}"
PLAIN = "{connection: success,   input: 'example.org:80'}   # as it came"


@pytest.fixture
def raw(tmp_path: Path) -> RawBatches:
    return RawBatches(tmp_path / "state")


def documents(content: bytes) -> list:
    return list(yaml.load_all(content, Loader=yaml.CSafeLoader))


def test_a_report_is_redacted_staged_archived_told_and_counted(raw: RawBatches) -> None:
    original = report(MAPPED, PLAIN)
    raw.drop("north/b1", {"sub/x.yaml": original})
    summary = raw.run()
    assert (summary.sanitized, summary.quarantined, summary.errored) == (1, 0, 0)
    assert raw.places() == {"north/b1/sub/x.yaml": ["staging"]}
    header, mapped, _ = documents(raw.staged("north/b1/sub/x.yaml"))
    assert header["report_file"] == "north/b1/sub/x.yaml"
    assert header["sanitizer"] == {"rules": RULES_VERSION, "bad_documents": 0, "truncated": False}
    assert mapped == {"connection": "success", "input": HASHED, "bridge_hashed_fingerprint": HASHED}
    archived = raw.state / "archive/north/b1/sub/x.yaml.gz"
    assert gzip.decompress(archived.read_bytes()) == original
    assert stat.S_IMODE(archived.stat().st_mode) == 0o600
    assert raw.events == [("measurement_report.sanitized", "north/b1/sub/x.yaml")]
    assert (raw.counts().count_in, raw.counts().count_out, raw.counts().difference) == (1, 1, 0)
    assert raw.leaked("staging", "sanitizing") == []


def test_an_untouched_document_keeps_its_bytes(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(MAPPED, PLAIN, 'a: |\n  text   \n\nb: "\\x41"')})
    raw.run()
    assert f'---\n{PLAIN}\n...\n---\na: |\n  text   \n\nb: "\\x41"\n...\n'.encode() in raw.staged("north/b1/x")


def test_nothing_remains_of_a_finished_batch_in_raw(raw: RawBatches) -> None:
    raw.drop("north/b1", {"deep/er/x": report(PLAIN), "y": b""})
    raw.run()
    assert sorted(p.name for p in (raw.state / "raw").rglob("*")) == ["north"]
    assert list((raw.state / "sanitizing").rglob("*")) == []


def test_sanitizing_what_was_sanitized_changes_nothing(raw: RawBatches) -> None:
    entry = "{bridge_address: '1.2.3.4:8980', input: 'obfs3 1.2.3.4:8980', s: !!set {b, a, c}, tor_log: null}"
    raw.drop("north/b1", {"x": report(entry, "{a:   1}", "a: [", test="bridgereachability")})
    raw.run()
    once = raw.staged("north/b1/x")
    again = RawBatches(raw.state.parent / "again")
    again.drop("other/name", {"y": once})
    again.run()
    assert again.staged("other/name/y") == once


def test_the_same_input_gives_the_same_bytes(raw: RawBatches, tmp_path: Path) -> None:
    other = RawBatches(tmp_path / "other")
    for one in (raw, other):
        one.drop("north/b1", {"x": report("{input: '1.2.3.4:8980', s: !!set {b, a, c, d, e, f}}")})
        one.run()
    assert raw.staged("north/b1/x") == other.staged("north/b1/x")


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b"", "errored/empty", "empty"),
        (report(), "errored/empty", "empty"),
        (report("null", "null"), "errored/empty", "empty"),
        (b"a: 1\n...\n", "errored/failed", "failed"),
        (b"---\na: 1\n...\n", "errored/failed", "failed"),
        (b"---\n[1]\n...\n", "errored/failed", "failed"),
        (b"---\na: [\n...\n" + report(PLAIN), "errored/failed", "failed"),
        (report(PLAIN, test="no_such_test"), "quarantine/unknown_test", "unknown_test"),
        (report(PLAIN, test="test_get"), "quarantine/unknown_test", "unknown_test"),
        (report("{input: '5.6.7.8:9'}", test="bridge_reachability"), "quarantine/unmapped_bridge", "unmapped_bridge"),
        (report("a: [", "a: {"), "quarantine/bad_documents", "bad_documents"),
        (b"---\ntest_name: tcp_connect\ntest_name: x\n...\n", "quarantine/hostile", "hostile"),
        (b"---\na: " + b"[" * 5000 + b"\n...\n" + report(PLAIN), "quarantine/hostile", "hostile"),
    ],
)
def test_a_report_that_cannot_go_on_lies_whole_under_its_reason(
    raw: RawBatches, content: bytes, place: str, reason: str
) -> None:
    raw.drop("north/b1", {"x": content})
    raw.run()
    assert raw.places() == {"north/b1/x": [place]}
    held = raw.state / place / "north/b1/x"
    assert held.read_bytes() == content
    told = raw.folders.reasons.read(held)
    assert (told["reason"], told["from"]) == (reason, "raw")
    assert raw.settled[0].reason == reason
    assert raw.counts().difference == 0
    assert list((raw.state / "archive").rglob("*.gz")) == []


def test_one_bad_document_costs_one_document_and_is_told_with_its_place(raw: RawBatches) -> None:
    content = report(PLAIN, "a: 1\na: 2", MAPPED)
    raw.drop("north/b1", {"x": content})
    raw.run()
    assert (raw.settled[0].documents, raw.settled[0].bad) == (3, 1)
    [bad] = json.loads((raw.state / "bad_documents/north/b1/x.json").read_text())["documents"]
    assert content[bad["offset"] : bad["offset"] + bad["size"]] == b"---\na: 1\na: 2\n...\n"
    assert bad["error"] == "duplicate_key"
    assert documents(raw.staged("north/b1/x"))[0]["sanitizer"]["bad_documents"] == 1


def test_a_truncated_report_says_so_and_its_torn_line_is_not_taken(raw: RawBatches) -> None:
    raw.drop("north/b1", {"torn": report(PLAIN) + b"---\ninput: 1.2.3", "whole": report(PLAIN)[:-4]})
    raw.run()
    torn, whole = raw.settled
    assert (torn.truncated, torn.documents, torn.bad) == (True, 2, 1)
    assert (whole.truncated, whole.documents, whole.bad) == (True, 2, 0)
    assert documents(raw.staged("north/b1/torn"))[0]["sanitizer"]["truncated"] is True


def test_an_oversized_document_is_left_out(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN, "a: " + "x" * 3000, MAPPED)})
    raw.run(document_bytes_max=1024)
    assert (raw.settled[0].documents, raw.settled[0].bad) == (3, 1)


@pytest.mark.parametrize("policy", ["hold", "hash"])
def test_unmapped_bridges_follow_the_policy(raw: RawBatches, policy: str) -> None:
    raw.drop("north/b1", {"x": report("{input: '5.6.7.8:9', n: 5.6.7.8}", test="bridge_reachability")})
    raw.run(unmapped_bridges=policy)
    if policy == "hold":
        assert raw.places() == {"north/b1/x": ["quarantine/unmapped_bridge"]}
    else:
        assert b"5.6.7.8" not in raw.staged("north/b1/x")


def test_a_secret_in_a_name_is_held_and_told_without_it(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x-1.2.3.4.yaml": report(PLAIN)})
    raw.run()
    assert raw.settled[0].reason == "secret_in_name"
    assert "1.2.3.4" not in f"{raw.settled}{raw.events}"


def test_a_comment_inside_a_document_does_not_carry_a_secret_out(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report("a: 1  # seen at 1.2.3.4")})
    raw.run()
    assert documents(raw.staged("north/b1/x"))[1] == {"a": 1}
    assert raw.leaked("staging") == []


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "{", '{"1.2.3.4:1": {}}', '{"x": {"fingerprint": "00"}}'])
def test_without_a_good_bridge_map_nothing_moves(raw: RawBatches, text: str | None) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.bridges.unlink()
    if text is not None:
        raw.bridges.write_text(text)
    with pytest.raises(BridgeMapRefused):
        raw.run()
    assert raw.places() == {"north/b1/x": ["raw"]}
    assert raw.events == []


def test_an_old_bridge_map_stops_everything(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    os.utime(raw.bridges, (1_000_000_000, 1_000_000_000))
    with pytest.raises(BridgeMapRefused, match="days old"):
        raw.run()
    assert raw.places() == {"north/b1/x": ["raw"]}


def test_a_batch_that_differs_from_its_manifest_is_left_alone_and_told(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.drop("north/b2", {"y": report(PLAIN)})
    (raw.state / "raw/north/b1/x").write_bytes(b"changed")
    assert raw.run().refused == ["north/b1"]
    assert raw.places() == {"north/b1/x": ["raw"], "north/b2/y": ["staging"]}
    assert ("batch.refused", "north/b1") in raw.events


@pytest.mark.parametrize("manifest", ["rubbish", "0" * 64 + "  ../../x\n", None])
def test_a_batch_without_a_good_manifest_is_not_taken(raw: RawBatches, manifest: str | None) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    place = raw.state / "raw/north/b1.manifest"
    place.unlink()
    if manifest is not None:
        place.write_text(manifest)
    raw.run()
    assert raw.places() == {"north/b1/x": ["raw"]}


def test_two_collectors_may_have_reports_of_one_name(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.drop("south/b1", {"x": report(MAPPED)})
    raw.run()
    assert raw.places() == {"north/b1/x": ["staging"], "south/b1/x": ["staging"]}


def test_an_archived_original_is_never_overwritten(raw: RawBatches) -> None:
    for content in (report(PLAIN), report(MAPPED), report(PLAIN)):
        raw.drop("north/b1", {"x": content})
        raw.run()
        (raw.state / "staging/north/b1/x").unlink()
    kept = sorted((raw.state / "archive/north/b1").iterdir())
    assert [gzip.decompress(p.read_bytes()) for p in kept] == [report(MAPPED), report(PLAIN)]


def test_a_report_whose_name_is_taken_in_a_later_state_is_held(raw: RawBatches) -> None:
    (raw.state / "imported/north/b1").mkdir(parents=True)
    (raw.state / "imported/north/b1/x").write_bytes(b"earlier")
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.run()
    assert raw.settled[0].reason == "collision"
    assert (raw.state / "imported/north/b1/x").read_bytes() == b"earlier"
    assert (raw.state / "errored/collision/north/b1/x").read_bytes() == report(PLAIN)


def test_a_run_ends_at_its_limit_and_the_next_one_goes_on(raw: RawBatches) -> None:
    raw.drop("north/b1", {f"x{n}": report(PLAIN) for n in range(5)})
    summary = raw.run(lambda job: pipeline.Job(**(vars(job) | {"limit": pipeline.Limit(reports=2)})))
    assert (summary.sanitized, summary.left) == (2, True)
    assert raw.counts().difference == 3
    assert raw.run().sanitized == 3
    assert raw.counts().difference == 0
    assert len(raw.events) == 5


def test_two_runs_at_once_are_one(raw: RawBatches) -> None:
    with raw.folders.alone("sanitize"), pytest.raises(AnotherRun):
        raw.run()


def test_states_on_another_file_system_are_refused(raw: RawBatches, tmp_path: Path) -> None:
    with folder_on_another_file_system(tmp_path) as elsewhere:
        (raw.state / "staging").rmdir()
        (raw.state / "staging").symlink_to(elsewhere)
        with pytest.raises(SettingsError, match="file system"):
            StateFolders(raw.state)


def test_explain_names_rules_and_fields_and_why_documents_were_left_out(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(MAPPED, "a: [", "b: at 1.2.3.4", test="TCP Connect")})
    raw.run()
    explanation = explain("north/b1/x", raw.folders, raw.bridges, _settings())
    text = "\n".join(explanation.lines())
    assert "document 0: test_name: test_name" in text
    assert "document 1: input: mapped_bridge" in text
    assert "document 3: b: secret" in text
    assert ": syntax" in text
    assert "1.2.3.4" not in text
    assert raw.places() == {"north/b1/x": ["staging"]}


def test_explain_names_the_field_that_held_a_report(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report("{a: 1}", "{input: '5.6.7.8:9'}", test="bridge_reachability")})
    raw.run()
    text = "\n".join(explain("north/b1/x", raw.folders, raw.bridges, _settings()).lines())
    assert "unmapped_bridge" in text
    assert "held for document 2: input" in text
    assert "5.6.7.8" not in text


def test_redrive_sends_reports_back_and_the_next_run_takes_them(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report("{input: '5.6.7.8:9'}", test="bridge_reachability"), "y": b""})
    raw.run()
    held = find(raw.folders, "unmapped_bridge")
    assert [one.report for one in held] == ["north/b1/x"]
    assert redrive(raw.folders, held, lambda *event: None) == 1
    assert raw.run(unmapped_bridges="hash").sanitized == 1
    assert sorted(state for states in raw.places().values() for state in states) == ["errored/empty", "staging"]
    assert list((raw.state / "quarantine").rglob("*")) == []


def test_what_is_redriven_one_after_the_other_in_one_second_is_all_taken(raw: RawBatches) -> None:
    bad = b"not a report"
    raw.drop("north/b1", {"x": bad, "y": b"", "z": report(PLAIN, test="unheard_of")})
    raw.run()
    for reason in ("failed", "empty", "unknown_test"):
        assert redrive(raw.folders, find(raw.folders, reason), lambda *event: None) == 1
    summary = raw.run()
    assert (summary.refused, summary.errored, summary.quarantined) == ([], 2, 1)
    assert [len(places) for places in raw.places().values()] == [1, 1, 1]


def test_one_that_cannot_go_back_stays_held_and_the_others_go(raw: RawBatches) -> None:
    for name in ("x", "y", "z"):
        raw.drop(f"north/{name}", {"r": report(PLAIN)})
    raw.run()
    for name in ("x", "y", "z"):
        staged = raw.folders.path("staging", f"north/{name}/r")
        raw.folders.hold(staged, "errored", f"north/{name}/r", {"reason": "too_deep", "from": "staging"})
    raw.folders.path("staging", "north/y/r").write_bytes(b"another")
    with pytest.raises(MeasurementReportsStuck, match="1 stay held"):
        redrive(raw.folders, find(raw.folders, "too_deep"), lambda *event: None)
    assert raw.places() == {
        "north/x/r": ["staging"], "north/y/r": ["staging", "errored/too_deep"], "north/z/r": ["staging"],
    }  # fmt: skip


def test_redrive_sends_what_a_later_stage_refused_back_to_where_it_was(raw: RawBatches) -> None:
    source = raw.state / "staging/north/b1/x"
    source.parent.mkdir(parents=True)
    source.write_bytes(report(PLAIN))
    raw.folders.hold(source, "errored", "north/b1/x", {"reason": "no_header", "from": "staging"})
    redrive(raw.folders, find(raw.folders, "north/b1/x"), lambda *event: None)
    assert raw.places() == {"north/b1/x": ["staging"]}


def _settings():
    from include.measurements.sanitize import config

    return config.load()
