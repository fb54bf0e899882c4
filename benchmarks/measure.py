"""What all benchmarks share: repeats, medians, the machine, one JSON document a program."""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "docs" / "benchmarks"


def repeat(measure: Callable[[], float], times: int) -> dict[str, Any]:
    """Run `measure` and keep every value: {"median", "lowest", "highest", "runs"}."""
    runs = [measure() for _ in range(times)]
    return summary(runs)


def repeat_in_turns(*measures: Callable[[], float], repeats: int) -> list[dict[str, Any]]:
    """As `repeat` for each, taken in turns, so that a ratio between them holds on a machine whose speed drifts."""
    rounds = [[measure() for measure in measures] for _ in range(repeats)]
    return [summary(list(runs)) for runs in zip(*rounds, strict=True)]


def summary(runs: list[float]) -> dict[str, Any]:
    return {
        "median": _round(statistics.median(runs)),
        "lowest": _round(min(runs)),
        "highest": _round(max(runs)),
        "runs": [_round(r) for r in runs],
    }


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peak_memory_mb() -> float:
    """The largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def publish(name: str, results: dict[str, Any]) -> None:
    """Print the document and keep it as docs/benchmarks/<name>.json."""
    document = {"benchmark": name, **_where_and_when(), "results": results}
    text = json.dumps(document, indent=2) + "\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _where_and_when() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=RESULTS.parent.parent
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit.stdout.strip() or "unknown",
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
    }


def _round(value: float) -> float:
    return round(value, 1) if value < 1000 else round(value)
