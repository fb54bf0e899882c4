"""Errors of MongoDB's driver as ours: of the database, which end a run, or of a document, which judge its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo import errors

from include.measurements.errors import MeasurementReportRefused, MongoRefused, MongoUnavailable

DUPLICATE_KEY = 11000
_ACCESS_DENIED = (13, 18, 8000)
# The server takes other documents, but not this one: bad value, cannot be parsed, overflow, BSON that is none, field
# names, validation, too large (https://www.mongodb.com/docs/manual/reference/error-codes/).
_OF_THE_DOCUMENT = frozenset({2, 9, 14, 15, 22, 52, 54, 55, 56, 57, 121, 10334, 17280, 17419, 17420})


@contextmanager
def mapped_errors() -> Iterator[None]:
    """MongoUnavailable or MongoRefused for whatever the driver raises."""
    try:
        yield
    except (errors.ConnectionFailure, errors.ExecutionTimeout, errors.WTimeoutError) as error:
        raise MongoUnavailable(
            f"MongoDB: {type(error).__name__}", hint="is it up? see docs/runbooks/mongodb.md"
        ) from error
    except errors.OperationFailure as error:
        denied = error.code in _ACCESS_DENIED
        hint = "check user and password of the connection" if denied else "the server's log says more"
        raise MongoRefused(f"MongoDB refused: code {error.code}", hint=hint) from error
    except (errors.ConfigurationError, errors.InvalidURI) as error:
        raise MongoRefused(f"MongoDB: {type(error).__name__}", hint="check the connection's address") from error
    except errors.PyMongoError as error:
        raise MongoRefused(f"MongoDB: {type(error).__name__}", hint="the server's log says more") from error


@contextmanager
def refusals_of_documents() -> Iterator[None]:
    """MeasurementReportRefused(`database`) where the server or BSON takes other documents but not this one."""
    try:
        yield
    except (errors.DocumentTooLarge, BSONError, OverflowError) as error:
        raise MeasurementReportRefused("database", f"BSON has no such document: {type(error).__name__}") from None
    except errors.OperationFailure as error:
        codes = _codes(error)
        if not codes <= _OF_THE_DOCUMENT:
            raise
        raise MeasurementReportRefused("database", f"MongoDB takes no such document: {sorted(codes)}") from None


def _codes(error: errors.OperationFailure) -> set[int]:
    """Of a bulk write, those of all documents that failed; -1 for what is no fault of a document."""
    details = error.details or {}
    if isinstance(error, errors.BulkWriteError) and not details.get("writeConcernErrors"):
        return {int(failed["code"]) for failed in details["writeErrors"]} - {DUPLICATE_KEY} or {-1}
    return {error.code if error.code is not None else -1}
