"""
One measurement report, from its bytes to sanitized bytes and a verdict. Runs inside the sandbox; knows no folders.

    1. cut into slices                                   slicing.py
    2. of each slice: parse, or note why not             yaml_document.py
    3. the first document is the header: test, rules     known_tests.py, rules.py
    4. each further one: redact; write it again where a field was touched, else its own bytes;
       one that is like an earlier one and shows no secret is not parsed at all    outline.py, secret_scan.py
    5. look once more for secrets in what was written: one left holds the report
    6. what was learned on the way is secret in the whole report: then all of this again   report_secrets.py
    7. the counts go into the header's last line, whose place was kept
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.outline import Outlines, byte_strings, outline_of, scannable
from include.measurements.sanitize.redaction import Touch
from include.measurements.sanitize.report_secrets import UnmappedBridge
from include.measurements.sanitize.rules import (
    BAD_DOCUMENTS_MAX,
    RULES_VERSION,
    NotUnderstood,
    Rules,
    has_header_fields,
    is_header,
    mark_of,
)
from include.measurements.sanitize.slicing import Slice, slices
from include.measurements.sanitize.verdict import BAD_LISTED_MAX, BadSlice, Outcome, Verdict
from include.measurements.sanitize.yaml_document import HOSTILE, BadDocument, DocumentLimits, Reason, load
from include.measurements.sanitize.yaml_output import dump

# Each pass but the last learned something, at most the other half of what the one before had learned.
PASSES_MAX = 6
_MARK_BYTES = 80
_END = b"...\n"


class MeasurementReportHeld(Exception):
    """The whole report is held."""

    def __init__(self, outcome: Outcome, reason: str, held_at: str = "") -> None:
        super().__init__(outcome, reason)
        self.outcome: Outcome = outcome
        self.reason = reason
        self.held_at = held_at


@dataclass(frozen=True)
class Reading:
    """
    How to read.

    documents_max  of one report; more hold it
    seconds_max    of processor time for one report; more hold it
    refused        number of a document to why it is not parsed again: it killed or stalled an earlier process
    on_parse       called with the number of each document before it is parsed
    on_touch       called with what was touched, for `explain`
    fast           False: every document is parsed, as the tests compare
    """

    document_bytes_max: int
    limits: DocumentLimits
    documents_max: int = 1_000_000
    seconds_max: float = 3600.0
    refused: dict[int, Reason] = field(default_factory=dict)
    on_parse: Callable[[int], None] = lambda number: None
    on_touch: Callable[[int, tuple[Touch, ...]], None] = lambda number, touches: None
    fast: bool = True


def sanitize_report(
    source: BinaryIO, target: BinaryIO, report_file: str, rules: Rules, tests: KnownTests, reading: Reading
) -> Verdict:
    """
    Write the sanitized report to `target`; both are seekable, `target` is empty. What is there afterwards counts
    only if the verdict is `sanitized`. OSError and MemoryError are the machine's.
    """
    started = time.process_time()
    verdict = Verdict("quarantined", "too_long")
    for _ in range(PASSES_MAX):
        rules.known.begin_pass()
        source.seek(0)
        target.seek(0)
        target.truncate()
        one_pass = _Pass(target, report_file, rules, tests, reading, started)
        verdict = one_pass.run(source)
        if not rules.known.has_grown:
            break
    else:
        if verdict.outcome == "sanitized":
            verdict = Verdict("quarantined", "too_long", verdict.test)
    if rules.known.stand_in(report_file):
        verdict.secret_name = True
        # The header has the name too: it is what leaks, where nothing else does.
        if verdict.reason in ("", "leak"):
            verdict.outcome, verdict.reason = "quarantined", "secret_in_name"
    return verdict


class _Pass:
    def __init__(
        self, target: BinaryIO, report_file: str, rules: Rules, tests: KnownTests, reading: Reading, started: float
    ) -> None:
        self.verdict = Verdict()
        self._test = ""
        self._target = target
        self._report_file = report_file
        self._rules = rules
        self._tests = tests
        self._reading = reading
        self._until = started + reading.seconds_max
        self._bad_before = 0
        self._truncated_before = False
        self._mark_at = 0
        self._outlines = Outlines()
        self._unmapped: MeasurementReportHeld | None = None

    def run(self, source: BinaryIO) -> Verdict:
        try:
            self._read(source)
            if self._unmapped is not None:
                raise self._unmapped
            self._finish()
        except MeasurementReportHeld as held:
            self.verdict.outcome, self.verdict.reason = held.outcome, held.reason
            self.verdict.held_at = held.held_at
        return self.verdict

    def _read(self, source: BinaryIO) -> None:
        for number, piece in enumerate(slices(source, self._reading.document_bytes_max)):
            if number >= self._reading.documents_max or time.process_time() > self._until:
                raise MeasurementReportHeld("quarantined", "too_long", f"document {number}")
            self.verdict.truncated |= not piece.ended
            try:
                self._document(number, piece)
            except BadDocument as bad:
                self._note_bad(number, piece, bad.reason)
                if not self.verdict.documents:
                    hostile = bad.reason in HOSTILE
                    outcome: Outcome = "quarantined" if hostile else "errored"
                    raise MeasurementReportHeld(outcome, "hostile" if hostile else "failed") from None
            except UnmappedBridge as unmapped:
                # A later document may say whose it is, so the report is read to its end.
                place = f"document {number}: {unmapped.path}"
                self._unmapped = self._unmapped or MeasurementReportHeld("quarantined", "unmapped_bridge", place)
                self.verdict.documents = self.verdict.documents or 1
            except NotUnderstood as odd:
                place = f"document {number}: {odd.path}"
                raise MeasurementReportHeld("quarantined", "not_understood", place) from None

    def _document(self, number: int, piece: Slice) -> None:
        if self.verdict.documents:
            self._entry(number, piece)
        else:
            self._header(number, piece)

    def _header(self, number: int, piece: Slice) -> None:
        header = self._load(number, piece)
        if header is None:
            self.verdict.empty += 1
            return
        if not isinstance(header, dict):
            raise BadDocument("not_a_mapping")
        self._test = self.verdict.test = self._canonical(header)
        if (mark := mark_of(header)) is not None:
            self._bad_before, self._truncated_before = mark
        new, touches = self._rules.header(header, self._test, self._report_file)
        self._note_touches(number, touches)
        text = self._checked(dump(new)).removesuffix(_END)
        self._mark_at = len(text)
        self._target.write(text + b" " * (_MARK_BYTES - 1) + b"\n" + _END)
        self.verdict.documents = 1

    def _canonical(self, header: dict[Any, Any]) -> str:
        if not isinstance(name := header.get("test_name"), str):
            raise MeasurementReportHeld("errored", "failed")
        test = self._tests.canonical(name)
        if test is None:
            raise MeasurementReportHeld("quarantined", "unknown_test")
        return test

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
        if is_header(value):
            self._second_header(number, value)
            return
        new, touches = self._rules.entry(self._test, value)
        self._note_touches(number, touches)
        # A secret may stand where no value is: in a comment.
        if new is not value or self._rules.found_in_source(piece.content):
            self._write(self._checked(dump(new)))
            return
        self._write(piece.content)
        if outline is not None and not has_header_fields(value):
            self._outlines.learn(outline)

    def _second_header(self, number: int, header: dict[Any, Any]) -> None:
        """Two reports in one file: from here on it is the other one's test."""
        self._test = self._canonical(header)
        new, touches = self._rules.header(header, self._test, "")
        self._note_touches(number, touches)
        self._write(self._checked(dump(new)))

    def _outline(self, number: int, piece: Slice) -> bytes | None:
        """None where the document must be parsed, whatever was parsed before."""
        if piece.kind != "document" or number in self._reading.refused or not piece.ended or not self._reading.fast:
            return None
        if self._rules.reads_every_entry(self._test):
            return None
        outline = outline_of(piece.content, self._reading.limits.nodes)
        if outline is None:
            return None
        try:
            if any(map(self._rules.may_touch_bytes, byte_strings(piece.content))):
                return None
            return None if any(map(self._rules.may_touch, scannable(piece.content))) else outline
        except ValueError:
            return None

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

    def _note_touches(self, number: int, touches: tuple[Touch, ...]) -> None:
        self.verdict.touched.update(touch.rule for touch in touches)
        self._reading.on_touch(number, touches)

    def _checked(self, content: bytes) -> bytes:
        if self._rules.found_in_source(content):
            raise MeasurementReportHeld("quarantined", "leak")
        return content

    def _note_bad(self, number: int, piece: Slice, reason: Reason) -> None:
        self.verdict.bad += 1
        if len(self.verdict.bad_documents) < BAD_LISTED_MAX:
            sha1 = piece.sha1 or hashlib.sha1(piece.content, usedforsecurity=False).hexdigest()
            self.verdict.bad_documents.append(BadSlice(number, piece.offset, piece.size, sha1, reason))

    def _finish(self) -> None:
        if self.verdict.documents < 2:
            raise MeasurementReportHeld(
                *(("quarantined", "bad_documents") if self.verdict.bad else ("errored", "empty"))
            )
        truncated = str(self.verdict.truncated or self._truncated_before).lower()
        bad = min(self.verdict.bad + self._bad_before, BAD_DOCUMENTS_MAX)
        mark = f"sanitizer: {{bad_documents: {bad}, rules: {RULES_VERSION}, truncated: {truncated}}}"
        self._target.seek(self._mark_at)
        self._target.write(mark.ljust(_MARK_BYTES - 1).encode())
