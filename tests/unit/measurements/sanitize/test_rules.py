"""The redaction table: what each field of each row becomes, and what holds a report."""

import json
from pathlib import Path

import pytest
import yaml

from include.measurements.sanitize.bridge_map import BridgeMap, hashed, parse_map
from include.measurements.sanitize.report_secrets import ReportSecrets, UnmappedBridge
from include.measurements.sanitize.rules import RULES_VERSION, Rules
from include.measurements.sanitize.secret_forms import REDACTED, Secrets
from include.measurements.sanitize.yaml_document import BadDocument

MAP = {
    "1.2.3.4:8980": {
        "fingerprint": "3F786850E387550FDAB836ED7E6DC881DE23001B",
        "distributor": "https",
        "transport": "obfs3",
    },
    "[2001:db8::7]:443": {
        "fingerprint": "89E6C98D92887913CADF06B2ADB97F26CDE4849B",
        "distributor": "email",
        "transport": "obfs4",
    },
    "2B66FD261EE5C6CFC8DE7FA466BAB600F9F58D69": {},
}
ROWS = list(yaml.safe_load_all((Path(__file__).parent / "table.yaml").read_text()))


def bridges() -> BridgeMap:
    return parse_map(json.dumps(MAP).encode())


def rules(policy: str = "hold") -> Rules:
    return Rules(ReportSecrets(bridges(), Secrets.of(bridges()), policy))


def apply(row: dict, one: Rules, document: dict):
    if row["test"] == "header":
        return one.header(document, "bridge_reachability", "north/b1/x.yaml")
    return one.entry(row["test"], document)


def test_the_hash_is_that_of_tors_directories() -> None:
    assert hashed("3F786850E387550FDAB836ED7E6DC881DE23001B") == "5f702e8a307c5030f5fd4d560a8a25126039cc24"


def test_the_table_has_twelve_rows() -> None:
    assert len(ROWS) == 12


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["row"])
def test_a_document_becomes_what_its_row_says(row: dict) -> None:
    value, touches = apply(row, rules(row.get("policy", "hold")), row["given"])
    assert value == row["becomes"]
    assert list(value) == list(row["becomes"])
    assert bool(touches) == (value != row["given"] and row["test"] != "header") or row["test"] == "header"


REHASHED = "an unmapped bridge with a fingerprint"


@pytest.mark.parametrize("row", [row for row in ROWS if row["row"] != REHASHED], ids=lambda row: row["row"])
def test_a_second_pass_changes_nothing(row: dict) -> None:
    one = rules(row.get("policy", "hold"))
    mark = {"rules": RULES_VERSION, "bad_documents": 0, "truncated": False}
    document = row["becomes"] | ({"sanitizer": mark} if row["test"] == "header" else {})
    value, touches = apply(row, one, document)
    assert (value, touches) == (row["becomes"], ())


def test_what_calls_itself_a_hash_and_is_of_no_mapped_bridge_is_hashed_again() -> None:
    [row] = [row for row in ROWS if row["row"] == REHASHED]
    value, _ = apply(row, rules("hash"), row["becomes"])
    assert value["input"] == value["bridge_hashed_fingerprint"] == hashed(row["becomes"]["input"])


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("policy") == "hash"], ids=lambda row: row["row"])
def test_an_unmapped_bridge_holds_the_report_unless_told_otherwise(row: dict) -> None:
    with pytest.raises(UnmappedBridge):
        apply(row, rules("hold"), row["given"])


@pytest.mark.parametrize(
    "entry",
    [
        {"bridge_address": "bridge.example:443"},
        {"bridge_address": None, "input": "obfs4 [2001:db8::8]:443"},
        {"input": "AF9F66B7B04F8FF6F32D455F05135250A16543C9"},
        {"input": "5.6.7.8:9", "report": {"bridge_address": "5.6.7.8:9"}},
        {"report": {"bridge_address": "5.6.7.8:9"}},
        # Says of itself that it was hashed, which a collector's report cannot have been.
        {"input": "60f9ae6a4c4f9c3e1c2c3ae7c8a3cfdd3a1eb5b4", "bridge_hashed_fingerprint": "60f9" + "a" * 36},
    ],
)
def test_whatever_may_be_an_unmapped_bridge_holds_a_report_of_bridges(entry: dict) -> None:
    with pytest.raises(UnmappedBridge):
        rules().entry("bridge_reachability", entry)


@pytest.mark.parametrize("test", ["tcp_connect", "http_requests"])
def test_a_bridge_line_anywhere_holds_a_report_of_any_test(test: str) -> None:
    text = "see obfs2 5.6.7.8:99 AF9F66B7B04F8FF6F32D455F05135250A16543C9, thanks"
    with pytest.raises(UnmappedBridge):
        rules().entry(test, {"requests": [{"body": text}]})
    value, _ = rules("hash").entry(test, {"requests": [{"body": text}]})
    assert value == {"requests": [{"body": f"see obfs2 {REDACTED} {REDACTED}, thanks"}]}


def test_an_unmapped_bridge_in_the_options_of_a_report_of_bridges_holds_it() -> None:
    header = {"test_name": "x", "options": {"subargs": ["-b", "5.6.7.8:99"]}}
    with pytest.raises(UnmappedBridge):
        rules().header(header, "bridge_reachability", "f")
    assert rules().header(header, "tcp_connect", "f").value["options"] == header["options"]


def test_the_probes_own_address_is_a_secret_of_the_whole_report() -> None:
    one = rules()
    one.header({"test_name": "x", "probe_ip": "10.20.30.40"}, "x", "f")
    assert one.entry("x", {"body": "you are 10.20.30.40"}).value == {"body": f"you are {REDACTED}"}
    assert rules().entry("x", {"body": "you are 10.20.30.40"}).value == {"body": "you are 10.20.30.40"}


def test_untouched_documents_are_the_same_object() -> None:
    shared = ["a", {"b": b"c"}]
    entry = {"x": shared, "y": shared, "n": float("nan"), "s": {"t"}}
    assert rules().entry("http_requests", entry).value is entry


def test_two_keys_that_would_become_one_are_refused() -> None:
    with pytest.raises(BadDocument, match="key_collision"):
        rules().entry("x", {"1.2.3.4": 1, "001.2.3.4": 2})


def test_touches_name_fields_without_their_contents() -> None:
    _, touches = rules().entry("x", {"a": [{"1.2.3.4": "at 1.2.3.4"}]})
    assert {touch.path for touch in touches} == {"a.0.(key 0)", f"a.0.{REDACTED}"}
