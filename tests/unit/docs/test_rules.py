"""Every rule that code, tests and pages cite is written down, once, with an anchor."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "spool-rules.md"
ROOMS = ("spool", "include", "plugins", "dags", "stack", "tests", "benchmarks", "docs")
CITING = [path for room in ROOMS for suffix in ("py", "md") for path in sorted((ROOT / room).rglob(f"*.{suffix}"))]
CITATION = re.compile(r"\brules? (\d+(?:(?:,| and| to)\s+\d+)*)")


def written() -> list[int]:
    return [int(number) for number in re.findall(r'<a id="rule-(\d+)"></a>Rule \1:', PAGE.read_text(encoding="utf-8"))]


def cited(text: str) -> Iterator[int]:
    for numbers in CITATION.findall(text):
        yield from map(int, re.findall(r"\d+", numbers))


def test_citations_are_found_in_each_of_their_forms():
    assert list(cited("(rule 9), rules 19, 22 and 26")) == [9, 19, 22, 26]
    assert list(cited("the story of rules 19 to 26; a ruler 5")) == [19, 26]


def test_the_rules_are_numbered_without_a_gap():
    assert written() == list(range(1, len(written()) + 1))


def test_every_rule_that_a_file_cites_is_written_down():
    unknown = {
        (path.relative_to(ROOT).as_posix(), number)
        for path in CITING
        if path != Path(__file__)
        for number in cited(path.read_text(encoding="utf-8"))
        if number not in written()
    }
    assert unknown == set()


def test_the_code_cites_rules():
    assert len({number for path in CITING for number in cited(path.read_text(encoding="utf-8"))}) > 15


def test_every_link_to_a_rule_has_its_anchor():
    for path in CITING:
        for number in re.findall(r"spool-rules\.md#rule-(\d+)", path.read_text(encoding="utf-8")):
            assert int(number) in written(), f"{path.relative_to(ROOT)} links to rule {number}"


def test_a_docstring_says_what_is_required_and_not_by_which_number():
    numbered = re.compile(r"\bR-[A-Z]+-\d+")
    sources = [path for path in CITING if path.suffix == ".py"]
    assert [path.name for path in sources if numbered.search(path.read_text(encoding="utf-8"))] == []
