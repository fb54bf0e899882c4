"""The mutants of tests/mutants fit the code as it is now."""

from __future__ import annotations

import pytest

from tests.mutants.mutant import REPOSITORY, Mutant, rooms

ALL = [pytest.param(mutant, id=f"{room}: {mutant.name}") for room, mutants in rooms().items() for mutant in mutants]


@pytest.mark.parametrize("mutant", ALL)
def test_a_mutant_changes_one_place_and_names_tests_that_exist(mutant: Mutant) -> None:
    text = (REPOSITORY / mutant.file).read_text(encoding="utf-8")
    compile(mutant.changed(text), mutant.file, "exec")
    assert mutant.tests
    for argument in mutant.tests:
        assert argument.startswith("-") or (REPOSITORY / argument.split("::")[0]).exists() or " " in argument


def test_names_are_unique_within_a_room() -> None:
    for room, mutants in rooms().items():
        names = [mutant.name for mutant in mutants]
        assert len(set(names)) == len(names), room
