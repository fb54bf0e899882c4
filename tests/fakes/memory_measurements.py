"""MeasurementStore in memory, with failures to order; its contract: tests/contract/test_measurement_store.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bson

from include.measurements.identity import NATURAL_KEY, measurement_id, report_id
from include.measurements.load.mongo_store import Written
from include.measurements.load.prepared_file import Prepared


class MemoryMeasurements:
    """`failures` are raised by the next calls of `put`, one each."""

    def __init__(self) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        self.measurements: dict[str, dict[str, Any]] = {}
        self.failures: list[Exception] = []

    def create_indexes(self) -> None:
        pass

    def put(self, about: Prepared, entries: Iterable[bytes], report_file: str) -> Written:
        if self.failures:
            raise self.failures.pop(0)
        identity = report_id(about.header, report_file)
        for other in self.report_ids(report_file):
            if other != identity:
                self.delete(other)
        before = len(self.measurements)
        total = 0
        for number, entry in enumerate(entries):
            name = measurement_id(identity, number)
            self.measurements[name] = {"_id": name, "report_id": identity, "number": number, **bson.decode(entry)}
            total += 1
        inserted = len(self.measurements) - before
        self.reports[identity] = {**about.header, "file": report_file, "content": about.content_sha256}
        for name in [n for n, row in self.measurements.items() if row["report_id"] == identity]:
            if self.measurements[name]["number"] >= total:
                del self.measurements[name]
        return Written(identity, inserted, total - inserted)

    def delete(self, identity: str) -> int:
        self.reports.pop(identity, None)
        gone = [name for name, row in self.measurements.items() if row["report_id"] == identity]
        for name in gone:
            del self.measurements[name]
        return len(gone)

    def report_ids(self, report_file: str) -> list[str]:
        return [identity for identity, row in self.reports.items() if row["file"] == report_file]

    def same_reports(self, about: Prepared) -> list[str]:
        return [
            str(row["file"])
            for row in self.reports.values()
            if row["content"] == about.content_sha256 and all(row.get(n) == about.header.get(n) for n in NATURAL_KEY)
        ]

    def whole(self, identity: str) -> dict[str, Any] | None:
        return self.measurements.get(identity)
