"""
What every place of dead letters can do: over the object store (what Kafka refuses), over SQL (what features cannot
process).

    open ──────────> requeueing ──> requeued
      └──> discarded

Ids are `<source>/<number>`: `<stream>/<log>/<offset>` in the object store, `<feature>/<number>` in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, get_args

from spool.errors import LetterRefused, SpoolError, TransientError

State = Literal["open", "requeueing", "requeued", "discarded", "unreadable"]
STATES: tuple[State, ...] = get_args(State)
PAGE_LETTERS = 100
# An error names so many letters; a run prints every one of them anyway.
_NAMED = 10


class Letter(NamedTuple):
    """
    One line of a listing.

    source      where it comes from: `<stream>/<log>`, or a feature
    reason      why it could not go on; of an unreadable letter, what is wrong with it
    time_ms     when it was put, milliseconds since 1970 UTC; 0 where that cannot be read
    size_bytes  of its payload
    """

    id: str
    source: str
    reason: str
    state: State
    time_ms: int
    size_bytes: int


class LetterDetails(NamedTuple):
    """A letter, what was put, and what was decided about it (empty while it is open)."""

    letter: Letter
    document: Mapping[str, Any]
    decision: Mapping[str, Any]


class LetterFilter(NamedTuple):
    """source: everything below it (`events`, `events/4f1c09aa31`, a feature), "" = all. state: None = any."""

    source: str = ""
    state: State | None = None


class Page(NamedTuple):
    """
    Letters in the order of their sources and numbers.

    A page with a filter by state may hold fewer letters than asked for, or none. `next` is what `after` has to be for
    the page that follows; "" at the end.
    """

    letters: tuple[Letter, ...]
    next: str


class Decision(NamedTuple):
    """Who decided something about a letter, and why; both are kept."""

    who: str
    reason: str


class Outcome(NamedTuple):
    """
    What became of one letter in a run.

    detail  where a requeued event is now, or what a dry run would do
    error   why nothing was done; None where it was
    """

    id: str
    state: State
    detail: str
    error: SpoolError | None = None


Item = TypeVar("Item", contravariant=True)


class DeadLetters(Protocol[Item]):
    """`Item` is what cannot go on, in the words of the place."""

    def put(self, item: Item, reason: str) -> str:
        """Keep it and return its id; durable when it returns. One that is there already keeps its first reason."""
        ...

    def list(self, chosen: LetterFilter, *, after: str = "", limit: int = PAGE_LETTERS) -> Page:
        """At most `limit` letters are looked at. One that cannot be read is listed as `unreadable`."""
        ...

    def show(self, letter_id: str) -> LetterDetails:
        """LetterRefused where there is no such letter; CorruptRecord where it cannot be read."""
        ...

    def payload(self, letter_id: str) -> bytes:
        """As it was put. LetterRefused where there is no such letter; CorruptRecord where it cannot be read."""
        ...

    def requeue(
        self, ids: Sequence[str], decision: Decision, *, dry_run: bool, value: bytes | None = None
    ) -> tuple[Outcome, ...]:
        """
        Send each letter on its way again, once, however often it is called and whenever it dies.

        One that fails does not stop the others: its outcome has the error. `value` replaces the payload of a single
        letter. A letter that was requeued before answers as it did then.
        """
        ...

    def discard(self, letter_id: str, decision: Decision, *, dry_run: bool) -> Outcome:
        """Never send it. LetterRefused without a reason, and for a letter that is being, or was, requeued."""
        ...


def requeue_all(
    letters: DeadLetters[Any], source: str, decision: Decision, *, dry_run: bool, page_letters: int = PAGE_LETTERS
) -> Iterator[Outcome]:
    """Every letter below `source` that is open, or whose requeue was interrupted, page by page."""
    after = ""
    while True:
        page = letters.list(LetterFilter(source), after=after, limit=page_letters)
        ids = [letter.id for letter in page.letters if letter.state in ("open", "requeueing")]
        for letter in page.letters:
            if letter.state == "unreadable":
                yield Outcome(
                    letter.id, "unreadable", "", LetterRefused(letter.reason, hint="docs/runbooks/dead-letters.md")
                )
        yield from letters.requeue(ids, decision, dry_run=dry_run)
        after = page.next
        if not after:
            return


def demand_all_done(outcomes: Sequence[Outcome], total: int | None = None) -> None:
    """
    Raise if a letter was left: the only error itself, otherwise one that names the letters, the first of many.

    Transient only where trying again may help all of them. total: how many the run was about, where `outcomes` are
    only those that were left.
    """
    left = [(outcome.id, outcome.error) for outcome in outcomes if outcome.error is not None]
    if not left:
        return
    if len(left) == 1:
        raise left[0][1]
    message = f"{len(left)} of {total or len(outcomes)} letters were left: "
    message += "; ".join(f"{name}: {error}" for name, error in left[:_NAMED])
    if len(left) > _NAMED:
        message += f"; and {len(left) - _NAMED} more"
    if all(isinstance(error, TransientError) for _, error in left):
        raise LettersWait(message, hint="run it again: what was requeued is not sent twice")
    raise LetterRefused(message, hint="the others were done; docs/runbooks/dead-letters.md goes through the reasons")


class LettersWait(TransientError):
    """Letters that trying again may help."""


def demand_reason(decision: Decision) -> None:
    """LetterRefused where nothing was said: what is decided here is looked at again years later."""
    if not decision.reason.strip():
        raise LetterRefused("a decision about a dead letter needs a reason", hint="--reason 'the shop was closed'")
