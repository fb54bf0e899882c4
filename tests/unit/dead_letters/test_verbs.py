"""The verbs over any place of letters: what they print, and that they only do what was requested."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from spool.command_line import Output
from spool.dead_letters.verbs import LetterPlace, verbs
from spool.errors import LetterRefused
from tests.fakes.memory_store import MemoryStore
from tests.support.dead_letter_places import LOG, STREAM, StorePlace


@pytest.fixture
def place(tmp_path: Path) -> StorePlace:
    return StorePlace(MemoryStore(), tmp_path / "spool")


def run(place: StorePlace, *arguments: str, as_json: bool = True) -> str:
    """What a verb prints."""
    verb, *rest = arguments
    of_place = verbs(
        LetterPlace(
            "ID",
            lambda parser: None,
            lambda options: "",
            lambda options: place.letters,
            lambda options: contextlib.nullcontext(place.letters),
        )
    )
    parser = argparse.ArgumentParser()
    of_place[verb].add_options(parser)
    out = io.StringIO()
    of_place[verb].run(parser.parse_args(rest), Output(as_json=as_json, out=out, err=out))
    return out.getvalue()


def rows(place: StorePlace, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(place, *arguments).splitlines()]


def test_a_list_names_the_place_of_its_next_page(place: StorePlace) -> None:
    ids = [place.put(number) for number in range(5)]
    *first, more = rows(place, "list", "--max", "2")
    assert [row["id"] for row in first] == ids[:2]
    rest = rows(place, "list", "--after", more["next"])
    assert [row["id"] for row in rest] == ids[2:]


def test_a_person_sees_the_beginning_of_long_texts_and_a_program_all(place: StorePlace) -> None:
    letter_id = place.put(1, "x" * 500)
    assert json.loads(run(place, "show", letter_id))["reason"] == "x" * 500
    shown = run(place, "show", letter_id, as_json=False)
    assert "500 characters" in shown
    assert "x" * 200 not in shown


@pytest.mark.parametrize("arguments", [("requeue", "--all"), ("discard", f"{STREAM}/{LOG}/1", "--reason", "why")])
def test_without_execute_nothing_is_done(place: StorePlace, arguments: tuple[str, ...]) -> None:
    place.put(1)
    [planned] = rows(place, *arguments)
    assert (planned["state"], planned["dry_run"]) == ("open", True)
    [done] = rows(place, *arguments, "--execute")
    assert (done["state"] == "open", done["dry_run"]) == (False, False)


def test_a_run_prints_each_letter_and_raises_for_those_that_were_left(place: StorePlace) -> None:
    good, void = place.put(1), place.put(2)
    place.effects.void.add(2)
    with pytest.raises(LetterRefused, match=f"{void} is void"):
        run(place, "requeue", void, good)
    assert place.sent() == ["payload 1"]
