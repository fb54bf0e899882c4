"""Every documented form of a secret, in every context, place and YAML style: none is published."""

from __future__ import annotations

import io
import ipaddress
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from include.measurements.sanitize.bridge_map import parse_map
from include.measurements.sanitize.forms import (
    CONTEXTS,
    ESCAPES,
    FINGERPRINT_FORMS,
    IPV4_FORMS,
    IPV6_FORMS,
    RAW_FORMS,
)
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.rules import Rules
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.secret_scan import SecretScan
from include.measurements.sanitize.verdict import Verdict
from include.measurements.sanitize.yaml_document import DocumentLimits

FINGERPRINT = "3F786850E387550FDAB836ED7E6DC881DE23001B"
IP, PORT = ipaddress.IPv4Address("1.2.3.4"), 8980
IP6, PORT6 = ipaddress.IPv6Address("2001:db8:77::a1f"), 443
BRIDGES = parse_map(
    json.dumps(
        {
            f"{IP}:{PORT}": {"fingerprint": FINGERPRINT},
            f"[{IP6}]:{PORT6}": {"fingerprint": "89E6C98D92887913CADF06B2ADB97F26CDE4849B"},
        }
    ).encode()
)
SECRETS = Secrets.of(BRIDGES)
SCAN = SecretScan(SECRETS)
TESTS = KnownTests({"http_requests": [], "tcp_connect": [], "bridge_reachability": []})
FORMS = {
    **{f"IPv4 {name}": form(IP, PORT) for name, form in IPV4_FORMS.items()},
    **{f"IPv6 {name}": form(IP6, PORT6) for name, form in IPV6_FORMS.items()},
    **{f"fingerprint {name}": form(FINGERPRINT) for name, form in FINGERPRINT_FORMS.items()},
}
STYLES: list[dict[str, Any]] = [
    {"default_flow_style": None},
    {"default_flow_style": None, "width": 30},
    {"default_flow_style": False, "allow_unicode": True, "width": 20},
    {"default_flow_style": True, "width": 1000},
    {"default_style": '"', "width": 40},
    {"default_style": '"', "allow_unicode": True},
    {"default_style": "'", "allow_unicode": True},
    {"default_style": "|", "allow_unicode": True, "default_flow_style": False},
]
BEYOND_ASCII = ("in full-width characters", "with invisible characters between")
OF_BYTES = [name for name in ESCAPES if "percent" in name or name.endswith(r"`\x2e`")]
README = Path(__file__).parents[4] / "include/measurements/sanitize/README.md"


def documents(text: str) -> list[dict[str, Any]]:
    """The text at every kind of place within an entry."""
    return [
        {"requests": [{"response": {"body": text}}]},
        {"a": {text: 1}},
        {"body": text.encode()},
        {"a": [["x", [text]], "y"]},
        {"tor_log": text, "input": "http://site.example/"},
        {"s": {text, "b"}},
    ]


def measurement_report(entries: list[dict[str, Any]], style: dict[str, Any], test: str = "http_requests") -> bytes:
    header = f"---\nprobe_asn: AS3\nprobe_cc: IT\nprobe_ip: 127.0.0.1\ntest_name: {test}\n...\n".encode()
    return header + b"".join(
        yaml.dump(
            entry, Dumper=yaml.SafeDumper, encoding="utf-8", explicit_start=True, explicit_end=True,
            **{"width": 80, **style},
        )
        for entry in entries
    )  # fmt: skip


def sanitized(content: bytes, *, fast: bool = True, policy: Any = "hold") -> tuple[Verdict, bytes]:
    target = io.BytesIO()
    rules = Rules(ReportSecrets(BRIDGES, SECRETS, policy))
    reading = Reading(10**7, DocumentLimits(), fast=fast)
    verdict = sanitize_report(io.BytesIO(content), target, "north/b1/x", rules, TESTS, reading)
    return verdict, target.getvalue()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")


def read_back(content: bytes) -> list[Any]:
    return list(yaml.load_all(content, Loader=yaml.CSafeLoader))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_found_in_every_context_by_both_scans(name: str) -> None:
    for context in CONTEXTS.values():
        text = context.format(FORMS[name])
        assert SECRETS.found_in(text), text
        assert SCAN.finds_in_text(text), text
        assert SCAN.finds_in_bytes(text.encode()), text
        redacted = SECRETS.redact(text)
        assert FORMS[name] not in redacted
        assert not SECRETS.found_in(redacted)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_found_however_it_is_escaped(name: str) -> None:
    for escape, context in zip(ESCAPES.values(), itertools.cycle(CONTEXTS.values())):
        text = context.format(escape(FORMS[name]))
        assert SECRETS.found_in(text), text
        assert SCAN.finds_in_text(text), text
        assert not SECRETS.found_in(SECRETS.redact(text))


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_a_form_is_found_though_its_escapes_are_escaped(number: int) -> None:
    form = list(FORMS.values())[number]
    pairs = [*itertools.permutations(ESCAPES.items(), 2)][number % 11 :: 11]
    for ((inner, once), (outer, again)), context in zip(pairs, itertools.cycle(CONTEXTS.values())):
        if inner in BEYOND_ASCII and outer in OF_BYTES:
            continue
        text = context.format(again(once(form)))
        assert SECRETS.found_in(text), (inner, outer)
        assert SCAN.finds_in_text(text), (inner, outer)
        assert not SECRETS.found_in(SECRETS.redact(text)), (inner, outer)


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_no_form_is_published_and_the_innocent_documents_beside_it_are(number: int) -> None:
    name = list(FORMS)[number]
    escapes = [lambda text: text, *ESCAPES.values()]
    for place in range(len(documents(""))):
        context = list(CONTEXTS.values())[(number * 5 + place) % len(CONTEXTS)]
        written = escapes[(number + place) % len(escapes)](FORMS[name])
        innocent, guilty = documents("innocent")[place], documents(context.format(written))[place]
        content = measurement_report([innocent, guilty, innocent], STYLES[(number + place) % len(STYLES)])
        verdict, output = sanitized(content)
        assert (verdict.encode(), output) == (sanitized(content, fast=False)[0].encode(), output)
        assert (verdict.outcome, verdict.documents, verdict.bad) == ("sanitized", 4, 0), verdict
        values = read_back(output)
        assert not any(written in text or SECRETS.found_in(text) for text in strings(values))
        assert values[1] == values[3] == innocent


def test_percent_escapes_of_characters_beyond_ascii_are_read_as_utf8() -> None:
    for form, escape in itertools.product(FORMS.values(), BEYOND_ASCII):
        text = quote(ESCAPES[escape](form))
        assert SECRETS.found_in(text), text
        assert SCAN.finds_in_text(text), text
    assert not SECRETS.found_in(quote("\u6b63\u5e381") + "." + quote("\u6b632.3.5"))


@pytest.mark.parametrize("text", ["2001:db8:77::0.0.10.31", "[2001:db8:77::0.0.10.31]:443", "2001:DB8:0077::0.0.10.31"])
def test_a_shortened_address_with_a_dotted_tail_is_found(text: str) -> None:
    for context in CONTEXTS.values():
        assert SCAN.finds_in_text(context.format(text)), context
        assert not SECRETS.found_in(SECRETS.redact(context.format(text)))


def test_a_form_of_which_each_character_is_escaped_twice_is_found_across_windows() -> None:
    form = ESCAPES["each character as `&#x2e;`"](ESCAPES["each character as `\\u002e`"](", ".join(FINGERPRINT)))
    for before in (65_000, 62_000, 60_000):
        text = "x " * (before // 2) + form
        assert SCAN.finds_in_text(text)
        assert not SECRETS.found_in(SECRETS.redact(text))


@pytest.mark.parametrize("name", RAW_FORMS)
def test_a_raw_form_is_not_published_in_a_byte_string(name: str) -> None:
    content = RAW_FORMS[name](IP, FINGERPRINT)
    assert SCAN.finds_in_bytes(content)
    verdict, output = sanitized(measurement_report([{"sent": b"x"}, {"sent": content}], STYLES[0]))
    assert verdict.outcome == "sanitized"
    redacted = read_back(output)[2]["sent"]
    assert IP.packed not in redacted
    assert bytes.fromhex(FINGERPRINT) not in redacted
    assert not SCAN.finds_in_bytes(redacted)


@pytest.mark.parametrize(
    "secret",
    ["1.2.3.4", FINGERPRINT, "2001:db8:77::a1f", "%31.2.3.4", "\uff11.2.3.4", "0x01020304", "1[dot]2[dot]3[dot]4"],
)
@settings(max_examples=40, deadline=None)
@given(
    before=st.text(alphabet="ab1 .%\\u\n\t\"'&;<\u00e9\u6b63\U0001f600\u200b", max_size=12),
    after=st.text(alphabet="xyz .%\\u\n\t\"'&;<\u00e9\u6b63\U0001f600", max_size=12),
    style=st.sampled_from(STYLES),
    width=st.integers(12, 60),
)
def test_the_fast_path_gives_the_verdict_and_the_bytes_of_the_parser(
    secret: str, before: str, after: str, style: dict[str, Any], width: int
) -> None:
    text = before + secret + after
    entries = [{"body": "<p>\u6b63\u5e38</p>"}, {"body": text}, {"body": "x"}]
    content = measurement_report(entries, style | {"width": width})
    fast, slow = sanitized(content), sanitized(content, fast=False)
    assert (fast[0].encode(), fast[1]) == (slow[0].encode(), slow[1])


@pytest.mark.parametrize(
    "text",
    [
        "version 11.2.3.45, 10.1.2.3 and 8.8.8.8", "2014-08-07 16:10:50", "00:11:22:33:44:55", "a::b c::d",
        "%E6%AD%A3%E5%B8%B8 \\u6b63 &amp; &#8217;", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "16909061",
        "<p>\u6b63\u5e38</p>", "tel 555-1234, $1.20.3.45", "bridge over troubled water", "1, 2, 3, 5",
        "0123456789abcdef0123456789abcdef", "a bridge of 3 arches at 8.8.8.8 degrees",
        "password=secret1234 in a form", "obfuscated",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ],
)  # fmt: skip
@pytest.mark.parametrize("style", STYLES, ids=str)
def test_an_innocent_document_keeps_its_bytes(text: str, style: dict[str, Any]) -> None:
    for document in documents(text):
        content = measurement_report([document], style)
        verdict, output = sanitized(content)
        assert (verdict.outcome, verdict.bad, dict(verdict.touched)) == ("sanitized", 0, {})
        assert output.endswith(content[content.index(b"...\n") + 4 :])


def test_the_readme_lists_every_form_and_no_other() -> None:
    text = README.read_text().partition("## Forms")[2].partition("\n## ")[0]
    listed = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    assert listed == [*IPV4_FORMS, *IPV6_FORMS, *FINGERPRINT_FORMS, *RAW_FORMS, *CONTEXTS, *ESCAPES]
