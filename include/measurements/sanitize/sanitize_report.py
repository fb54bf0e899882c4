"""
One report, from its bytes to sanitized bytes and a verdict. Runs inside the sandbox; knows no states and no folders.

    1. cut into slices                                   slicing.py
    2. of each slice: parse, or note why not             yaml_document.py
    3. the first document is the header: test, rules     known_tests.py, rules.py
    4. each further one: redact; write it anew where a field was touched, else its own bytes;
       one that is like an earlier one and shows no secret is not parsed at all    outline.py, secret_scan.py
    5. look once more for secrets in what was written: one left holds the report
    6. the counts go into the header's last line, whose place was kept
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Literal

from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.outline import Outlines, outline_of, scannable
from include.measurements.sanitize.rules import RULES_VERSION, Rules, Touch, UnmappedBridge, is_sanitized
from include.measurements.sanitize.slicing import Slice, slices
from include.measurements.sanitize.yaml_document import HOSTILE, BadDocument, DocumentLimits, Reason, load
from include.measurements.sanitize.yaml_output import dump

Outcome = Literal["sanitized", "quarantined", "errored"]

# Of bad documents beyond these only the number is kept.
BAD_LISTED_MAX = 1000
_MARK_BYTES = 80
_END = b"...\n"


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
    documents   written, header included
    bad         documents that were not taken; the first of them in `bad_documents`
    empty       documents that hold nothing (null)
    truncated   the last document lacks its end mark: the probe or the transfer died
    touched     rule to number of fields it changed
    held_at     the document and field that held the report, where one did
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

    def as_dict(self) -> dict[str, Any]:
        bad = [asdict(one) if isinstance(one, BadSlice) else one for one in self.bad_documents]
        # asdict() of the whole would take the counter for a list of pairs.
        return vars(self) | {"touched": dict(self.touched), "bad_documents": bad}


class Held(Exception):
    """The whole report cannot go on."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(outcome, reason)
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True)
class Reading:
    """
    How to read.

    refused     number of a document to why it is not parsed again: it killed or stalled an earlier process
    on_parse    told the number of each document before it is parsed
    on_touch    told what was touched, for `explain`
    """

    document_bytes_max: int
    limits: DocumentLimits
    refused: dict[int, Reason] = field(default_factory=dict)
    on_parse: Callable[[int], None] = lambda number: None
    on_touch: Callable[[int, tuple[Touch, ...]], None] = lambda number, touches: None


def sanitize_report(
    source: BinaryIO, target: BinaryIO, report_file: str, rules: Rules, tests: KnownTests, reading: Reading
) -> Verdict:
    """Write the sanitized report to `target` (seekable, empty). What lies there is meant only if it is `sanitized`."""
    one = _Report(target, report_file, rules, tests, reading)
    try:
        if rules.secrets.found_in(report_file):
            raise Held("quarantined", "secret_in_name")
        one.read(source)
    except Held as held:
        one.verdict.outcome, one.verdict.reason = held.outcome, held.reason
    except UnmappedBridge as unmapped:
        one.verdict.outcome, one.verdict.reason = "quarantined", "unmapped_bridge"
        one.verdict.held_at = f"document {one.number}: {unmapped.path}"
    return one.verdict


class _Report:
    def __init__(self, target: BinaryIO, report_file: str, rules: Rules, tests: KnownTests, reading: Reading) -> None:
        self.verdict = Verdict()
        self.number = 0
        self._target = target
        self._report_file = report_file
        self._rules = rules
        self._tests = tests
        self._reading = reading
        self._bad_before = 0
        self._truncated_before = False
        self._mark_at = 0
        self._outlines = Outlines()

    def read(self, source: BinaryIO) -> None:
        for number, piece in enumerate(slices(source, self._reading.document_bytes_max)):
            self.number = number
            self.verdict.truncated |= not piece.ended
            try:
                if self.verdict.documents:
                    self._entry(number, piece)
                else:
                    self._header(number, piece)
            except BadDocument as bad:
                self._note_bad(number, piece, bad.reason)
                if not self.verdict.documents:
                    hostile = bad.reason in HOSTILE
                    raise Held("quarantined" if hostile else "errored", "hostile" if hostile else "failed") from None
        self._finish()

    def _header(self, number: int, piece: Slice) -> None:
        header = self._load(number, piece)
        if header is None:
            self.verdict.empty += 1
            return
        if not isinstance(header, dict):
            raise BadDocument("not_a_mapping")
        if not isinstance(name := header.get("test_name"), str):
            raise Held("errored", "failed")
        test = self._tests.canonical(name)
        if test is None:
            raise Held("quarantined", "unknown_test")
        self.verdict.test = test
        new, touches = self._rules.header(header, test, self._report_file)
        self._told(number, touches)
        mark = new.pop("sanitizer", None)
        if is_sanitized(header):
            self._bad_before = mark["bad_documents"] if isinstance(mark.get("bad_documents"), int) else 0
            self._truncated_before = mark.get("truncated") is True
        text = self._checked(dump(new)).removesuffix(_END)
        self._mark_at = len(text)
        self._target.write(text + b" " * (_MARK_BYTES - 1) + b"\n" + _END)
        self.verdict.documents = 1

    def _entry(self, number: int, piece: Slice) -> None:
        outline = self._outline(number, piece)
        if outline is not None and self._outlines.knows(outline):
            self._write(piece.content)
            return
        value = self._load(number, piece)
        if value is None:
            self.verdict.empty += 1
            return
        if not isinstance(value, dict):
            raise BadDocument("not_a_mapping")
        new, touches = self._rules.entry(self.verdict.test, value)
        self._told(number, touches)
        # A secret may stand where no value is: in a comment.
        if new is not value or self._rules.may_touch(piece.content):
            self._write(self._checked(dump(new)))
            return
        self._write(piece.content)
        if outline is not None:
            self._outlines.learn(outline)

    def _outline(self, number: int, piece: Slice) -> bytes | None:
        """None where the document must be parsed, whatever was parsed before."""
        if piece.kind != "document" or number in self._reading.refused or not piece.ended:
            return None
        if self._rules.reads_every_entry(self.verdict.test):
            return None
        outline = outline_of(piece.content, self._reading.limits.nodes)
        if outline is None:
            return None
        try:
            texts = list(scannable(piece.content))
        except ValueError:
            return None
        return None if any(map(self._rules.may_touch, texts)) else outline

    def _write(self, content: bytes) -> None:
        self._target.write(content if content.endswith(b"\n") else content + b"\n")
        self.verdict.documents += 1

    def _load(self, number: int, piece: Slice) -> Any:
        if piece.kind != "document":
            raise BadDocument("size" if piece.kind == "oversized" else "unframed")
        if number in self._reading.refused:
            raise BadDocument(self._reading.refused[number])
        if not piece.ended and not piece.content.endswith(b"\n"):
            # It may end within an address, of which a part would go out.
            raise BadDocument("truncated")
        self._reading.on_parse(number)
        return load(piece.content, self._reading.limits)

    def _told(self, number: int, touches: tuple[Touch, ...]) -> None:
        self.verdict.touched.update(touch.rule for touch in touches)
        self._reading.on_touch(number, touches)

    def _checked(self, content: bytes) -> bytes:
        if self._rules.secrets.found_in(content.decode()):
            raise Held("quarantined", "leak")
        return content

    def _note_bad(self, number: int, piece: Slice, reason: Reason) -> None:
        self.verdict.bad += 1
        if len(self.verdict.bad_documents) < BAD_LISTED_MAX:
            sha1 = piece.sha1 or hashlib.sha1(piece.content, usedforsecurity=False).hexdigest()
            self.verdict.bad_documents.append(BadSlice(number, piece.offset, piece.size, sha1, reason))

    def _finish(self) -> None:
        if self.verdict.documents < 2:
            raise Held(*(("quarantined", "bad_documents") if self.verdict.bad else ("errored", "empty")))
        truncated = str(self.verdict.truncated or self._truncated_before).lower()
        bad = self.verdict.bad + self._bad_before
        mark = f"sanitizer: {{bad_documents: {bad}, rules: {RULES_VERSION}, truncated: {truncated}}}"
        self._target.seek(self._mark_at)
        self._target.write(mark.ljust(_MARK_BYTES - 1).encode())
