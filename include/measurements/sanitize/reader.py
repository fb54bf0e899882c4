"""
The sanitizer's outer half: asks the process in the sandbox for one report after the other.

A process that dies or stalls is replaced, and told to leave out the document it had in hand: it costs that document.
What comes out of the sandbox is checked like anything else from strangers.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, get_args

import yaml

from include.common.limited_process import ChildEnded, ChildTimedOut, LimitedProcess, Limits, Shown
from include.measurements.sanitize.config import SanitizeSettings
from include.measurements.sanitize.sanitize_report import BAD_LISTED_MAX, Outcome, Verdict
from include.measurements.sanitize.yaml_document import Reason
from spool.errors import TransientError

LOGGER = logging.getLogger(__name__)

FUNCTION = "include.measurements.sanitize.child:main"
PACKAGES = {"yaml": Path(yaml.__file__).parent, "include.measurements.sanitize": Path(__file__).parent}
# A report that kills more processes than this is held as a whole.
REPLACED_MAX = 8
# Between two documents that a parser sees lie at most this many seconds of reading and writing.
_BETWEEN_DOCUMENTS_S = 120.0
_HELD_AT_LENGTH_MAX = 500
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


class ChildRefused(TransientError):
    """The process in the sandbox answers what it must not: a bug of ours, or a report that got hold of it."""


class Touched(NamedTuple):
    document: int
    path: str
    rule: str


@dataclass
class Reader:
    """Shows the sandbox `folder`, the bridge map, and `work`, where it writes; nothing else."""

    folder: Path
    work: Path
    bridges: Path
    settings: SanitizeSettings
    _process: LimitedProcess | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def sanitize(self, file: str, out: str, report_file: str, touched: list[Touched] | None = None) -> Verdict:
        """The verdict on `folder/file`; its sanitized bytes are in `work/out` where it is `sanitized`."""
        refused: dict[int, str] = {}
        question = {"file": file, "out": out, "report_file": report_file, "explain": touched is not None}
        for _ in range(REPLACED_MAX):
            (self.work / out).unlink(missing_ok=True)
            if touched:
                touched.clear()
            answer = self._asked(question | {"refused": refused}, touched)
            if isinstance(answer, Verdict):
                return answer
            if answer.document is None or answer.document in refused:
                break
            refused[answer.document] = answer.reason
        return Verdict(outcome="quarantined", reason="hostile")

    def _asked(self, question: Mapping[str, object], touched: list[Touched] | None) -> Verdict | _Died:
        process = self._process or self._started()
        parsing: int | None = None
        try:
            process.ask(question)
            until = time.monotonic() + _BETWEEN_DOCUMENTS_S
            while True:
                answer = process.next_line(until - time.monotonic())
                if "verdict" in answer:
                    return checked_verdict(answer["verdict"])
                if "touched" in answer and touched is not None:
                    touched.append(_checked_touch(answer["touched"]))
                if "failed" in answer:
                    LOGGER.error("a bug of the sanitizer, at document %s: %s", parsing, ascii(answer["failed"])[:200])
                if isinstance(answer.get("parsing"), int):
                    parsing = answer["parsing"]
                    until = time.monotonic() + self.settings.document_s
        except ChildTimedOut:
            self._end()
            return _Died("time", parsing)
        except ChildEnded:
            self._end()
            return _Died("crashed", parsing)

    def _started(self) -> LimitedProcess:
        shown = [
            Shown(self.folder, "/in"),
            Shown(self.work, "/out", writable=True),
            Shown(self.bridges.resolve(), "/bridges.json"),
        ]
        limits = Limits(memory_bytes=self.settings.memory_bytes)
        self._process = LimitedProcess(FUNCTION, PACKAGES, shown, limits)
        self._process.ask({"settings": self.settings.for_child()})
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.__exit__(None, None, None)
            self._process = None


class _Died(NamedTuple):
    reason: str
    document: int | None


def checked_verdict(answer: object) -> Verdict:
    """ChildRefused where it is none: its words go into names of folders and events."""
    try:
        return _verdict(answer)
    except (TypeError, ValueError, KeyError) as error:
        raise ChildRefused(f"no verdict: {type(error).__name__}", hint="look at the report by hand") from None


def _verdict(answer: Any) -> Verdict:
    verdict = Verdict(**answer)
    if verdict.outcome not in get_args(Outcome) or (verdict.outcome == "sanitized") != (verdict.reason == ""):
        raise ValueError(verdict.outcome)
    # Names of fields are a stranger's words.
    verdict.held_at = ascii(str(verdict.held_at))[1:-1][:_HELD_AT_LENGTH_MAX]
    numbers = [verdict.documents, verdict.bad, verdict.empty, *verdict.touched.values()]
    words = [word for word in (verdict.reason, verdict.test, *verdict.touched) if word]
    if not all(isinstance(n, int) and n >= 0 for n in numbers) or not all(map(_WORD.match, words)):
        raise ValueError("counts")
    if len(verdict.bad_documents) > BAD_LISTED_MAX or not all(map(_is_bad_slice, verdict.bad_documents)):
        raise ValueError("bad documents")
    return verdict


def _is_bad_slice(bad: Any) -> bool:
    return (
        bad.keys() == {"document", "offset", "size", "sha1", "error"}
        and all(isinstance(bad[name], int) for name in ("document", "offset", "size"))
        and re.fullmatch("[0-9a-f]{40}", bad["sha1"]) is not None
        and bad["error"] in get_args(Reason)
    )


def _checked_touch(touch: Any) -> Touched:
    return Touched(int(touch["document"]), ascii(str(touch["path"]))[1:-1], str(touch["rule"]))


def lines(touched: list[Touched]) -> Iterator[str]:
    """One line for each touched field."""
    return (f"document {one.document}: {one.path}: {one.rule}" for one in touched)
