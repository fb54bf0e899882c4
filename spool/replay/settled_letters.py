"""
What a replay that was rewound does not send again: events that were requeued, or discarded, as dead letters (rule 25).

They are read ahead of the chunks, a state at a time; a log without such states costs one listing a claim.
"""

from __future__ import annotations

from collections.abc import Iterator

from spool.dead_letters.states import LetterState, LetterStates
from spool.event import Position


class SettledLetters:
    """Of one log. `begin` when the log was claimed: what is decided later finds the event delivered."""

    def __init__(self, states: LetterStates, stream: str, log: str) -> None:
        self._states, self._stream, self._log = states, stream, log
        self._ahead: Iterator[LetterState] = iter(())
        self._next: LetterState | None = None

    def begin(self, offset: int) -> None:
        """From `offset` on, where a chunk begins. StoreUnavailable; CorruptRecord."""
        self._ahead = self._states.decided(Position(self._stream, self._log, offset))
        self._next = next(self._ahead, None)

    def below(self, offset: int) -> set[int]:
        """The offsets since the last call that are below `offset`, where a chunk ends; groups never straddle it."""
        settled: set[int] = set()
        while self._next is not None and self._next.first < offset:
            settled.update(self._next.offsets)
            self._next = next(self._ahead, None)
        return settled
