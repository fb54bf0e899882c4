"""Dead letters over MariaDB: what features cannot process. Each decision is one transaction with what it causes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, or_, select, update

from include.database.connection import transaction
from include.database.tables import DEAD_LETTERS
from include.dead_letters.letters import StoredLetter, Unprocessed, encode, put_letter, stored_letter
from spool import failpoints
from spool.clock import now_ms
from spool.dead_letters.port import (
    PAGE_LETTERS,
    Decision,
    Letter,
    LetterDetails,
    LetterFilter,
    Outcome,
    Page,
    State,
    demand_reason,
)
from spool.errors import LetterRefused, SpoolError
from spool.event import NAME

WayBack = Callable[[Connection, StoredLetter, bytes], str]
"""
Puts a letter's payload (its own or an edited one) where its feature finds it again, in the given transaction.

Returns where that is, for the operator. An error of the engine's tree leaves the letter open.
"""

failpoints.declare("sql_letters.sent", "sql_letters.requeued")

_BIGINT_MAX = 2**63 - 1


class SqlDeadLetters:
    """The port over the table. Letters of a feature without a way back can be looked at and discarded only."""

    def __init__(self, database: Engine, ways_back: Mapping[str, WayBack]) -> None:
        self._database, self._ways_back = database, ways_back

    def put(self, item: Unprocessed, reason: str) -> str:
        with transaction(self._database) as connection:
            return put_letter(connection, item, reason)

    def list(self, chosen: LetterFilter, *, after: str = "", limit: int = PAGE_LETTERS) -> Page:
        size = func.length(DEAD_LETTERS.c.payload).label("size_bytes")
        columns = [DEAD_LETTERS.c[name] for name in ("id", "feature", "reason", "state", "time_ms")]
        query = select(*columns, size).where(*_conditions(chosen, after))
        # Left to itself MariaDB sorts all letters of a feature for a page of a hundred.
        index = "dead_letters_state" if chosen.state else "dead_letters_feature"
        query = query.with_hint(DEAD_LETTERS, f"FORCE INDEX ({index})", "mysql")
        order = [DEAD_LETTERS.c.id] if chosen.source else [DEAD_LETTERS.c.feature, DEAD_LETTERS.c.id]
        query = query.order_by(*order).limit(limit + 1)
        with transaction(self._database) as connection:
            rows = connection.execute(query).all()
        shown = tuple(
            Letter(f"{row.feature}/{row.id}", row.feature, row.reason, row.state, row.time_ms, row.size_bytes)
            for row in rows[:limit]
        )
        return Page(shown, shown[-1].id if len(rows) > limit else "")

    def show(self, letter_id: str) -> LetterDetails:
        letter = self._read(letter_id)
        return LetterDetails(_line(letter), {"subject": letter.subject, **letter.details}, letter.decision)

    def payload(self, letter_id: str) -> bytes:
        return self._read(letter_id).payload

    def requeue(
        self, ids: Sequence[str], decision: Decision, *, dry_run: bool, value: bytes | None = None
    ) -> tuple[Outcome, ...]:
        if value is not None and len(ids) != 1:
            raise LetterRefused("an edited payload is for one letter", hint="name the one letter that it replaces")
        return tuple(self._requeued(letter_id, decision, dry_run=dry_run, value=value) for letter_id in ids)

    def discard(self, letter_id: str, decision: Decision, *, dry_run: bool) -> Outcome:
        demand_reason(decision)
        with transaction(self._database) as connection:
            letter = _locked(connection, letter_id)
            if letter.state == "discarded":
                return Outcome(letter_id, "discarded", letter.decision["reason"])
            if letter.state != "open":
                raise LetterRefused(
                    f"{letter_id} was {letter.state} by {letter.decision['who']}",
                    hint="`dead-letters show` says where it went",
                )
            if dry_run:
                return Outcome(letter_id, "open", "would be discarded")
            _decide(connection, letter, "discarded", decision)
        return Outcome(letter_id, "discarded", decision.reason)

    def _requeued(self, letter_id: str, decision: Decision, *, dry_run: bool, value: bytes | None) -> Outcome:
        try:
            with transaction(self._database) as connection:
                outcome = self._requeue(connection, _locked(connection, letter_id), decision, value, dry_run=dry_run)
        except SpoolError as error:  # the boundary: one letter that stays does not stop the others
            return Outcome(letter_id, "open", "", error)
        failpoints.reach("sql_letters.requeued")
        return outcome

    def _requeue(
        self, connection: Connection, letter: StoredLetter, decision: Decision, value: bytes | None, *, dry_run: bool
    ) -> Outcome:
        _refuse_decided(letter, value)
        if letter.state == "requeued":
            return Outcome(letter.name, "requeued", letter.decision["detail"])
        way_back = self._ways_back.get(letter.feature)
        if way_back is None:
            raise LetterRefused(
                f"{letter.name} has no way back: {letter.feature} does not say what a requeue does",
                hint="include/dead_letters/ways_back.py lists the features that do",
            )
        if dry_run:
            return Outcome(letter.name, "open", f"would go back to {letter.feature}: {letter.subject}")
        detail = way_back(connection, letter, letter.payload if value is None else value)
        failpoints.reach("sql_letters.sent")
        _decide(connection, letter, "requeued", decision, detail=detail, value=value)
        return Outcome(letter.name, "requeued", detail)

    def _read(self, letter_id: str) -> StoredLetter:
        with transaction(self._database) as connection:
            return _found(connection, letter_id, lock=False)


def _conditions(chosen: LetterFilter, after: str) -> list[ColumnElement[bool]]:
    feature, number = DEAD_LETTERS.c.feature, DEAD_LETTERS.c.id
    conditions: list[ColumnElement[bool]] = []
    if chosen.source:
        conditions.append(feature == chosen.source)
    if chosen.state:
        conditions.append(DEAD_LETTERS.c.state == chosen.state)
    if after:
        name, last = _parts(after)
        conditions.append(or_(feature > name, and_(feature == name, number > last)))
    return conditions


def _decide(
    connection: Connection, letter: StoredLetter, state: State, decision: Decision, *, detail: str = "",
    value: bytes | None = None,
) -> None:  # fmt: skip
    document = {"who": decision.who, "reason": decision.reason, "time_ms": now_ms(), "detail": detail}
    if value is not None:
        document["edit"] = base64.b64encode(value).decode()
    changes = {"state": state, "decision": encode(document)}
    connection.execute(update(DEAD_LETTERS).where(DEAD_LETTERS.c.id == letter.id).values(changes))


def _locked(connection: Connection, letter_id: str) -> StoredLetter:
    """The row is ours until the transaction ends: of two operators, one decides."""
    return _found(connection, letter_id, lock=True)


def _found(connection: Connection, letter_id: str, *, lock: bool) -> StoredLetter:
    feature, number = _parts(letter_id)
    query = select(DEAD_LETTERS).where(DEAD_LETTERS.c.id == number, DEAD_LETTERS.c.feature == feature)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise LetterRefused(f"there is no dead letter {letter_id}", hint="`dead-letters list` shows what there is")
    return stored_letter(row)


def _parts(letter_id: str) -> tuple[str, int]:
    """LetterRefused for what is no `<feature>/<number>`."""
    feature, _, number = letter_id.partition("/")
    is_number = number.isascii() and number.isdigit() and len(number) <= 20
    if not is_number or not NAME.match(feature) or int(number) > _BIGINT_MAX:
        raise LetterRefused(f"{letter_id[:200]!a} is no id of a dead letter", hint="ids are FEATURE/NUMBER, as listed")
    return feature, int(number)


def _refuse_decided(letter: StoredLetter, value: bytes | None) -> None:
    if letter.state == "discarded":
        raise LetterRefused(
            f"{letter.name} was discarded by {letter.decision['who']}: {letter.decision['reason']}",
            hint="if it is needed after all, give the feature its payload: `dead-letters show ID --value`",
        )
    if letter.state == "requeued" and value is not None:
        edit = letter.decision.get("edit")
        if edit is None or base64.b64decode(edit) != value:
            raise LetterRefused(f"{letter.name} was requeued with another payload", hint="`dead-letters show` has it")


def _line(letter: StoredLetter) -> Letter:
    state: State = letter.state  # type: ignore[assignment]
    return Letter(letter.name, letter.feature, letter.reason, state, letter.time_ms, len(letter.payload))
