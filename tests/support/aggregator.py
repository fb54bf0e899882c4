"""The collecting side: a state folder with its ledger, the events emitted, and a clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.common.event_type import FeatureEvent, encode_payload
from include.counts.ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.collect import pipeline
from include.measurements.collect.config import Collector
from include.measurements.collect.places import Places
from include.measurements.collect.sync_summary import SyncSummary
from include.measurements.collect.transport import Transport
from tests.support.collector_host import CollectorHost


class Aggregator:
    """`emit_fails` is raised instead of emitting."""

    def __init__(self, folder: Path) -> None:
        self.state = folder
        self.state.mkdir(exist_ok=True)
        self.ledger = StageLedger(self.state, "test")
        self.events: list[tuple[str, str]] = []
        self.emit_fails: Exception | None = None
        self.now_ms = 1_800_000_000_000

    def emit(self, event: FeatureEvent) -> None:
        encode_payload(event)
        if self.emit_fails is not None:
            raise self.emit_fails
        self.events.append((event.type, event.event_key()))

    def sync(self, collector: Collector, transport: Transport, **options: Any) -> SyncSummary:
        places = Places.of(self.state, collector.id)
        self.now_ms += 1000  # names of batches sort by the second
        return pipeline.sync(collector, transport, places, self.ledger, self.emit, lambda: self.now_ms, **options)

    def sync_host(self, host: CollectorHost) -> SyncSummary:
        return self.sync(host.collector, host.transport)

    def raw(self, collector: str = "north") -> dict[str, bytes]:
        """Every collected file, by its path below the batch; all batches checked against their manifests."""
        found: dict[str, bytes] = {}
        for text in sorted((self.state / "raw" / collector).glob("*.manifest")):
            batch = text.with_suffix("")
            assert not batch_manifest.compare(batch, batch_manifest.parse(text.read_text()))
            for path in batch_manifest.hashed(batch):
                found[f"{path}{'+' if path in found else ''}"] = (batch / path).read_bytes()
        return found

    def batches(self, collector: str = "north") -> list[str]:
        """Batches that the next stage sees."""
        return sorted(
            text.name.removesuffix(".manifest") for text in (self.state / "raw" / collector).glob("*.manifest")
        )

    def open_counts(self) -> list[tuple[str, int]]:
        """Stages whose counts differ."""
        return [(count.stage, count.difference) for count in self.ledger.counts() if count.difference]
