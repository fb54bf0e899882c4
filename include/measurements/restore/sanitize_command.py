"""The sanitizer as another process: it sees no credentials of ours, and features do not import one another."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from include.measurements.errors import RestoreRefused
from include.measurements.restore.sanitized_again import Sanitize
from include.measurements.sanitize.rules import RULES_VERSION

TIMEOUT_S = 3600
_SAID_KEPT = 500


def sanitize_command(bridges: Path) -> Sanitize:
    """`python -m include.measurements.sanitize run` over one folder; RestoreRefused when the run itself fails."""

    def sanitize(raw: Path, state: Path) -> str:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "include.measurements.sanitize",
                "run",
                "--input",
                raw,
                "--state",
                state,
                "--bridges",
                bridges,
                "--json",
            ],
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        if ended.returncode:
            raise RestoreRefused(
                f"the sanitizer failed (exit code {ended.returncode}): {_end(ended.stderr)}",
                hint="nothing was changed; fix that and restore again",
            )
        return _end(ended.stdout)

    return sanitize


def made_by(bridges: Path) -> str:
    """
    Tells what is sanitized with the present rules and this bridge map from what was sanitized with others.

    From the map's size and time: only the sanitizer reads what is in it, and it refuses a map that is missing.
    """
    text = f"{RULES_VERSION}"
    if bridges.exists():
        status = bridges.stat()
        text += f" {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _end(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()[-_SAID_KEPT:]
