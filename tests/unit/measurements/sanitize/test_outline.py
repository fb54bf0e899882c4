"""A document that is not parsed because of its outline is one that the parser would have taken, unchanged."""

import io
import ipaddress
import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.measurements.sanitize.bridge_map import parse_map
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.outline import Outlines, byte_strings, outline_of, scannable
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.rules import Rules
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.secret_scan import SecretScan
from include.measurements.sanitize.yaml_document import DocumentLimits, load
from tests.support.raw_batches import BRIDGE_MAP, FINGERPRINT

LIMITS = DocumentLimits()
SECRETS = Secrets([ipaddress.ip_address("1.2.3.4"), ipaddress.ip_address("2001:db8::7")], [FINGERPRINT])

# What may stand where a value stands: ordinary, and everything that is not what it looks like.
VALUES = [
    "x", "null", "true", "3", "-1.5", "0.8", "1.0e-05", "08", "0x_", "0b_", "0o7", "1_000", "1:30", "=", "<<",
    "<a b>", "~", ".inf", ".", "-", "- x", "? x", "a: b", "a:", "a:b", "a #b", "a#b", "#b", "&a x", "*a", "!t x",
    "!!str 1", "!!binary aGk=", "!!binary |\n{i}  aGk=", "!!binary |\n{i}  aGk",
    "!!binary |\n{i}  aGk=\n{i}    x: \"y", "!!binary |\n{i}  aGk=\n{i}  aGk=", "!!set {a, b}", "!!set {a: 1, a: 2}",
    "!!set {}", "|\n{i}  text", ">-\n{i}  x", "2014-08-07", "2014-99-99", "2001-02-30", "2014-08-07 16:10:50", "[]",
    "{}", "[a, b]", "[a b,\n{i}  c d]", "[a, [b]]", "[a,b]", "[a, 'b, c']", "[\"a\", b: c]", "[a, b", "{a: 1, b: x}",
    "{a: 1, a: 2}", "{a: \"x, a: y\"}", "{a: [1]}", "{a: 1,\n{i}  b: 2}", "{a:1}", "[a:b]", "[a: b]", "[x?, ?y]",
    "[#x]", "[2001-99-99]", "[0x_]", "[=]", "'it''s'", "'a\n{i}  b'", "'a\nb'", "'a\n\n{i}  b'", "'a", "\"a\"",
    "\"a\\n\\x1b\\u65E5\\U0001F600\"", "\"a\\\n{i}  b\"", "\"a\\q\"", "\"a\\ud800\"", "\"a\n{i}  b\"", "\"a",
    "\"a\" b", "\"a\": b", "a\n{i}  b", "a\n{i}  b: c", "a\tb", "a, \"b", "a \"b\n{i}  c: \"", "a [b", "\u00e9",
    "a\x01", "a\u2028b", "1.2.3.4", "1.2.3.4:80", "1.2.3.4.5", "http://x/?a=b#c", "a ", "\"1.2.3.4\"",
    "\"\\x31.2.3.4\"", "\"\\u0031.2.3.4\"", "\"1.2\\\n{i}  .3.4\"", "'1.2.3.4'", "http://1.2.3.4/x",
    "::ffff:1.2.3.4", "!!binary |\n{i}  MS4yLjMuNA==", "\"2001:db8:\\\n{i}  \\:7\"",
    "\"3F786850E387550FDAB836ED\\\n{i}  7E6DC881DE23001B\"",
    "'3F78 6850 E387 550F DAB8\n{i}  36ED 7E6D C881 DE23 001B'", "x%3F", "2001%3Adb8%3A%3A7", "9" * 5000, "a" * 2000,
]  # fmt: skip
KEYS = ["a", "b", "input", "no", "8.8.8.8", "2001-99-99", "x" * 300, "a b", "'q'", "é", "<<", "1"]
SHAPES = [
    "a: {0}\nb: {1}\n",
    "a:\n- {0}\n- {1}\n",
    "a:\n- x: {0}\n  y: {1}\n- x: z\n  y: z\n",
    "a:\n  b:\n  - - {0}\n    - [q]\n  - - {1}\n    - [q]\nc: z\n",
    "{{a: {0}, b: {1}}}\n",
    "a:\n- {{p: {0}, q: r}}\n- {{p: {1}, q: r}}\n",
    "a: {0}\n  - {1}\n",
    "a:\n  {0}\nb: {1}\n",
    "{0}: x\n{1}: y\n",
    "a: x\n{0}: {1}\n",
]


def document(shape: str, *values: str) -> bytes:
    body = shape.format(*values).replace("{i}", "      ")
    return b"---\n" + body.encode() + b"...\n"


def learned_from(*documents: bytes) -> Outlines:
    """As sanitize_report.py learns: from what was parsed, is a mapping and shows no secret."""
    outlines = Outlines()
    for content in documents:
        try:
            value = load(content, LIMITS)
        except Exception:
            continue
        if (outline := outline_of(content, LIMITS.nodes)) is not None and isinstance(value, dict):
            outlines.learn(outline)
    return outlines


def shape_of(value: object) -> object:
    if isinstance(value, dict):
        return [(key, shape_of(item)) for key, item in value.items()]
    return (
        [shape_of(item) for item in value]
        if isinstance(value, list) and value and not all(isinstance(item, str | int | float) for item in value)
        else None
    )


def check(content: bytes, outlines: Outlines) -> bool:
    """What the outline promises, where it is known; whether it was."""
    outline = outline_of(content, LIMITS.nodes)
    if outline is None or not outlines.knows(outline):
        return False
    bridges = parse_map(json.dumps(BRIDGE_MAP).encode())
    rules = Rules(ReportSecrets(bridges, SECRETS, "hold"))
    try:
        touched = any(map(rules.may_touch_bytes, byte_strings(content)))
        touched |= any(map(rules.may_touch, scannable(content)))
    except ValueError:
        return False
    value = load(content, LIMITS)
    assert isinstance(value, dict)
    if not touched:
        assert rules.entry("http_requests", value).value is value
    return True


@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_in_every_place_keeps_the_promise(shape: str) -> None:
    documents = [document(shape, one, other) for one in VALUES for other in ("x", one, '"q"')]
    outlines = learned_from(*documents)
    known = sum(check(content, outlines) for content in documents)
    assert known or shape.startswith(("a:\n  {0}", "a: {0}\n  -"))


@settings(max_examples=600, deadline=None)
@given(
    good=st.tuples(st.sampled_from(SHAPES), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    other=st.tuples(st.sampled_from(SHAPES), st.sampled_from(VALUES), st.sampled_from(VALUES)),
)
@example(("a: {0}\nb: {1}\n", "x", "x"), ("a: {0}\nb: {1}\n", "0x_", "x"))
def test_whatever_was_learned_the_promise_holds(good: tuple, other: tuple) -> None:
    check(document(*other), learned_from(document(*good)))


LINES = st.sampled_from(
    [
    "a: x", "b: x", "a:", "b:", "- x", "- a: x", "  a: x", "  b: x", "  - x", "- - x", "  - \"x", "    - x",
    "   a\": x", "  b: x\"", "a: \"x\"", "a: 'x", "  a: x'", "- {a: x}", "- {a: x, a: y}", "a: [x,", "  y]",
    "a: !!binary |", "  aGk=", "    aGk=", "  \"", "a: x \"y", "", "  a:", "  b:",
]
)  # fmt: skip


@settings(max_examples=3000, deadline=None)
@given(good=st.lists(LINES, max_size=8), other=st.lists(LINES, max_size=8))
def test_no_two_arrangements_of_lines_are_taken_for_one_another(good: list[str], other: list[str]) -> None:
    outlines = learned_from(*(b"---\n" + "\n".join(lines).encode() + b"\n...\n" for lines in (good, good + good)))
    check(b"---\n" + "\n".join(other).encode() + b"\n...\n", outlines)


@settings(max_examples=300, deadline=None)
@given(repeats=st.lists(st.sampled_from(["- x", "  b: x", "b:", "a:", "- b: x", "- - x", "  - x"]), max_size=9))
def test_lists_written_shorter_hide_no_second_key(repeats: list[str]) -> None:
    content = b"---\na:\n" + "\n".join(repeats).encode() + b"\n...\n"
    good = [b"---\na:\n" + "\n".join(repeats[:n]).encode() + b"\n...\n" for n in range(len(repeats))]
    check(content, learned_from(*good))


def test_a_key_given_again_is_not_taken_for_an_item_given_again() -> None:
    good = b"---\na:\n- x\nb:\n- x\n...\n"
    again = b"---\na:\n- x\nb:\n- x\nb:\n- x\n...\n"
    assert check(good, learned_from(good))
    assert not check(again, learned_from(good))


@settings(max_examples=500, deadline=None)
@given(
    text=st.text(alphabet="0123456789abcdefABCDEF.:%[]()-_$~+/ \n3A2E", max_size=120),
    secret=st.sampled_from(
        ["", "1.2.3.4", "1[.]2(.)3%2E4", "2001:db8::7", "2001%3Adb8%3a%3A7", FINGERPRINT, f"${FINGERPRINT.lower()}~n"]
        + [" ".join(FINGERPRINT[i : i + n] for i in range(0, 40, n)) for n in (2, 4)]
        + ["P3hoUOOHVQ/auDbtfm3Igd4jABs", "4.3.2.1.in-addr.arpa", "2002:102:304::", "0:0:0:0:0:ffff:102:304"]
    ),
    at=st.integers(0, 120),
)
def test_the_quick_scan_finds_whatever_the_exact_one_finds(text: str, secret: str, at: int) -> None:
    whole = text[:at] + secret + text[at:]
    if SECRETS.found_in(whole):
        assert SecretScan(SECRETS).finds(whole.encode())


def test_a_report_of_many_alike_is_parsed_a_few_times_only() -> None:
    entry = (
        'input: http://site{0}.example/\nrequests:\n- request: {{method: GET}}\n  response:\n    body: "<p>{0}</p>"\n'
    )
    header = "---\ntest_name: http_requests\n...\n"
    text = header + "".join(f"---\n{entry.format(n)}...\n" for n in range(200))
    parsed: list[int] = []
    bridges = parse_map(json.dumps(BRIDGE_MAP).encode())
    reading = Reading(10**6, LIMITS, on_parse=parsed.append)
    target = io.BytesIO()
    verdict = sanitize_report(
        io.BytesIO(text.encode()), target, "f", Rules(ReportSecrets(bridges, Secrets.of(bridges), "hold")),
        KnownTests({"http_requests": []}), reading,
    )  # fmt: skip
    assert (verdict.documents, verdict.bad) == (201, 0)
    assert parsed == [0, 1]
    assert text[len(header) :].encode() in target.getvalue()


def test_a_secret_in_one_of_many_alike_is_redacted() -> None:
    entries = [
        "a: x",
        'a: "x 1.2.\\\n    3.4"',
        "a: y",
        "a: !!binary |\n  MS4yLjMuNA==",
        'a: "\\x31.2.3.4"',
        "a: 1.2.3.4",
    ]
    text = "---\ntest_name: x\n...\n" + "".join(f"---\n{entry}\n...\n" for entry in entries)
    bridges = parse_map(json.dumps(BRIDGE_MAP).encode())
    target = io.BytesIO()
    rules = Rules(ReportSecrets(bridges, Secrets.of(bridges), "hold"))
    sanitize_report(io.BytesIO(text.encode()), target, "f", rules, KnownTests({"x": []}), Reading(10**6, LIMITS))
    values = [d["a"] for d in list(yaml.safe_load_all(target.getvalue()))[1:]]
    assert values == ["x", "x [REDACTED]", "y", b"[REDACTED]", "[REDACTED]", "[REDACTED]"]
