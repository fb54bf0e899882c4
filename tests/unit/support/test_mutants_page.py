from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.page import SURVIVED, Page, Row

LISTS = {
    "log": [Mutant(name, "spool/log/x.py", "a", "b", ("tests",)) for name in ("the first rule", "the second rule")],
    "store": [Mutant("a put", "spool/store/x.py", "a", "b", ("tests",))],
}
KILLED = Row("the second rule", "spool/log/x.py", "`test_a[b | c]`", "2026-11-25 af557d3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Page(LISTS, tmp_path / "mutants.md").put("log", KILLED)
    return tmp_path / "mutants.md"


def test_a_result_is_on_the_page_at_once_with_what_is_still_to_run(path: Path) -> None:
    text = path.read_text()
    assert KILLED.line() in text
    assert "1 of 2 killed, 1 not run yet." in text
    assert "0 of 1 killed, 1 not run yet." in text


def test_a_later_run_keeps_the_rows_of_others_in_the_order_of_the_list(path: Path) -> None:
    Page(LISTS, path).put("log", KILLED._replace(name="the first rule", killed_by=SURVIVED, run="2026-11-26 0000000"))
    lines = [line for line in path.read_text().splitlines() if "spool/log/x.py" in line]
    assert [line.split(" | ")[0] for line in lines] == ["| the first rule", "| the second rule"]
    assert lines[1] == KILLED.line()


def test_what_survived_or_never_ran_is_not_killed(path: Path) -> None:
    page = Page(LISTS, path)
    page.put("store", Row("a put", "spool/store/x.py", SURVIVED, "2026-11-25 af557d3"))
    assert page.is_killed("log", "the second rule")
    assert not page.is_killed("log", "the first rule")
    assert not page.is_killed("store", "a put")
    assert "0 of 1 killed." in path.read_text()


def test_the_row_of_a_mutant_that_is_no_more_goes(path: Path) -> None:
    lists = {"log": LISTS["log"][:1]}
    assert KILLED.name not in Page(lists, path).text()
