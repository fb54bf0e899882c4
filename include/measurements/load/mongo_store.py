"""
Reports and measurements in MongoDB.

    reports             _id = the hash of the report's natural key; the header's fields, and ours below `spillway`
    measurements        _id = <report id>:<number>; one entry with the import rules applied
    measurement_parts   _id = <measurement id>:<part>; the BSON of an entry that is larger than a document may be

Writing is idempotent: ids follow from contents. A report that is not yet whole has `spillway.complete: false`, and
readers look for `true`; so a process that dies leaves nothing that anybody takes for a report.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, IndexModel, InsertOne, ReplaceOne, errors
from pymongo.collection import Collection
from pymongo.database import Database

from include.measurements.errors import MeasurementReportRefused, MongoRefused
from include.measurements.identity import NATURAL_KEY, country, measurement_id, report_id, started_at
from include.measurements.load.mongo_errors import DUPLICATE_KEY, mapped_errors, refusals_of_documents
from include.measurements.load.prepared_file import Prepared
from spool import failpoints

Document = dict[str, Any]

# 16 MiB, less what ids and the fields around parts take.
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 - 16 * 1024
PART_BYTES = 8 * 1024 * 1024
# Fields of an oversize entry that stay in its document, so that it can be found.
KEPT_FIELD_BYTES_MAX = 4096
# One message to the server: well below its 48 MB, and enough that round trips do not count.
BULK_DOCUMENTS, BULK_BYTES = 1000, 8 * 1024 * 1024

_INT32 = struct.Struct("<i")

failpoints.declare("measurements.report_begun", "measurements.bulk_written", "measurements.report_finished")


class Written(NamedTuple):
    """`replaced` were there before: a rerun, or a report that came twice."""

    report_id: str
    inserted: int
    replaced: int


class MeasurementStore:
    """The writing side; `database` belongs to a client with the credentials of `mongo_import`."""

    def __init__(self, database: Database[Document]) -> None:
        self._reports: Collection[Document] = database["reports"]
        self._measurements: Collection[Any] = database["measurements"]
        self._parts: Collection[Document] = database["measurement_parts"]

    def create_indexes(self) -> None:
        """Make the indexes that are missing."""
        with mapped_errors():
            self._reports.create_indexes(
                [
                    IndexModel([("test_name", ASCENDING), ("spillway.started_at", ASCENDING)]),
                    IndexModel([("spillway.report_file", ASCENDING)]),
                    IndexModel([("spillway.content_sha256", ASCENDING)]),
                ]
            )
            self._measurements.create_indexes(
                [
                    IndexModel([("report_id", ASCENDING), ("number", ASCENDING)], unique=True),
                    # Few measurements are of bridges: only they are read for the table of blocked bridges.
                    IndexModel([("bridge_hashed_fingerprint", ASCENDING)], sparse=True),
                ]
            )

    def put(self, about: Prepared, entries: Iterable[bytes], report_file: str) -> Written:
        """
        Write a report and all its entries. Acknowledged by the server when it returns.

        MeasurementReportRefused where the server takes others but not this one; nothing of it is left then.
        """
        identity = report_id(about.header, report_file)
        try:
            return self._put(identity, about, entries, report_file)
        except MeasurementReportRefused:
            self.delete(identity)
            raise

    def _put(self, identity: str, about: Prepared, entries: Iterable[bytes], report_file: str) -> Written:
        inserted = replaced = 0
        with mapped_errors(), refusals_of_documents():
            self._reports.replace_one({"_id": identity}, _report(identity, about, report_file), upsert=True)
            failpoints.reach("measurements.report_begun")
            for bulk in _bulks(self._documents(identity, entries)):
                again = self._insert(bulk)
                inserted += len(bulk) - again
                replaced += again
                failpoints.reach("measurements.bulk_written")
            self._remove_older(identity, about.entry_count, report_file)
            self._reports.update_one({"_id": identity}, {"$set": {"spillway.complete": True}})
            failpoints.reach("measurements.report_finished")
        return Written(identity, inserted, replaced)

    def delete(self, identity: str) -> int:
        """Delete a report, entries first, so that nothing is left without its report. The number of entries."""
        with mapped_errors():
            self._reports.update_one({"_id": identity}, {"$set": {"spillway.complete": False}})
            self._parts.delete_many({"report_id": identity})
            deleted = self._measurements.delete_many({"report_id": identity}).deleted_count
            self._reports.delete_one({"_id": identity})
        return int(deleted)

    def report_ids(self, report_file: str) -> list[str]:
        """Ids of the reports that were imported from this file."""
        with mapped_errors():
            return [row["_id"] for row in self._reports.find({"spillway.report_file": report_file}, {"_id": 1})]

    def same_reports(self, about: Prepared) -> list[str]:
        """Files of whole reports with the same natural key and the same entries, this one's own among them."""
        query = {"spillway.content_sha256": about.content_sha256, "spillway.complete": True}
        with mapped_errors():
            rows = list(self._reports.find(query, {**dict.fromkeys(NATURAL_KEY, 1), "spillway.report_file": 1}))
        wanted = [about.header.get(name) for name in NATURAL_KEY]
        return [row["spillway"]["report_file"] for row in rows if [row.get(name) for name in NATURAL_KEY] == wanted]

    def _remove_older(self, identity: str, count: int, report_file: str) -> None:
        """Of an earlier form of the same file: entries beyond the last, and the report under another header."""
        beyond = {"report_id": identity, "number": {"$gte": count}}
        if self._measurements.delete_many(beyond).deleted_count:
            self._parts.delete_many({"report_id": identity, "_id": {"$gte": measurement_id(identity, count)}})
        for other in self.report_ids(report_file):
            if other != identity:
                self.delete(other)

    def _documents(self, identity: str, entries: Iterable[bytes]) -> Iterator[bytes]:
        for number, entry in enumerate(entries):
            document = _with_fields(entry, _own_fields(identity, number))
            yield document if len(document) <= DOCUMENT_BYTES_MAX else self._in_parts(identity, number, entry)

    def _in_parts(self, identity: str, number: int, entry: bytes) -> bytes:
        measurement = measurement_id(identity, number)
        offsets = range(0, len(entry), PART_BYTES)
        for part, offset in enumerate(offsets):
            row = {
                "_id": f"{measurement}:{part:04}",
                "report_id": identity,
                "data": entry[offset : offset + PART_BYTES],
            }
            self._parts.replace_one({"_id": row["_id"]}, row, upsert=True)
        oversize = {"size_bytes": len(entry), "sha256": hashlib.sha256(entry).hexdigest(), "parts": len(offsets)}
        return bson.encode({**_own_fields(identity, number), "oversize": oversize, **_small_fields(entry)})

    def _insert(self, bulk: list[RawBSONDocument]) -> int:
        """Insert; what is there already is replaced. Inserts are ten times as quick as upserts."""
        try:
            self._measurements.bulk_write([InsertOne(document) for document in bulk], ordered=False)
        except errors.BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE_KEY for failure in failed) or error.details.get("writeConcernErrors"):
                raise
            again = [bulk[failure["index"]] for failure in failed]
            self._measurements.bulk_write(
                [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in again], ordered=False
            )
            return len(again)
        return 0


def whole_measurement(database: Database[Document], identity: str) -> Document | None:
    """The measurement with this id, reassembled if it was stored in parts; None if there is none."""
    with mapped_errors():
        row: Document | None = database["measurements"].find_one({"_id": identity})
        if row is None or "oversize" not in row:
            return row
        parts = (
            database["measurement_parts"].find({"_id": {"$gte": f"{identity}:", "$lt": f"{identity};"}}).sort("_id", 1)
        )
        entry = b"".join(part["data"] for part in parts)
    if hashlib.sha256(entry).hexdigest() != row["oversize"]["sha256"]:
        raise MongoRefused(f"the parts of {identity} do not make the entry", hint="import its report again")
    return {"_id": row["_id"], "report_id": row["report_id"], "number": row["number"], **bson.decode(entry)}


def _report(identity: str, about: Prepared, report_file: str) -> Document:
    header = {f"{name}_in_report" if name in ("_id", "spillway") else name: v for name, v in about.header.items()}
    ours = {
        "report_file": report_file,
        "content_sha256": about.content_sha256,
        "measurement_count": about.entry_count,
        "country": country(about.header),
        "started_at": started_at(about.header),
        "imported_at": datetime.now(UTC),
        "complete": False,
    }
    return {"_id": identity, **header, "spillway": ours}


def _own_fields(identity: str, number: int) -> Document:
    return {"_id": measurement_id(identity, number), "report_id": identity, "number": number}


def _with_fields(entry: bytes, fields: Document) -> bytes:
    """
    The entry with fields put before its own, without decoding it.

    length  field field ... 0x00      length  field field ... 0x00
    └ 4 ┘  └─── of `fields` ───┘      └ 4 ┘  └──── of `entry` ───┘   ->   length', fields of both, 0x00
    """
    body = bson.encode(fields)[4:-1] + entry[4:]
    return _INT32.pack(len(body) + 4) + body


def _small_fields(entry: bytes) -> Document:
    fields = bson.decode(entry)
    return {name: v for name, v in fields.items() if len(bson.encode({name: v})) <= KEPT_FIELD_BYTES_MAX}


def _bulks(documents: Iterable[bytes]) -> Iterator[list[RawBSONDocument]]:
    bulk: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        if bulk and (len(bulk) == BULK_DOCUMENTS or size + len(document) > BULK_BYTES):
            yield bulk
            bulk, size = [], 0
        bulk.append(RawBSONDocument(document))
        size += len(document)
    if bulk:
        yield bulk
