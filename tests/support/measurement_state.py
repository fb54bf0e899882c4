"""State folders with a ledger, the events emitted, and reports to put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from include.common.event_type import FeatureEvent, encode_payload
from include.counts.batch_numbers import StageNumbers
from include.counts.ledger import StageLedger
from include.measurements.load import pipeline
from include.measurements.load.stage import Limit, StageSummary
from include.measurements.publish import mirror
from include.measurements.publish.mirror import PublishSummary
from include.measurements.state_folders import StateFolders

HEADER: dict[str, Any] = {
    "test_name": "http_requests", "probe_asn": "AS3269", "probe_cc": "IT", "start_time": 1414668000.0,
    "probe_city": "Rome", "probe_ip": "127.0.0.1", "input_hashes": [],
}  # fmt: skip


class MeasurementState:
    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.folders = StateFolders(root)
        self.ledger = StageLedger(root, "test")
        self.numbers = StageNumbers(root, "test")
        self.events: list[tuple[str, str]] = []

    def emit(self, event: FeatureEvent) -> None:
        encode_payload(event)
        self.events.append((event.type, event.event_key()))

    def stage_report(self, name: str, *entries: object, state: str = "staging", **header: object) -> str:
        """A sanitized report below `state`; its path."""
        path = self.folders.root / state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        documents = [{**HEADER, "input_hashes": [name], **header}, *(entries or ({"input": "a"}, {"input": "b"}))]
        path.write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper, explicit_start=True, explicit_end=True))
        return name

    def postprocess(self, limit: Limit | None = None) -> StageSummary:
        return pipeline.postprocess(self.folders, self.ledger, self.emit, limit or Limit())

    def import_reports(self, store: Any, limit: Limit | None = None) -> StageSummary:
        return pipeline.import_reports(self.folders, self.ledger, self.numbers, self.emit, limit or Limit(), store)

    def publish(self, title: str = "Mirror") -> PublishSummary:
        return mirror.publish(self.folders, self.ledger, self.emit, title)

    def states(self) -> dict[str, list[str]]:
        """Every report by the folder it is in; no report may be in two."""
        found: dict[str, list[str]] = {}
        for state in ("staging", "reports", "imported", "errored"):
            base = self.folders.root / state
            for path in sorted(base.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    relative = path.relative_to(base)
                    name = "/".join(relative.parts[1:] if state == "errored" else relative.parts)
                    found.setdefault(name, []).append(state)
        return found

    def open_counts(self) -> list[tuple[str, int]]:
        """Stages whose counts differ."""
        return [
            (count.stage, count.difference)
            for book in (self.ledger, self.numbers)
            for count in book.counts()
            if count.difference
        ]
