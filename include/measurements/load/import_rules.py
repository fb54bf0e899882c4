"""
What is changed in an entry on its way into the database, and only there: the published file keeps everything.

Rules of the pipeline of 2014 (the aggregator that this feature succeeds):

    all tests          what is under `report` (reports of 2012) moves to the top
    http*              bodies of responses are left out
    http_requests      headers_diff, a set, becomes a list
    *traceroute        packets are left out
    dns_consistency    tampering, a mapping with dots in its keys, becomes a list of pairs
    captive_portal     google_dns_cp, a set, becomes a list
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from include.measurements.load import bson_values

Entry = dict[Any, Any]


def applied(test_name: str, entry: Mapping[Any, Any]) -> Entry:
    """A new entry; what is shared with the old one is not changed. Fields of another shape than a rule's stay."""
    changed = _merged(entry)
    for fits, rule in _RULES:
        if fits(test_name):
            rule(changed)
    return changed


def _merged(entry: Mapping[Any, Any]) -> Entry:
    changed = dict(entry)
    if isinstance(nested := changed.get("report"), dict):
        del changed["report"]
        changed.update(nested)
    return changed


def _without_bodies(entry: Entry) -> None:
    requests = entry.get("requests")
    if isinstance(requests, list):
        entry["requests"] = [_without_body(request) for request in requests]


def _without_body(request: object) -> object:
    if not isinstance(request, dict) or not isinstance(response := request.get("response"), dict):
        return request
    return {**request, "response": {key: value for key, value in response.items() if key != "body"}}


def _header_differences_as_list(entry: Entry) -> None:
    if "headers_diff" in entry:
        entry["headers_diff"] = _as_list(entry["headers_diff"])


def _without_packets(entry: Entry) -> None:
    entry["answered_packets"] = []
    entry["sent_packets"] = []


def _tampering_as_pairs(entry: Entry) -> None:
    if isinstance(tampering := entry.get("tampering"), dict):
        entry["tampering"] = [[resolver, result] for resolver, result in tampering.items()]


def _vendor_answers_as_list(entry: Entry) -> None:
    if isinstance(tests := entry.get("vendor_dns_tests"), dict) and "google_dns_cp" in tests:
        entry["vendor_dns_tests"] = {**tests, "google_dns_cp": _as_list(tests["google_dns_cp"])}


def _as_list(value: object) -> object:
    return bson_values.value(value) if isinstance(value, set | frozenset) else value


_RULES: tuple[tuple[Callable[[str], bool], Callable[[Entry], None]], ...] = (
    (lambda name: name.startswith("http"), _without_bodies),
    (lambda name: name == "http_requests", _header_differences_as_list),
    (lambda name: name.endswith("traceroute"), _without_packets),
    (lambda name: name == "dns_consistency", _tampering_as_pairs),
    (lambda name: name == "captive_portal", _vendor_answers_as_list),
)
