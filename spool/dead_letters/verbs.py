"""
The verbs of every command line for dead letters: list, show, requeue, discard, over whatever place keeps them.

`requeue --all` and `discard` only print what they would do, unless `--execute` is given.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from spool.clock import rfc3339
from spool.command_line import Output, UsageError, Verb
from spool.command_line.options import whole_number
from spool.dead_letters.port import (
    PAGE_LETTERS,
    STATES,
    DeadLetters,
    Decision,
    Letter,
    LetterFilter,
    Outcome,
    demand_all_done,
    demand_reason,
    requeue_all,
)
from spool.errors import SettingsError, SpoolError
from spool.names import operator_name

_TEXT_SHOWN = 100


class LetterPlace(NamedTuple):
    """
    Where a command line finds its letters.

    id_form      what an id looks like, for the help
    add_options  those that choose a source
    source       the source that the options choose, "" = all. UsageError
    look         the letters, to list and show
    decide       the letters, to requeue and discard; open for as long as the context
    """

    id_form: str
    add_options: Callable[[argparse.ArgumentParser], None]
    source: Callable[[argparse.Namespace], str]
    look: Callable[[argparse.Namespace], DeadLetters[Any]]
    decide: Callable[[argparse.Namespace], AbstractContextManager[DeadLetters[Any]]]


def verbs(place: LetterPlace) -> dict[str, Verb]:
    """By their names."""
    bound = _Verbs(place)
    return {
        "list": Verb("Lists letters, the oldest first within a source.", bound.list_options, bound.list),
        "show": Verb("Prints one letter with all that is known of it.", bound.show_options, bound.show),
        "requeue": Verb(
            "Sends what letters hold on its way again, once. May be run again at any time; a letter that fails stops "
            "no other, and the run names it at its end.",
            bound.requeue_options,
            bound.requeue,
        ),
        "discard": Verb(
            "Gives letters up for good, with a reason. They stay where they are.", bound.discard_options, bound.discard
        ),
    }


class _Verbs:
    def __init__(self, place: LetterPlace) -> None:
        self._place = place

    def list_options(self, parser: argparse.ArgumentParser) -> None:
        self._place.add_options(parser)
        parser.add_argument("--state", choices=STATES, default=None, help="only letters in this state")
        parser.add_argument("--after", default="", metavar="PLACE", help="go on behind the page that named this place")
        parser.add_argument(
            "--max", type=whole_number, default=PAGE_LETTERS, metavar="N", help="look at N letters (%(default)s)"
        )

    def list(self, options: argparse.Namespace, output: Output) -> int:
        chosen = LetterFilter(self._place.source(options), options.state)
        page = self._place.look(options).list(chosen, after=options.after, limit=options.max)
        output.table([_row(letter) for letter in page.letters], empty="no such dead letter")
        if page.next:
            output.result({"next": page.next}, f"more: --after {page.next}")
        return 0

    def show_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", help=f"{self._place.id_form}, as listed")
        parser.add_argument("--value", action="store_true", help="only the payload, as it is: to edit and requeue it")

    def show(self, options: argparse.Namespace, output: Output) -> int:
        letters = self._place.look(options)
        if options.value:
            sys.stdout.buffer.write(letters.payload(options.id))
            sys.stdout.buffer.flush()
            return 0
        details = letters.show(options.id)
        row = {**_row(details.letter), "decision": details.decision, "document": details.document}
        output.result(row, json.dumps(_shortened(row), indent=2, ensure_ascii=False))
        return 0

    def requeue_options(self, parser: argparse.ArgumentParser) -> None:
        self._place.add_options(parser)
        parser.add_argument("ids", nargs="*", metavar="ID", help=f"{self._place.id_form}, as listed")
        parser.add_argument("--all", action="store_true", help="every open letter; only prints what it would do")
        parser.add_argument(
            "--value", type=Path, default=None, metavar="FILE", help="this payload instead of the letter's; it is kept"
        )
        parser.add_argument("--reason", default="", help="why; kept with the letter")
        parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
        parser.add_argument("--execute", action="store_true", help="with --all: do it")

    def requeue(self, options: argparse.Namespace, output: Output) -> int:
        if bool(options.ids) == options.all:
            raise UsageError("name the letters, or --all", hint="`list --state open` shows what there is")
        if options.value and len(options.ids) != 1:
            raise UsageError("--value is for one letter", hint="name the letter whose payload it replaces")
        dry_run = options.dry_run or (options.all and not options.execute)
        source, value = self._place.source(options), options.value and _read(options.value)
        decision = Decision(operator_name(), options.reason)
        with self._place.decide(options) as letters:
            outcomes: Iterable[Outcome]
            if options.all:
                outcomes = requeue_all(letters, source, decision, dry_run=dry_run)
            else:
                outcomes = letters.requeue(options.ids, decision, dry_run=dry_run, value=value)
            _print_outcomes(outcomes, output, dry_run=dry_run)
        return 0

    def discard_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("ids", nargs="+", metavar="ID", help=f"{self._place.id_form}, as listed")
        parser.add_argument("--reason", required=True, help="why; kept with the letter")
        parser.add_argument("--execute", action="store_true", help="do it, instead of printing what would be done")

    def discard(self, options: argparse.Namespace, output: Output) -> int:
        decision = Decision(operator_name(), options.reason)
        demand_reason(decision)
        with self._place.decide(options) as letters:
            outcomes = (_discarded(letters, name, decision, execute=options.execute) for name in options.ids)
            _print_outcomes(outcomes, output, dry_run=not options.execute)
        return 0


def _discarded(letters: DeadLetters[Any], letter_id: str, decision: Decision, *, execute: bool) -> Outcome:
    try:
        return letters.discard(letter_id, decision, dry_run=not execute)
    except SpoolError as error:  # one letter that stays does not stop the others; the run names it at its end
        return Outcome(letter_id, "open", "", error)


def _print_outcomes(outcomes: Iterable[Outcome], output: Output, *, dry_run: bool) -> None:
    """Each as it comes; the error that is raised at the end names those that were left."""
    left: list[Outcome] = []
    total = 0
    for outcome in outcomes:
        total += 1
        if outcome.error is not None:
            left.append(outcome)
            output.error(outcome.error, about={"id": outcome.id})
            continue
        row = {"id": outcome.id, "state": outcome.state, "detail": outcome.detail, "dry_run": dry_run}
        output.result(row, f"{outcome.id}  {outcome.state}  {outcome.detail}")
    if total == 0:
        output.result({"letters": 0, "dry_run": dry_run}, "no open dead letter")
    elif dry_run:
        print("a dry run: nothing was changed", file=sys.stderr)
    demand_all_done(left, total)


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "state": letter.state,
        "put": rfc3339(letter.time_ms) if letter.time_ms else None,
        "size_bytes": letter.size_bytes,
        "reason": letter.reason,
    }


def _shortened(value: object) -> object:
    """For a person: long texts, such as payloads, only begin."""
    if isinstance(value, Mapping):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    if isinstance(value, str) and len(value) > _TEXT_SHOWN:
        return f"{value[:_TEXT_SHOWN]}... ({len(value):,} characters; --json shows all)"
    return value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--value {path}: {error.strerror}", hint="name a file with the new payload") from error
