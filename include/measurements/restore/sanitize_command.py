"""The sanitizer as another process: it sees no credentials of ours, and features do not import one another."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from pathlib import Path

from include.common.processes import bounded
from include.common.processes.bounded import Ended
from include.measurements.errors import RestoreRefused, SanitizerUnavailable
from include.measurements.restore.sanitized_again import Sanitize
from include.measurements.sanitize.rules import RULES_VERSION
from spool.command_line import ExitCode
from spool.errors import SpoolError

TIMEOUT_S = 3600
_SAID_KEPT = 500
_LINES_KEPT = 10


def sanitize_command(bridges: Path) -> Sanitize:
    """
    `python -m include.measurements.sanitize run` over one folder; returns the end of what it printed.

    RestoreRefused where the run itself fails; SanitizerUnavailable where trying again may help. It ends with us.
    """

    def sanitize(raw: Path, state: Path) -> str:
        last: deque[str] = deque(maxlen=_LINES_KEPT)
        ended = bounded.run(
            [
                *(sys.executable, "-m", "include.measurements.sanitize", "run", "--json"),
                *("--input", str(raw), "--state", str(state), "--bridges", str(bridges)),
            ],
            timeout_s=TIMEOUT_S,
            on_line=last.append,
            environment={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            folder=Path(__file__).parents[3],
        )
        if ended.code:
            raise _failure(ended)
        return _end("\n".join(last))

    return sanitize


def _failure(ended: Ended) -> SpoolError:
    message = f"the sanitizer failed (exit code {ended.code}): {_end(ended.errors)}"
    if ended.code == ExitCode.TRY_AGAIN:
        return SanitizerUnavailable(message, hint="nothing was changed; restore again later")
    return RestoreRefused(message, hint="nothing was changed; fix that and restore again")


def made_by(bridges: Path) -> str:
    """
    Distinguishes what is sanitized with the present rules and this bridge map from what was sanitized with others.

    From the map's size and time: only the sanitizer reads what is in it, and it refuses a map that is missing.
    """
    text = f"{RULES_VERSION}"
    if bridges.exists():
        status = bridges.stat()
        text += f" {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _end(output: str) -> str:
    return output.strip()[-_SAID_KEPT:]
