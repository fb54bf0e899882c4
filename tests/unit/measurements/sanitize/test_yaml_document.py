"""Documents give CSafeLoader's values or are refused: nothing in between, and nothing runs."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from include.measurements.sanitize.yaml_document import BadDocument, DocumentLimits, load
from include.measurements.sanitize.yaml_output import dump, equal

LIMITS = DocumentLimits(depth=20, nodes=5000)

# What YAML 1.2 reads otherwise than the 1.1 of these reports and of PyYAML: the values of 1.1 are the right ones.
ELEVEN = {
    "no": False,
    "Off": False,
    "YES": True,
    "012": 10,
    "0o12": "0o12",
    "0b11": 3,
    "1_000": 1000,
    "1:30": 90,
    "1:30.5": 90.5,
    "190:20:30": 685230,
    "1e3": "1e3",
    "1.0e+3": 1000.0,
    "~": None,
    "": None,
    "NULL": None,
    "y": "y",
    "-.inf": -math.inf,
    "0x1F": 31,
}


@pytest.mark.parametrize("text", ELEVEN)
def test_scalars_mean_what_they_mean_in_yaml_1_1(text: str) -> None:
    assert equal(load(f"---\na: {text}\n...\n".encode(), LIMITS), {"a": ELEVEN[text]})


@pytest.mark.parametrize(
    "text",
    [
        "a: 2014-08-07",
        "a: 2014-08-07 16:10:50.5 +02:00",
        "a: !!binary aGVsbG8=",
        "a: !!set {x, y}",
        "a: &id001 [1, 2]\nb: *id001",
        "base: &b {x: 1}\nc: {<<: *b, y: 2}",
        "base: &b {x: 1}\nc: {<<: [*b, {z: 3}], x: 2}",
        "a: !!omap [x: 1, y: 2]",
        "a: .nan",
        "? complex\n: x",
        "a: |\n  text\n  more\nb: >-\n  folded\n  text",
        'a: "\\x41\\u00e9\\U0001F600\\\n  joined"',
        "3: a\n2.5: b\ntrue: c\nnull: d",
        "",
        "a: !!str 012",
        "a: {}",
        "[]",
    ],
)
def test_values_are_those_of_csafeloader(text: str) -> None:
    content = f"---\n{text}\n...\n".encode()
    assert equal(load(content, LIMITS), yaml.load(content, Loader=yaml.CSafeLoader))


BOMBS = {
    "alias_bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "merge_bomb": "a: &a {"
    + ", ".join(f"k{n}: 1" for n in range(9))
    + "}\n"
    + "".join(f"{c}: &{c}\n  <<: [{', '.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
}
REFUSED = {
    "alias_bomb": BOMBS["alias_bomb"],
    "depth": "a: " + "[" * 30 + "]" * 30,
    "syntax": "a: [1, 2",
    "nodes": "a: [" + "0," * 6000 + "]",
    "duplicate_key": "a: 1\nb: 2\na: 3",
    "tag": "a: !!python/object/apply:os.system ['touch /tmp/PWNED']",
    "unhashable_key": "? [8.8.8.8, 53]\n: x",
    "value": "a: 2001-99-99",
    "alias_cycle": "a: &a [*a]",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_document_is_refused_for_its_reason(reason: str) -> None:
    with pytest.raises(BadDocument) as refused:
        load(f"---\n{REFUSED[reason]}\n...\n".encode(), LIMITS)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (BOMBS["merge_bomb"], ("merge_bomb", "alias_bomb")),
        ("[" * 100_000, ("depth",)),
        ("{a: " * 100_000, ("depth",)),
        ("- " * 100_000 + "x", ("depth",)),
        ("? " * 5_000 + "x", ("depth",)),
        ("".join(" " * n + "a:\n" for n in range(60)), ("depth",)),
        ("".join(" " * n + "a:\n" for n in range(2000)), ("depth",)),
        ("a: &x {b: 1, b: 2}\nc: *x", ("duplicate_key",)),
        ("c: {<<: {x: 1, y: 2}, b: 1, b: 2}", ("duplicate_key",)),
        ("a: !!set {x, x}", ("duplicate_key",)),
        ("1: a\n1.0: b", ("duplicate_key",)),
        ("a: *nowhere", ("syntax",)),
        ("a: &a\n  b: *a", ("alias_cycle",)),
        ("a: 0x_", ("value",)),
        ("a: " + "9" * 5000, ("value",)),
        ("a: =", ("tag", "value")),
        ("a: !!binary 'é'", ("value",)),
        ("a: \x01", ("syntax",)),
        ("a: 1\n---\nb: 2", ("syntax",)),
        ("a: !unknown x", ("tag",)),
        ("<<: 1", ("value",)),
    ],
)
def test_hostile_documents_are_refused_at_once(text: str, reasons: tuple[str, ...]) -> None:
    with pytest.raises(BadDocument) as refused:
        load(f"---\n{text}\n...\n".encode(), LIMITS)
    assert refused.value.reason in reasons


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BadDocument, match="syntax"):
        load(b"---\na: \xff\xfe\n...\n", LIMITS)


@pytest.mark.parametrize("file", sorted((Path(__file__).parent).glob("*.yaml")), ids=lambda f: f.name)
def test_no_contents_are_in_what_a_refusal_says(file: Path) -> None:
    with pytest.raises(BadDocument) as refused:
        load(file.read_bytes() + b"\nsecret-1.2.3.4: [", LIMITS)
    assert "1.2.3.4" not in f"{refused.value!r} {refused.value.__cause__}"


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=20), st.datetimes(), st.dates()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4))
)


@given(value=st.dictionaries(st.text(), VALUES, max_size=5))
def test_what_is_written_is_read_back_as_the_same_or_refused(value: dict) -> None:
    try:
        text = dump(value)
    except BadDocument:
        return
    assert equal(yaml.load(text, Loader=yaml.CSafeLoader), value)
    assert dump(yaml.load(text, Loader=yaml.CSafeLoader)) == text


def test_sets_are_written_in_one_order() -> None:
    assert dump({"s": {"b", "a", "c"}}) == b"---\ns: !!set\n  a: null\n  b: null\n  c: null\n...\n"


def test_what_yaml_cannot_carry_is_refused() -> None:
    with pytest.raises(BadDocument, match="cannot_write"):
        dump({"pair": [("a", "b")]})


def test_a_tag_that_another_loader_would_execute_executes_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = f"a: !!python/object/apply:os.mkdir ['{marker}']\n".encode()
    with pytest.raises(BadDocument) as bad:
        load(content, DocumentLimits())
    assert bad.value.reason == "tag"
    assert not marker.exists()
    yaml.load(content, Loader=yaml.UnsafeLoader)  # shows that this text can execute
    assert marker.exists()
