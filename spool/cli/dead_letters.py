"""`dead-letters`: what Kafka refused: list it, look at it, send it again, or give it up with a reason."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spool.cli.composition import Parts, parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.clock import rfc3339
from spool.command_line import Output, UsageError, Verb
from spool.command_line.options import whole_number
from spool.dead_letters.letters import event_of, parse_id, read_letter
from spool.dead_letters.port import (
    STATES,
    Decision,
    Letter,
    LetterFilter,
    Outcome,
    demand_all_done,
    demand_reason,
    requeue_all,
)
from spool.dead_letters.requeue import WayBack
from spool.dead_letters.store import StoreDeadLetters
from spool.errors import SettingsError, SpoolError
from spool.intake.client import SpoolClient
from spool.names import operator_name
from spool.replay.letter_effects import LetterEffects


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (text, add_options, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        add_options(action)
        # Before or behind the action; a default here would undo what stands before it.
        for flag in ("--json", "--verbose"):
            action.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        action.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the settings file")


def _run(options: argparse.Namespace, output: Output) -> int:
    run: Callable[[argparse.Namespace, Output], None] = _ACTIONS[options.action][2]
    run(options, output)
    return 0


def _list_options(parser: argparse.ArgumentParser) -> None:
    add_stream_option(parser, required=False)
    parser.add_argument("--log", type=log_id, default="", help="only this log of the stream")
    parser.add_argument("--state", choices=STATES, default=None, help="only letters in this state")
    parser.add_argument("--after", default="", metavar="PLACE", help="go on behind the page that named this place")
    parser.add_argument("--max", type=whole_number, default=100, metavar="N", help="look at N letters (%(default)s)")


def _list(options: argparse.Namespace, output: Output) -> None:
    built = parts(options)
    letters = StoreDeadLetters(built.store(), built.settings.root)
    chosen = LetterFilter(_source(built, options), options.state)
    page = letters.list(chosen, after=options.after, limit=options.max)
    output.table([_row(letter) for letter in page.letters], empty="no such dead letter")
    if page.next:
        output.result({"next": page.next}, f"more: --after {page.next}")


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="STREAM/LOG/OFFSET, as listed")
    parser.add_argument("--value", action="store_true", help="only the payload, as it is: to edit it and requeue it")


def _show(options: argparse.Namespace, output: Output) -> None:
    built = parts(options)
    if options.value:
        letter = read_letter(built.store(), built.settings.root, parse_id(options.id))
        sys.stdout.buffer.write(event_of(letter).value)
        sys.stdout.buffer.flush()
        return
    details = StoreDeadLetters(built.store(), built.settings.root).show(options.id)
    row = {**_row(details.letter), "decision": details.decision, "document": details.document}
    output.result(row, json.dumps(row, indent=2, ensure_ascii=False))


def _requeue_options(parser: argparse.ArgumentParser) -> None:
    add_stream_option(parser, required=False)
    parser.add_argument("ids", nargs="*", metavar="ID", help="STREAM/LOG/OFFSET, as listed")
    parser.add_argument("--all", action="store_true", help="every open letter; only says what it would do")
    parser.add_argument("--log", type=log_id, default="", help="with --all: only this log of the stream")
    parser.add_argument("--value", type=Path, default=None, metavar="FILE", help="this payload instead of the letter's")
    parser.add_argument("--reason", default="", help="why; kept with the letter")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--execute", action="store_true", help="with --all: do it")


def _requeue(options: argparse.Namespace, output: Output) -> None:
    if bool(options.ids) == options.all:
        raise UsageError("name the letters, or --all", hint="`dead-letters list --state open` shows what there is")
    if options.value and len(options.ids) != 1:
        raise UsageError("--value is for one letter", hint="name the letter that it replaces")
    dry_run = options.dry_run or (options.all and not options.execute)
    decision = Decision(operator_name(), options.reason)
    value = None if options.value is None else _read(options.value)
    built = parts(options)
    with SpoolClient(built.places.folder, built.settings, store=built.store) as client:
        letters = _with_way_back(built, client)
        outcomes: Iterable[Outcome]
        if options.all:
            outcomes = requeue_all(letters, _source(built, options), decision, dry_run=dry_run)
        else:
            outcomes = letters.requeue(options.ids, decision, dry_run=dry_run, value=value)
        _print_outcomes(outcomes, output, dry_run=dry_run)


def _discard_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="STREAM/LOG/OFFSET, as listed")
    parser.add_argument("--reason", required=True, help="why; kept with the letter")
    parser.add_argument("--execute", action="store_true", help="do it; without it, only what would be done is said")


def _discard(options: argparse.Namespace, output: Output) -> None:
    built = parts(options)
    decision = Decision(operator_name(), options.reason)
    demand_reason(decision)
    with SpoolClient(built.places.folder, built.settings, store=built.store) as client:
        letters = _with_way_back(built, client)
        outcomes = (_discarded(letters, letter_id, decision, execute=options.execute) for letter_id in options.ids)
        _print_outcomes(outcomes, output, dry_run=not options.execute)


def _discarded(letters: StoreDeadLetters, letter_id: str, decision: Decision, *, execute: bool) -> Outcome:
    try:
        return letters.discard(letter_id, decision, dry_run=not execute)
    except SpoolError as error:  # one letter that stays does not stop the others; the run names it at its end
        return Outcome(letter_id, "open", "", error)


def _with_way_back(built: Parts, client: SpoolClient) -> StoreDeadLetters:
    way_back = WayBack(LetterEffects(built.settings, built.kafka()), client)
    return StoreDeadLetters(built.store(), built.settings.root, way_back)


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


def _source(built: Parts, options: argparse.Namespace) -> str:
    if options.stream:
        built.settings.stream(options.stream)
    if options.log and not options.stream:
        raise UsageError("--log needs --stream", hint="a log belongs to a stream: --stream S --log L")
    return "/".join(part for part in (options.stream, options.log) if part)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--value {path}: {error.strerror}", hint="name a file with the new payload") from error


_Action = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Output], None]]
_ACTIONS: dict[str, _Action] = {
    "list": ("list letters, oldest first within a log", _list_options, _list),
    "show": ("print one letter with all that is known of it", _show_options, _show),
    "requeue": ("append the events of letters to their stream again, once", _requeue_options, _requeue),
    "discard": ("give letters up; a rewind does not send them either", _discard_options, _discard),
}

VERB = Verb(
    description="Dead letters lie in the object store under _meta/dead_letters, with their reason and their bytes.",
    add_options=_add_options,
    run=_run,
)
