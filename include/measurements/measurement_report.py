"""Reads a sanitized report, one document in memory at a time: the header, then its entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from include.measurements.errors import MeasurementReportRefused

Document = dict[Any, Any]


def documents(path: Path) -> Iterator[Document]:
    """
    The header, then entries; empty documents are passed over.

    MeasurementReportRefused: `unparsable`, or `no_header` where the first document has no test_name. The
    sanitizer wrote the file, so what is refused here is a bug of ours; it is held like any other.
    """
    with path.open("rb") as file:
        try:
            for number, document in enumerate(_loaded(file)):
                if number == 0 and not (isinstance(document, dict) and isinstance(document.get("test_name"), str)):
                    raise MeasurementReportRefused("no_header", f"{path.name}: the first document is no header")
                if not isinstance(document, dict):
                    raise MeasurementReportRefused("unparsable", f"{path.name}: document {number} is no mapping")
                yield document
        except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
            # Numbers, dates and keys that look right to the parser and are not. The text may hold report contents.
            raise MeasurementReportRefused("unparsable", f"{path.name}: {type(error).__name__}") from None


def header(path: Path) -> Document:
    """Only the header."""
    for document in documents(path):
        return document
    raise MeasurementReportRefused("no_header", f"{path.name} is empty")


def _loaded(file: BinaryIO) -> Iterator[object]:
    for document in yaml.load_all(file, Loader=yaml.CSafeLoader):
        if document is not None:
            yield document
