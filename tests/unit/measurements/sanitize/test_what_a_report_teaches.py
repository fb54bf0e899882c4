"""Whatever stands beside a known half of a bridge is secret; what nobody knows or understands is held."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from include.measurements.sanitize.bridge_map import BridgeMapInvalid, parse_map
from tests.unit.measurements.sanitize.test_forms_matrix import FINGERPRINT, SECRETS, read_back, sanitized, strings

OTHER = "AF9F66B7B04F8FF6F32D455F05135250A16543C9"
CERTIFICATE = base64.b64encode(bytes.fromhex(FINGERPRINT) + bytes(range(32))).decode().rstrip("=")
PASSWORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def verdict_and_values(
    entries: list[dict[Any, Any]], test: str = "http_requests", policy: str = "hold", **header: Any
) -> tuple[Any, list[Any]]:
    """Of the report, which the fast path and the parser judge alike."""
    head = {"probe_asn": "AS3", "probe_cc": "IT", "probe_ip": "127.0.0.1", "test_name": test} | header
    content = b"".join(
        yaml.safe_dump(document, encoding="utf-8", explicit_start=True, explicit_end=True)
        for document in (head, *entries)
    )
    fast, slow = (sanitized(content, fast=fast, policy=policy) for fast in (True, False))
    assert (fast[0].encode(), fast[1]) == (slow[0].encode(), slow[1])
    return fast[0], read_back(fast[1]) if fast[0].outcome == "sanitized" else []


@pytest.mark.parametrize(
    ("entry", "learned"),
    [
        ({"bridge_address": "9.9.9.9:9", "input": f"obfs4 9.9.9.9:9 {FINGERPRINT}"}, "9.9.9.9"),
        ({"bridge_address": "1.2.3.4:8980", "input": f"obfs4 1.2.3.4:8980 {OTHER}"}, OTHER.lower()),
        ({"body": f"Bridge obfs4 1.2.3.4:8980 {OTHER}"}, OTHER),
        ({"body": f"Learned fingerprint {FINGERPRINT} for bridge 9.9.9.9:9"}, "9.9.9.9"),
        ({"body": f"Bridge scramblesuit 1.2.3.4:8980 password={PASSWORD}"}, PASSWORD),
        ({"body": f"obfs4 1.2.3.4:8980 {FINGERPRINT} cert={CERTIFICATE} iat-mode=0"}, CERTIFICATE),
    ],
)
@pytest.mark.parametrize("test", ["bridge_reachability", "http_requests"])
def test_what_stands_beside_a_known_half_is_secret_before_and_after_it(
    entry: dict[str, Any], learned: str, test: str
) -> None:
    if "bridge_address" in entry and test != "bridge_reachability":
        entry = {"body": entry["input"]}
    verdict, values = verdict_and_values([{"x": f"seen: {learned}"}, entry, {"y": [learned, "kept"]}], test)
    assert verdict.outcome == "sanitized"
    assert [text for text in strings(values) if learned.lower() in text.lower()] == []
    assert values[3]["y"][1] == "kept"


def test_arguments_that_identify_no_bridge_stay() -> None:
    _, values = verdict_and_values([{"body": f"obfs4 1.2.3.4:8980 {FINGERPRINT} cert={CERTIFICATE} iat-mode=0"}])
    assert values[1]["body"].endswith("iat-mode=0")
    assert CERTIFICATE[:20] not in values[1]["body"]


@pytest.mark.parametrize(
    ("test", "entry"),
    [
        ("bridge_reachability", {"tor_log": f"Learned fingerprint {OTHER} for bridge 5.6.7.8:99 (with x)."}),
        ("bridge_reachability", {"obfsproxy_log": "connecting to 5.6.7.8:99"}),
        ("http_requests", {"body": f"Learned fingerprint {OTHER} for bridge 5.6.7.8:99 (with x)."}),
        ("http_requests", {"log": "Bridge 'Zed' has both an IPv4 and an IPv6 address ([2001:db8:99::9]:443)"}),
        ("http_requests", {"body": f"obfs3%205.6.7.8:99%20{OTHER}"}),
        ("tcp_connect", {"input": "Bridge obfs3 5.6.7.8:99"}),
        ("bridge_reachability", {"input": OTHER, "bridge_hashed_fingerprint": OTHER, "bridge_address": None}),
    ],
)
def test_an_unmapped_bridge_holds_the_report_wherever_it_is_spoken_of(test: str, entry: dict[str, Any]) -> None:
    verdict, _ = verdict_and_values([{"x": "y"}, entry], test)
    assert (verdict.outcome, verdict.reason) == ("quarantined", "unmapped_bridge")


def test_a_bridge_that_a_later_document_shows_to_be_mapped_does_not_hold_the_report() -> None:
    verdict, values = verdict_and_values([{"log": "Bridge at 9.9.9.9:9"}, {"body": f"9.9.9.9:9 {FINGERPRINT}"}])
    assert verdict.outcome == "sanitized"
    assert not any("9.9.9.9" in text for text in strings(values))


def test_under_the_policy_hash_what_a_later_document_teaches_is_gone_from_the_first() -> None:
    entries = [{"tor_log": "peer 5.6.7.8"}, {"bridge_address": "5.6.7.8:9", "input": f"5.6.7.8:9 {OTHER}"}]
    verdict, values = verdict_and_values(entries, "bridge_reachability", "hash")
    assert verdict.outcome == "sanitized"
    assert not any("5.6.7.8" in text or OTHER in text for text in strings(values))


@pytest.mark.parametrize(
    "header",
    [
        {"probe_ip ": "10.20.30.40"},
        {"Probe-IP": "10.20.30.40"},
        {"probeIP": "10.20.30.40"},
        {"probe_ip": ["10.20.30.40"]},
        {"probe_ip": "x"},
    ],
)
def test_a_probe_ip_that_is_not_understood_holds_the_report(header: dict[str, Any]) -> None:
    verdict, _ = verdict_and_values([{"body": "I am 10.20.30.40"}], **header)
    assert (verdict.outcome, verdict.reason) == ("quarantined", "not_understood")


def test_a_second_header_is_treated_as_one() -> None:
    second = {"test_name": "tcp_connect", "probe_ip": "10.20.30.40", "probe_cc": "IT", "probe_asn": "AS1"}
    verdict, values = verdict_and_values([{"body": "I am 10.20.30.40"}, second, {"input": "1.2.3.4:8980"}])
    assert verdict.outcome == "sanitized"
    assert values[2]["probe_ip"] == "127.0.0.1"
    assert "10.20.30.40" not in values[1]["body"]
    assert "bridge_hashed_fingerprint" in values[3]


@pytest.mark.parametrize("bad", [int("1" * 91), -1, "7", None, True])
def test_a_mark_that_the_report_brings_itself_is_not_believed(bad: object) -> None:
    mark = {"rules": 1, "bad_documents": bad, "truncated": False}
    _, values = verdict_and_values([{"a": 1}, {"b": 2}], sanitizer=mark)
    assert values[0]["sanitizer"]["bad_documents"] == 0
    assert values[1:] == [{"a": 1}, {"b": 2}]


def test_a_key_given_twice_makes_the_bridge_map_useless() -> None:
    entry = f'"1.2.3.4:8980": {{"fingerprint": "{FINGERPRINT}"}}'
    with pytest.raises(BridgeMapInvalid, match="twice"):
        parse_map(f"{{{entry}, {entry.replace(FINGERPRINT, OTHER)}}}".encode())


@pytest.mark.parametrize(
    ("test", "entry"),
    [
        ("http_requests", {"tor_log": "[notice] Bootstrapped 100%: Done. Opening Socks listener on 127.0.0.1:9050"}),
        ("http_requests", {"body": "node 8.8.8.8:53 is a network bridge between two"}),
        ("http_requests", {"body": "a bridge with cert=x and password=y, sha1 " + "0" * 20}),
        ("tcp_connect", {"input": "8.8.8.8:53"}),
        ("bridge_reachability", {"tor_log": "listening on 127.0.0.1:9050", "input": None}),
    ],
)
def test_what_speaks_of_no_bridge_is_published_as_it_is(test: str, entry: dict[str, Any]) -> None:
    verdict, values = verdict_and_values([entry], test)
    assert verdict.outcome == "sanitized"
    assert values[1] == entry
    assert not SECRETS.found_in(str(values))
