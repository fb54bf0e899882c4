"""
What became of one measurement report, as a value: in memory, as the sandbox answers it, and in the note on disk.

`decode` checks everything: the process in the sandbox reads what strangers wrote, and its words go into names of
folders, events and logs. Fields that an older note lacks have their defaults.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from include.measurements.sanitize.yaml_document import Reason

Outcome = Literal["sanitized", "quarantined", "errored"]

# Of bad documents beyond these only the number is kept.
BAD_LISTED_MAX = 1000
_HELD_AT_LENGTH_MAX = 500
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class BadSlice:
    """What was not taken: `size` bytes from `offset` of the original, and why."""

    document: int
    offset: int
    size: int
    sha1: str
    error: Reason


@dataclass
class Verdict:
    """
    documents     written, header included
    bad           documents that were not taken; the first of them in `bad_documents`
    empty         documents that hold nothing (null)
    truncated     the last document lacks its end mark: the probe or the transfer died
    touched       rule to number of fields it changed
    held_at       the document and field that held the report, where one did
    secret_name   its own file name holds something secret: it is shown nowhere
    """

    outcome: Outcome = "sanitized"
    reason: str = ""
    test: str = ""
    documents: int = 0
    bad: int = 0
    empty: int = 0
    truncated: bool = False
    touched: Counter[str] = field(default_factory=Counter)
    bad_documents: list[BadSlice] = field(default_factory=list)
    held_at: str = ""
    secret_name: bool = False

    def encode(self) -> dict[str, Any]:
        """Of JSON values only."""
        bad = [asdict(bad) for bad in self.bad_documents]
        # asdict() of the whole would take the counter for a list of pairs.
        return vars(self) | {"touched": dict(self.touched), "bad_documents": bad}

    @classmethod
    def decode(cls, answer: object) -> Verdict:
        """ValueError where it is none."""
        if not isinstance(answer, dict):
            raise ValueError("no object")  # noqa: TRY004 - what comes from outside is a value, not a type
        try:
            bad = [BadSlice(**bad) for bad in answer.get("bad_documents", [])]
            verdict = cls(**answer | {"touched": Counter(answer.get("touched", {})), "bad_documents": bad})
        except TypeError:
            raise ValueError("fields") from None
        verdict._check()
        # Names of fields are a stranger's words.
        verdict.held_at = ascii(verdict.held_at)[1:-1][:_HELD_AT_LENGTH_MAX]
        return verdict

    def _check(self) -> None:
        if self.outcome not in get_args(Outcome) or (self.outcome == "sanitized") != (self.reason == ""):
            raise ValueError("outcome")
        numbers = [self.documents, self.bad, self.empty, *self.touched.values()]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("counts")
        words = [word for word in (self.reason, self.test, *self.touched) if word != ""]
        if not all(isinstance(word, str) and _WORD.match(word) for word in words):
            raise ValueError("words")
        if not isinstance(self.held_at, str) or not all(type(v) is bool for v in (self.truncated, self.secret_name)):
            raise ValueError("flags")
        if len(self.bad_documents) > BAD_LISTED_MAX or not all(map(_is_bad_slice, self.bad_documents)):
            raise ValueError("bad documents")


def _is_bad_slice(bad: BadSlice) -> bool:
    return (
        all(type(number) is int and number >= 0 for number in (bad.document, bad.offset, bad.size))
        and isinstance(bad.sha1, str)
        and _SHA1.match(bad.sha1) is not None
        and bad.error in get_args(Reason)
    )
