"""
A report in the form in which it is imported: entries as BSON, made once by post-processing and sent as they are.

    entry document ... entry document | header document | trailer: offset of the header, 8 bytes, little-endian

It is in `<state>/prepared/` beside the state folders and is rebuilt whenever it is missing or belongs to another
file, so losing it costs time only. Entries carry no ids yet: these contain the hash of all entries, known at the end.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import bson

from include.common.atomic_files import temporary_path
from include.measurements import measurement_report
from include.measurements.batch_manifest import sha256_of
from include.measurements.errors import MeasurementReportRefused
from include.measurements.load import bson_values, import_rules

# What the import adds to an entry; a field of that name in the report is renamed.
OWN_FIELDS = frozenset({"_id", "report_id", "number", "oversize"})

_TRAILER = struct.Struct("<Q")
_LENGTH = struct.Struct("<i")
HEADER_BYTES_MAX = 8 * 1024 * 1024
# A document of the import; larger ones are stored in parts (mongo_store.py), up to the largest BSON there is.
ENTRY_BYTES_MAX = 2**31 - 1 - 1024


class Prepared(NamedTuple):
    """
    header           as BSON can hold it
    entry_count      documents after the header
    content_sha256   of all entries' BSON: two files with the same entries have the same
    source_sha256    of the file it was made from
    """

    header: dict[str, Any]
    entry_count: int
    content_sha256: str
    source_sha256: str


def make(report: Path, prepared: Path) -> Prepared:
    """Write `prepared` from `report`, atomically. MeasurementReportRefused where the report cannot be imported."""
    prepared.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(prepared)
    try:
        with temporary.open("wb") as file:
            written = _write(report, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(prepared)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _write(report: Path, file: BinaryIO) -> Prepared:
    documents = measurement_report.documents(report)
    header = next(documents, None)
    if header is None:
        raise MeasurementReportRefused("no_header", f"{report.name} is empty")
    digest = hashlib.sha256()
    count = 0
    for entry in documents:
        encoded = bson.encode(_entry(header["test_name"], entry))
        if len(encoded) > ENTRY_BYTES_MAX:
            raise MeasurementReportRefused("too_large", f"{report.name}: an entry of {len(encoded)} bytes")
        digest.update(encoded)
        file.write(encoded)
        count += 1
    prepared = Prepared(bson_values.document(header), count, digest.hexdigest(), sha256_of(report))
    encoded = bson.encode(prepared._asdict())
    if len(encoded) > HEADER_BYTES_MAX:
        raise MeasurementReportRefused("too_large", f"{report.name}: a header of {len(encoded)} bytes")
    offset = file.tell()
    file.write(encoded)
    file.write(_TRAILER.pack(offset))
    return prepared


def _entry(test_name: str, entry: measurement_report.Document) -> dict[str, Any]:
    document = bson_values.document(import_rules.applied(test_name, entry))
    for name in OWN_FIELDS & document.keys():
        document[f"{name}_in_report"] = document.pop(name)
    return document


class PreparedFile:
    """Open for reading; ValueError, or an error of BSON, at opening where the file is not whole."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as on_error:
            self._file = on_error.enter_context(path.open("rb"))
            size = self._file.seek(0, os.SEEK_END)
            self._file.seek(max(0, size - _TRAILER.size))
            trailer = self._file.read()
            if len(trailer) != _TRAILER.size:
                raise ValueError(f"{path} has no trailer")
            (self._end,) = _TRAILER.unpack(trailer)
            self._file.seek(min(self._end, size))
            row = bson.decode(self._file.read(size - _TRAILER.size - self._end))
            self.about = Prepared(row["header"], row["entry_count"], row["content_sha256"], row["source_sha256"])
            on_error.pop_all()

    def entries(self) -> Iterator[bytes]:
        """The BSON of each entry, one at a time."""
        self._file.seek(0)
        position = 0
        while position < self._end:
            head = self._file.read(_LENGTH.size)
            (length,) = _LENGTH.unpack(head)
            yield head + self._file.read(length - _LENGTH.size)
            position += length

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()


def opened(report: Path, prepared: Path) -> PreparedFile:
    """The prepared form of `report`, made now where it is missing, damaged, or of another file."""
    try:
        file = PreparedFile(prepared)
    except (OSError, ValueError, KeyError, OverflowError, bson.errors.BSONError):
        pass
    else:
        if file.about.source_sha256 == sha256_of(report):
            return file
        file.close()
    make(report, prepared)
    return PreparedFile(prepared)
