"""Observations of bridges from MongoDB; `database` belongs to a client with the credentials of `mongo_read`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from bson.codec_options import CodecOptions
from pymongo.database import Database

from include.measurements.load.bridges import Observation
from include.measurements.load.mongo_errors import mapped_errors
from include.measurements.load.mongo_store import Document

REACHABILITY, CONNECTION = "bridge_reachability", "tcp_connect"
_REPORTS_A_QUERY = 500
_HASH = re.compile(r"[0-9a-f]{40}\Z")


def observations(database: Database[Document], test_name: str, since: datetime) -> list[Observation]:
    """Measurements of bridges by this test in reports that began at `since` or later, of whole reports only."""
    database = database.with_options(CodecOptions(tz_aware=True))
    with mapped_errors():
        query = {"test_name": test_name, "spillway.started_at": {"$gte": since}, "spillway.complete": True}
        reports = {row["_id"]: row["spillway"] for row in database["reports"].find(query, {"spillway": 1})}
        observations: list[Observation] = []
        identities = sorted(reports)
        for start in range(0, len(identities), _REPORTS_A_QUERY):
            ids = identities[start : start + _REPORTS_A_QUERY]
            fields = {"report_id": 1, "bridge_hashed_fingerprint": 1, "success": 1, "connection": 1, "test_runtime": 1}
            # Text of hexadecimal digits, by the index: all others of tcp_connect never leave the server.
            of_bridges = {"report_id": {"$in": ids}, "bridge_hashed_fingerprint": {"$gte": "0", "$lt": "g"}}
            rows = database["measurements"].find(of_bridges, fields)
            observations.extend(_observed(test_name, rows, reports))
    return observations


def _observed(test_name: str, rows: Iterable[Document], reports: dict[str, Document]) -> Iterator[Observation]:
    for row in rows:
        bridge = row.get("bridge_hashed_fingerprint")
        # What has no hash is no bridge of the map; nothing else that names a bridge may leave.
        if isinstance(bridge, str) and _HASH.match(bridge):
            report = reports[row["report_id"]]
            yield Observation(
                bridge=bridge,
                country=report["country"],
                started_at=report["started_at"],
                success=row.get("success") if test_name == REACHABILITY else row.get("connection") == "success",
                runtime_s=_seconds(row.get("test_runtime")),
                report_file=report["report_file"],
            )


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
