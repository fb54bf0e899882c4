"""
The sanitizer's inner half: the only code that opens measurement reports. Starts in the sandbox, reads JSON lines.

    says         {"ready": true}                                           before it reads anything
    first line   {"settings": {...}, "bridges": "..."}                     answers {"serving": true}
    then         {"file": "b/x.yaml", "out": "3.out", "report_file": ...}  answers {"parsing": 7} ..., {"verdict": ...}

`{"parsing": n}` precedes each document that a parser sees: when this process dies or stalls, that one did it.
`{"reading": true}` comes at least every second or so in between. `{"fault": errno}` says that the machine, and not a
document, ended this process, `{"out_of_memory": true}` that it may have been either, `{"failed": ...}` names a bug of
ours by type and line.
What it prints holds no contents of reports: numbers, reasons, paths of fields that were touched.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from include.measurements.sanitize.bridge_map import BridgeMap, parse_map
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.redaction import Touch
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.rules import Rules
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.yaml_document import DocumentLimits

# Where the sandbox shows what we may see.
IN, OUT = Path("/in"), Path("/out")
_PROGRESS_S = 1.0


def main() -> int:
    """Serve until the input ends."""
    os.environ.clear()
    _say({"ready": True})
    first = json.loads(sys.stdin.readline())
    bridges = parse_map(first["bridges"].encode())
    secrets = Secrets.of(bridges)
    _say({"serving": True})
    for line in sys.stdin:
        try:
            _serve(json.loads(line), first["settings"], bridges, secrets)
        except OSError as error:
            _say({"fault": error.errno})
            return 1
        except MemoryError:
            _say({"out_of_memory": True})
            return 1
        except Exception as error:  # noqa: BLE001 - a bug costs the document in hand; what it says may hold contents
            place = traceback.extract_tb(error.__traceback__)[-1]
            _say({"failed": f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"})
            return 1
    return 0


class _Watched:
    """A file that says while it is read that somebody reads: where nothing is parsed, nothing else would."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._said_s = time.monotonic()
        self.seek = file.seek

    def read(self, size: int = -1) -> bytes:
        now_s = time.monotonic()
        if now_s - self._said_s > _PROGRESS_S:
            self._said_s = now_s
            _say({"reading": True})
        return self._file.read(size)


def _serve(question: dict[str, Any], settings: dict[str, Any], bridges: BridgeMap, secrets: Secrets) -> None:
    reading = Reading(
        document_bytes_max=settings["document_bytes_max"],
        limits=DocumentLimits(settings["depth_max"], settings["nodes_max"]),
        documents_max=settings["documents_max"],
        seconds_max=settings["report_s"],
        refused={int(number): reason for number, reason in question.get("refused", {}).items()},
        on_parse=lambda number: _say({"parsing": number}),
        on_touch=_say_touches if question.get("explain") else lambda number, touches: None,
    )
    rules = Rules(ReportSecrets(bridges, secrets, settings["unmapped_bridges"]))
    source = os.open(IN / question["file"], os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(source, "rb", buffering=0) as raw, (OUT / question["out"]).open("xb") as sanitized:
        watched: Any = _Watched(raw)
        verdict = sanitize_report(
            watched, sanitized, question["report_file"], rules, KnownTests(settings["tests"]), reading
        )
    _say({"verdict": verdict.encode()})


def _say_touches(number: int, touches: tuple[Touch, ...]) -> None:
    for touch in touches:
        _say({"touched": {"document": number, "path": touch.path, "rule": touch.rule}})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
