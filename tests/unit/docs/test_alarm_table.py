"""docs/alarms.md explains exactly the alarms that the code raises, and every page that an error names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [
    *ROOT.glob("spool/**/*.py"),
    *ROOT.glob("include/**/*.py"),
    *ROOT.glob("plugins/**/*.py"),
    *ROOT.glob("dags/*.py"),
]


def raised() -> set[str]:
    pattern = re.compile(r"alarms\.open\(\s*\"([a-z_]+)\"")
    return {name for path in SOURCES for name in pattern.findall(path.read_text(encoding="utf-8"))}


def explained() -> set[str]:
    table = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))


def test_every_alarm_is_explained_and_every_explained_one_is_raised():
    assert len(raised()) > 10
    assert raised() == explained()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_page_that_the_code_names_exists(path):
    for page in re.findall(r"docs/[\w./-]+\.md", path.read_text(encoding="utf-8")):
        assert (ROOT / page).exists(), f"{path.name} names {page}"
