"""What is emitted when a batch or a measurement report changes its state: keys, counts and ids, never contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent

STREAM = "measurements"
ANNOUNCEMENTS = "collector_batches"


@dataclass(frozen=True)
class _BatchEvent(FeatureEvent, stream=STREAM):
    key: Annotated[str, "`<collector>/<batch>`"]

    def event_key(self) -> str:
        return self.key


@dataclass(frozen=True)
class BatchCollected(_BatchEvent, type="batch.collected"):
    """The batch is in `raw`, each file proven by its hash."""

    files: Annotated[int, "files of the batch"]


@dataclass(frozen=True)
class BatchForgotten(_BatchEvent, type="batch.forgotten"):
    """The host was asked to delete what is proven here."""

    files: Annotated[int, "files that the host deleted"]
    changed: Annotated[int, "files that it kept, because they are not those that were collected"]
    left: Annotated[int, "files that it has still to delete"]


@dataclass(frozen=True)
class BatchRefused(_BatchEvent, type="batch.refused"):
    """The batch is not what its manifest says; it stays in `raw`."""

    why: Annotated[str, "the kind of error, or the numbers of missing, changed and unknown files as JSON"]


@dataclass(frozen=True)
class BatchFinished(FeatureEvent, type="collector.batch_finished", stream=ANNOUNCEMENTS):
    """Emitted by a host: a batch is complete there and may be fetched."""

    collector: Annotated[str, "id of the collector in `config/collectors.yml`"]
    batch: Annotated[str, "name of the batch"]
    manifest_sha256: Annotated[str, "SHA-256 of the manifest's text, in hexadecimal digits"]

    def event_key(self) -> str:
        """`<collector>/<batch>`."""
        return f"{self.collector}/{self.batch}"


@dataclass(frozen=True)
class _ReportEvent(FeatureEvent, stream=STREAM):
    key: Annotated[str, "path of the measurement report below a state folder"]

    def event_key(self) -> str:
        return self.key


@dataclass(frozen=True)
class _Judged(_ReportEvent):
    status: Annotated[str, "`sanitized` or `quarantined`, as the type says"]
    documents: Annotated[int, "documents written, the header included"]
    bad: Annotated[int, "documents that were not taken"]
    reason: Annotated[str, "why it is held; empty where it is not"]
    truncated: Annotated[bool, "its last document lacks the end mark"]
    test: Annotated[str, "name of the test"]
    stage: Annotated[str, "the stage that judged it"]
    rules: Annotated[int, "version of the rules of sanitizing"]
    touched: Annotated[int, "values that were redacted"]


class MeasurementReportSanitized(_Judged, type="measurement_report.sanitized"):
    """It was redacted and is in `staging`; its original is in the archive."""


class MeasurementReportQuarantined(_Judged, type="measurement_report.quarantined"):
    """It may not be published as it is; it is in `quarantine/<reason>`."""


@dataclass(frozen=True)
class MeasurementReportErrored(_ReportEvent, type="measurement_report.errored"):
    """A stage could not process it; it is in `errored/<reason>`, or stays `imported` where the stage is `publish`."""

    stage: Annotated[str, "the stage that could not process it"]
    reason: Annotated[str, "why; `recovered` where the process that knew it died"]
    status: Annotated[str | None, "`errored`; this field and those below come from the stage `sanitize` only"] = None
    documents: Annotated[int | None, "as in `measurement_report.sanitized`"] = None
    bad: Annotated[int | None, "as in `measurement_report.sanitized`"] = None
    truncated: Annotated[bool | None, "as in `measurement_report.sanitized`"] = None
    test: Annotated[str | None, "as in `measurement_report.sanitized`"] = None
    rules: Annotated[int | None, "as in `measurement_report.sanitized`"] = None
    touched: Annotated[int | None, "as in `measurement_report.sanitized`"] = None


@dataclass(frozen=True)
class MeasurementReportPostprocessed(_ReportEvent, type="measurement_report.postprocessed"):
    """Its documents for the import are made; it is in `reports`."""

    documents: Annotated[int | None, "measurements in it"] = None
    test_name: Annotated[str | None, "name of the test in the database"] = None
    recovered: Annotated[bool | None, "true where the process that did it died before it emitted the event"] = None


@dataclass(frozen=True)
class MeasurementReportImported(_ReportEvent, type="measurement_report.imported"):
    """All its measurements are in the database; it is in `imported`."""

    report_id: Annotated[str | None, "its id in the database"] = None
    inserted: Annotated[int | None, "documents that are new in the database"] = None
    replaced: Annotated[int | None, "documents that were there before"] = None
    recovered: Annotated[bool | None, "true where the process that did it died before it emitted the event"] = None


@dataclass(frozen=True)
class MeasurementReportPublished(_ReportEvent, type="measurement_report.published"):
    """It is in the public mirror and in its indexes."""

    path: Annotated[str, "path of the file below `public`"]
    sha256: Annotated[str, "SHA-256 of that file, in hexadecimal digits"]


@dataclass(frozen=True)
class MeasurementReportUnpublished(FeatureEvent, type="measurement_report.unpublished", stream=STREAM):
    """It was taken out of the public mirror."""

    key: Annotated[str, "path of the file below `public`"]

    def event_key(self) -> str:
        return self.key


@dataclass(frozen=True)
class MeasurementReportRestored(_ReportEvent, type="measurement_report.restored"):
    """Its original was sanitized again, and the result replaced what there was."""

    replaced_in: Annotated[str, "the state that the old one was in; empty where it was in none"]
    report_ids: Annotated[list[str], "its ids in the database, which were deleted there"]
    outcome: Annotated[str, "`sanitized`, `quarantined` or `errored`"]


@dataclass(frozen=True)
class MeasurementReportRedriven(_ReportEvent, type="measurement_report.redriven"):
    """It was held, and went back to the state from which it came."""

    reason: Annotated[str, "why it was held"]
    to: Annotated[str, "the state it went back to"]
