"""One loader for all YAML: every error names the file, the path of keys and the line, and no text makes it crash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool import config_file
from spool.config_file import Block, Each, Key, OneOf, WrongKey
from spool.config_file.schema import json_schema
from spool.errors import SettingsError

NAME = re.compile(r"[a-z]+\Z")


@dataclass(frozen=True)
class Circle(Block):
    kind: Literal["circle", "disc"]
    radius_cm: Annotated[float, Key("half of its width", "cm", above=0)]


@dataclass(frozen=True)
class Square(Block):
    kind: Literal["square"]
    side_cm: Annotated[int, Key("length of one side", "cm", at_least=1, at_most=100)] = 10


@dataclass(frozen=True)
class Sheet(Block):
    name_field: ClassVar[str] = "name"

    name: str
    shapes: tuple[Annotated[Circle | Square, OneOf("kind")], ...]
    folded: Annotated[bool, Key("folded once")] = False

    def refusals(self):
        if self.folded and not self.shapes:
            yield WrongKey("folded", "an empty sheet is not folded")


@dataclass(frozen=True)
class File(Block):
    sheets: Annotated[Mapping[str, Sheet], Each(NAME, "letters")]
    title: Annotated[str, Key("shown above")] = "none"


GOOD = """version: 1
sheets:
  first:
    shapes:
      - kind: circle
        radius_cm: 1.5
      - kind: square
"""


def load(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> File:
    file = tmp_path / "shapes.yml"
    file.write_text(text, encoding="utf-8")
    return config_file.load(file, File, version=1, environment=environment, hint="read the manual")


def refused(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environment)
    assert caught.value.hint == "read the manual"
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_file_becomes_frozen_values_of_the_kinds_that_their_tags_choose(tmp_path):
    sheet = load(tmp_path, GOOD).sheets["first"]
    assert sheet == Sheet("first", (Circle("circle", 1.5), Square("square")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("radius_cm: 1.5", "radius_cm: wide"), "first.shapes.0.radius_cm: expected a number, is 'wide' (line 6)"),
        (("radius_cm: 1.5", "radius_cm: true"), "sheets.first.shapes.0.radius_cm: expected a number, is True (line 6)"),
        (("radius_cm: 1.5", "radius_cm: 0"), "sheets.first.shapes.0.radius_cm: must be above 0, is 0.0 (line 6)"),
        (("radius_cm: 1.5", "radius_cm: .nan"), "shapes.0.radius_cm: Input should be a finite number, is nan (line 6)"),
        (("radius_cm: 1.5", "radius_cm: .inf"), "shapes.0.radius_cm: Input should be a finite number, is inf (line 6)"),
        (("radius_cm: 1.5", "colour: red"), "shapes.0.colour: unknown key; known are kind, radius_cm (line 6)"),
        (("        radius_cm: 1.5\n", ""), "sheets.first.shapes.0.radius_cm: is missing (line 5)"),
        (("kind: circle", "kind: star"), "shapes.0.kind: must be one of circle, disc, square, is 'star' (line 5)"),
        (("kind: square", "side_cm: 3"), "shapes.1.kind: is missing; known are circle, disc, square (line 7)"),
        (("kind: square", "{kind: square, side_cm: 101}"), "shapes.1.side_cm: must be 1 to 100, is 101 (line 7)"),
        (("kind: square", "{kind: square, side_cm: 1.5}"), "shapes.1.side_cm: expected int, is 1.5 (line 7)"),
        (("- kind: square", "- square"), "sheets.first.shapes.1: expected a mapping, is 'square' (line 7)"),
        (("  first:", "  First:"), "sheets.First: 'First' must be letters (line 3)"),
        (("  first:", "  7:"), "sheets.7: 7 must be letters (line 3)"),
        (("    shapes:", "    name: x\n    shapes:"), "sheets.first.name: unknown key"),
        (("    shapes:", "    folded: 'yes'\n    shapes:"), "first.folded: expected true or false, is 'yes' (line 4)"),
        (("version: 1", "version: 2"), "version: is 2, this program reads 1"),
        (("version: 1", "version: true"), "version: is True, this program reads 1"),
        (("version: 1", "title: x"), "version: is missing, this program reads 1"),
        (("version: 1", "version: 1\ntitle: a\ntitle: b"), "title: duplicate key in lines 2 and 3"),
        (("version: 1", "version: 1\ntitle: 2026-13-01"), "not YAML: month must be in 1..12"),
        (("version: 1", "version: 1\n? [a, b]\n: 1"), "not YAML: "),
        (("version: 1", "version: 1\ntitle: [\n"), "not YAML: "),
        (("version: 1", "version: 1\ntitle: !!python/object:os.system x"), "not YAML: "),
        (("version: 1", "version: 1\ntitle: \x07"), "not YAML: "),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)  # fmt: skip
def test_an_error_names_the_file_the_path_of_keys_and_the_line(tmp_path, change, message):
    assert change[0] in GOOD
    text = refused(tmp_path, GOOD.replace(*change))
    assert text.startswith("shapes.yml: ")
    assert message in text


def test_all_wrong_keys_are_named_at_once(tmp_path):
    text = refused(tmp_path, GOOD.replace("1.5", "x").replace("kind: square", "kind: star"))
    assert [line.split(": ")[1] for line in text.splitlines()] == [
        "sheets.first.shapes.0.radius_cm",
        "sheets.first.shapes.1.kind",
    ]


def test_a_rule_between_keys_names_the_key_that_it_refuses(tmp_path):
    text = "version: 1\nsheets:\n  first:\n    shapes: []\n    folded: true\n"
    assert refused(tmp_path, text) == "shapes.yml: sheets.first.folded: an empty sheet is not folded (line 5)"


@pytest.mark.parametrize("text", ["", "[]", "just text", "1"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    assert "expected a mapping" in refused(tmp_path, text)


def test_what_is_no_readable_text_is_refused_with_its_path(tmp_path):
    (tmp_path / "shapes.yml").write_bytes(b"\xff\xfe")
    for name, words in {".": "cannot be read", "none": "does not exist", "shapes.yml": "not UTF-8"}.items():
        with pytest.raises(SettingsError, match=words):
            config_file.load(tmp_path / name, File, version=1)


def test_aliases_that_multiply_and_deep_nesting_end_in_an_error(tmp_path):
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert "holds more than" in refused(tmp_path, f"version: 1\n{laughs}")
    assert "nested too deeply" in refused(tmp_path, "version: 1\ntitle: " + "[" * 3_000 + "]" * 3_000)
    assert "nested too deeply" in refused(tmp_path, "version: 1\ntitle: &a [*a]")


def test_variables_come_from_the_environment_and_numbers_among_them_stay_numbers(tmp_path):
    text = GOOD.replace("1.5", "'${RADIUS:-2}'").replace("version: 1", "version: 1\ntitle: '${TITLE}'")
    file = load(tmp_path, text, {"TITLE": "12"})
    assert (file.title, file.sheets["first"].shapes[0].radius_cm) == ("12", 2.0)
    assert "title: the variable TITLE is not set" in refused(tmp_path, text, {})
    assert "expected a number, is '2 -e x'" in refused(tmp_path, text, {"TITLE": "t", "RADIUS": "2 -e x"})


def test_without_an_environment_a_variable_is_just_text(tmp_path):
    assert load(tmp_path, GOOD.replace("version: 1", "version: 1\ntitle: ${X}")).title == "${X}"


def test_a_value_in_an_error_is_short_and_printable(tmp_path):
    text = refused(tmp_path, GOOD.replace("1.5", '"\\e[31m' + "x" * 5_000 + '"'))
    assert len(text) < 250
    assert "\x1b" not in text


@given(st.text(max_size=200) | st.text("version: 1\nsheets{}[]&*-!|>#'\"", max_size=80))
def test_no_text_raises_anything_but_a_settings_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("c") / "f.yml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass") if text.isprintable() else path.write_bytes(
        text.encode("utf-8", "surrogatepass")
    )
    with pytest.raises(SettingsError):
        config_file.load(path, File, version=1)


def test_the_conf_of_a_run_is_checked_like_a_file():
    with pytest.raises(SettingsError, match=r"^conf: side_cm: must be 1 to 100, is 0$"):
        config_file.check({"kind": "square", "side_cm": 0}, Square, source="conf")


def test_the_schema_has_meanings_units_and_limits_and_no_key_for_the_name_of_a_block():
    schema = json_schema(File, title="shapes", version=1)
    blocks = [block["properties"] for block in blocks_of(schema)]
    [square] = [block for block in blocks if "side_cm" in block]
    assert square["side_cm"].items() >= {"default": 10, "description": "length of one side", "x-unit": "cm"}.items()
    assert square["side_cm"].items() >= {"type": "integer", "minimum": 1, "maximum": 100}.items()
    assert [set(block) for block in blocks if "shapes" in block] == [{"shapes", "folded"}]


def blocks_of(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for inner in node.values():
            yield from blocks_of(inner)
    for inner in node if isinstance(node, list) else []:
        yield from blocks_of(inner)
