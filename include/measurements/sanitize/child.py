"""
The sanitizer's inner half: the only code that opens reports. Starts in the sandbox, reads one JSON line per report.

    first line   {"settings": {...}}                                       answers {"ready": true} before, nothing after
    then         {"file": "b/x.yaml", "out": "3.out", "report_file": ...}  answers {"parsing": 7} ..., {"verdict": ...}

`{"parsing": n}` is told before each document that a parser sees: when this process dies or stalls, that one did it.
`{"failed": ...}` tells a bug of ours by type and line, before this process ends.
What it prints holds no contents of reports: numbers, reasons, paths of fields that were touched.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from include.measurements.sanitize.bridge_map import BridgeMap, parse_map
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.rules import Rules, Touch
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.yaml_document import DocumentLimits

# Where the sandbox shows what we may see.
IN, OUT, BRIDGES = Path("/in"), Path("/out"), Path("/bridges.json")


def main() -> int:
    """Serve until the input ends."""
    os.environ.clear()
    _say({"ready": True})
    settings = json.loads(sys.stdin.readline())["settings"]
    bridges = parse_map(BRIDGES.read_bytes())
    secrets = Secrets.of(bridges)
    for line in sys.stdin:
        try:
            _serve(json.loads(line), settings, bridges, secrets)
        except Exception as error:  # noqa: BLE001 - a bug costs the document in hand; what it says may hold contents
            place = traceback.extract_tb(error.__traceback__)[-1]
            _say({"failed": f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"})
            return 1
    return 0


def _serve(question: dict[str, Any], settings: dict[str, Any], bridges: BridgeMap, secrets: Secrets) -> None:
    reading = Reading(
        document_bytes_max=settings["document_bytes_max"],
        limits=DocumentLimits(settings["depth_max"], settings["nodes_max"]),
        refused={int(number): reason for number, reason in question.get("refused", {}).items()},
        on_parse=lambda number: _say({"parsing": number}),
        on_touch=_say_touches if question.get("explain") else lambda number, touches: None,
    )
    rules = Rules(bridges, secrets, settings["unmapped_bridges"])
    source = os.open(IN / question["file"], os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(source, "rb", buffering=0) as raw, (OUT / question["out"]).open("xb") as sanitized:
        verdict = sanitize_report(
            raw, sanitized, question["report_file"], rules, KnownTests(settings["tests"]), reading
        )
    _say({"verdict": verdict.as_dict()})


def _say_touches(number: int, touches: tuple[Touch, ...]) -> None:
    for touch in touches:
        _say({"touched": {"document": number, "path": touch.path, "rule": touch.rule}})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
