"""
The sanitizer's outer half: asks the process in the sandbox for one measurement report after the other.

A process that dies or stalls is replaced and asked again: the machine may have been busy, or out of memory. One that
dies of the same document a second time is instructed to leave that document out: it costs one document. What the
process itself says was the machine's fault ends the run and costs nothing.

The process writes into a folder of its own. What it made is copied out of there, so that nothing it does afterwards,
and no link it makes, reaches our files. What comes out of the sandbox is checked like anything else from strangers.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import yaml

from include.common.processes.sandboxed import ChildEnded, ChildTimedOut, LimitedProcess, Limits, Shown
from include.measurements.machine_faults import MACHINE_ERRNOS
from include.measurements.sanitize import config
from include.measurements.sanitize.config import SanitizeSettings
from include.measurements.sanitize.errors import MachineFault
from include.measurements.sanitize.verdict import Verdict
from include.measurements.sanitize.yaml_document import Reason
from spool.errors import TransientError

LOGGER = logging.getLogger(__name__)

FUNCTION = "include.measurements.sanitize.child:main"
PACKAGES = {"yaml": Path(yaml.__file__).parent, "include.measurements.sanitize": Path(__file__).parent}
# A report that kills more processes than this is held as a whole.
REPLACED_MAX = 16
# A document that killed or stalled so many processes did it, not the machine.
STRIKES = 2
# Between two signs of life there are at most this many seconds of reading and writing, on a busy machine too.
_BETWEEN_SIGNS_S = 120.0
# A process has an hour of processor time; before it is used up, another one takes over.
_SERVES_S = 1800.0
_COPY_BYTES = 1024 * 1024
# Killed from outside, or by the kernel where memory is short: `bwrap` and a shell report it as 128 + 9.
_KILLED = (-9, 137)


class ChildRefused(TransientError):
    """The process in the sandbox answers what it must not: a bug of ours, or a report that got hold of it."""


class Touched(NamedTuple):
    document: int
    path: str
    rule: str


class _Died(NamedTuple):
    reason: Reason
    document: int | None
    was_killed: bool = False


@dataclass
class _Progress:
    """Where the process is: the document in hand, why it may die of it, and until when it must give a sign of life."""

    document: int | None = None
    reason: Reason = "crashed"
    until: float = field(default_factory=lambda: time.monotonic() + _BETWEEN_SIGNS_S)

    def note(self, answer: Mapping[str, object], document_s: float) -> None:
        if "failed" in answer:
            LOGGER.error("a bug of the sanitizer, at document %s: %s", self.document, ascii(answer["failed"])[:200])
        if "out_of_memory" in answer:
            self.reason = "memory"
        if "reading" in answer:
            self.until = time.monotonic() + _BETWEEN_SIGNS_S
        if type(document := answer.get("parsing")) is int:
            self.document = document
            self.until = time.monotonic() + document_s


@dataclass
class Reader:
    """Shows the sandbox `folder` and a folder of its own within `work`; `bridges` is read whenever one starts."""

    folder: Path
    work: Path
    bridges: Path
    settings: SanitizeSettings
    _process: LimitedProcess | None = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        shutil.rmtree(self._box, ignore_errors=True)

    def sanitize(self, file: str, out: str, report_file: str, touched: list[Touched] | None = None) -> Verdict:
        """
        The verdict on `folder/file`; its sanitized bytes are in `work/out` where it is `sanitized`.

        BridgeMapRefused, MachineFault, SandboxUnavailable: nothing is said about the report.
        """
        refused: dict[int, Reason] = {}
        strikes: Counter[int | None] = Counter()
        question = {"file": file, "out": out, "report_file": report_file, "explain": touched is not None}
        for _ in range(REPLACED_MAX):
            if touched:
                touched.clear()
            answer = self._asked(question | {"refused": refused}, touched)
            if isinstance(answer, Verdict):
                if answer.outcome == "sanitized":
                    self._take_out(out)
                return answer
            strikes[answer.document] += 1
            if strikes[answer.document] < STRIKES:
                continue
            if answer.was_killed:
                raise MachineFault.of(MemoryError())
            if answer.document is None or answer.document in refused:
                break
            refused[answer.document] = answer.reason
        return Verdict(outcome="quarantined", reason="hostile")

    @property
    def _box(self) -> Path:
        return self.work / "sandbox"

    def _asked(self, question: Mapping[str, object], touched: list[Touched] | None) -> Verdict | _Died:
        if self._process is not None and time.monotonic() > self._until:
            self._end()
        process = self._process or self._started()
        _remove(self._box / str(question["out"]))
        at = _Progress()
        try:
            process.ask(question)
            while True:
                message = process.next_line(max(0.0, at.until - time.monotonic()))
                if "verdict" in message:
                    return checked_verdict(message["verdict"])
                if "touched" in message and touched is not None:
                    touched.append(_checked_touch(message["touched"]))
                if "fault" in message:
                    self._raise_fault(message["fault"])
                at.note(message, self.settings.document_s)
        except ChildTimedOut:
            self._end()
            return _Died("time", at.document)
        except ChildEnded:
            was_killed = process.exit_code in _KILLED
            self._end()
            return _Died(at.reason, at.document, was_killed)

    def _raise_fault(self, number: object) -> None:
        """An OSError of the process: the machine's, or one about this report's file, such as that it cannot be read."""
        self._end()
        fault = OSError(number if isinstance(number, int) else errno.EIO, "in the sandbox")
        raise MachineFault.of(fault) if fault.errno in MACHINE_ERRNOS else fault

    def _started(self) -> LimitedProcess:
        text = config.bridge_map_text(self.bridges, self.settings.bridge_map_days_max)
        shutil.rmtree(self._box, ignore_errors=True)
        self._box.mkdir(mode=0o700)
        shown = [Shown(self.folder, "/in"), Shown(self._box, "/out", writable=True)]
        limits = Limits(memory_bytes=self.settings.memory_bytes)
        self._process = LimitedProcess(FUNCTION, PACKAGES, shown, limits)
        self._until = time.monotonic() + _SERVES_S
        self._process.ask({"settings": self.settings.for_child(), "bridges": text})
        try:
            serving = self._process.next_line(_BETWEEN_SIGNS_S)
        except (ChildEnded, ChildTimedOut):
            serving = {}
        if serving != {"serving": True}:
            self._end()
            raise MachineFault(
                "the process in the sandbox does not begin to serve",
                hint="is the machine out of memory?",
            )
        return self._process

    def _take_out(self, out: str) -> None:
        """Copy what it made into a file of ours: it may still have its own file open."""
        source = os.open(self._box / out, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(source, "rb") as result:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise ChildRefused("the process in the sandbox made no file", hint="look at the report by hand")
            _remove(self.work / out)
            target = os.open(self.work / out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(target, "wb") as ours:
                shutil.copyfileobj(result, ours, _COPY_BYTES)
        _remove(self._box / out)

    def _end(self) -> None:
        if self._process is not None:
            self._process.__exit__(None, None, None)
            self._process = None


def checked_verdict(answer: object) -> Verdict:
    """ChildRefused where it is none: its words go into names of folders and events."""
    try:
        return Verdict.decode(answer)
    except ValueError as error:
        raise ChildRefused(f"no verdict: {error}", hint="look at the report by hand") from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _checked_touch(touch: object) -> Touched:
    try:
        if not isinstance(touch, dict):
            raise ValueError("no object")  # noqa: TRY004 - what comes from outside is a value, not a type
        return Touched(int(touch["document"]), ascii(str(touch["path"]))[1:-1], ascii(str(touch["rule"]))[1:-1])
    except (KeyError, TypeError, ValueError):
        raise ChildRefused("no touch", hint="look at the report by hand") from None
