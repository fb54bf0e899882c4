from __future__ import annotations

import copy

import pytest

from include.measurements.load.import_rules import applied


def test_reports_of_2012_lose_their_inner_level() -> None:
    entry = {"input": "x", "report": {"requests": [], "test_name": "test_get"}, "test_started": 1}
    assert applied("http_host", entry) == {"input": "x", "requests": [], "test_name": "test_get", "test_started": 1}


@pytest.mark.parametrize("test", ["http_requests", "http_host", "http_invalid_request_line"])
def test_bodies_of_responses_are_left_out_of_http_tests(test: str) -> None:
    entry = {"requests": [{"request": {"body": "q"}, "response": {"body": "a", "code": 200}}, {"response": None}, None]}
    expected = [{"request": {"body": "q"}, "response": {"code": 200}}, {"response": None}, None]
    assert applied(test, entry)["requests"] == expected


def test_bodies_of_other_tests_stay() -> None:
    entry = {"requests": [{"response": {"body": "a"}}]}
    assert applied("web_connectivity", entry) == entry


def test_header_differences_become_a_list() -> None:
    assert applied("http_requests", {"headers_diff": {"b", "a"}})["headers_diff"] == ["a", "b"]
    assert applied("http_requests", {"headers_diff": ["b", "a"]})["headers_diff"] == ["b", "a"]
    assert "headers_diff" not in applied("http_requests", {})


@pytest.mark.parametrize("test", ["multi_protocol_traceroute", "parasitic_traceroute"])
def test_packets_of_traceroutes_are_left_out(test: str) -> None:
    entry = {"answered_packets": [[{"raw_packet": b"\0"}]], "sent_packets": [1], "hops": 3}
    assert applied(test, entry) == {"answered_packets": [], "sent_packets": [], "hops": 3}


def test_tampering_becomes_pairs() -> None:
    entry = {"tampering": {"8.8.8.8": True, "8.8.4.4": "reverse_match"}}
    assert applied("dns_consistency", entry)["tampering"] == [["8.8.8.8", True], ["8.8.4.4", "reverse_match"]]
    assert applied("dns_consistency", {"tampering": None})["tampering"] is None


def test_vendor_answers_become_a_list() -> None:
    entry = {"vendor_dns_tests": {"google_dns_cp": {"b", "a"}, "ms": 1}}
    assert applied("captive_portal", entry)["vendor_dns_tests"] == {"google_dns_cp": ["a", "b"], "ms": 1}


@pytest.mark.parametrize("test", ["http_requests", "dns_consistency", "captive_portal", "multi_protocol_traceroute"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [[]], {"response": 1}])
def test_fields_of_another_shape_than_a_rule_expects_do_no_harm(test: str, value: object) -> None:
    entry = dict.fromkeys(("report", "requests", "headers_diff", "tampering", "vendor_dns_tests"), value)
    before = copy.deepcopy(entry)
    applied(test, entry)
    assert entry == before
