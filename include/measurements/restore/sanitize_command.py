"""The sanitizer as another process: it sees no credentials of ours, and features do not import one another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from include.measurements.errors import RestoreRefused
from include.measurements.restore.restorer import Sanitize

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
                hint="nothing was changed; mend it and restore again",
            )
        return _end(ended.stdout)

    return sanitize


def _end(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()[-_SAID_KEPT:]
