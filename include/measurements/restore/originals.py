"""Which archived originals can be restored, and of which measurement report each is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.measurements import batch_manifest, measurement_report
from include.measurements.archived_originals import SUFFIX, ArchivedOriginals, is_file
from include.measurements.errors import MeasurementReportRefused, RestoreRefused
from include.measurements.state_folders import PUBLISHABLE, StateFolders


class RestorableOriginals:
    """`archived` paths are relative to the archive folder and end in .gz."""

    def __init__(self, originals: ArchivedOriginals, folders: StateFolders) -> None:
        self._originals, self._folders = originals, folders

    def listed(self) -> Iterator[str]:
        """Every archived original, sorted."""
        return self._originals.listed()

    def report_of(self, archived: str) -> str:
        """
        The report that this original made; RestoreRefused if there is no such original, or if it is ambiguous.

        What was noted at archiving decides. An archive of before the notes has only names; where a name fits two
        reports, the one that exists is meant.
        """
        self._check(archived)
        if noted := self._originals.noted_report(archived):
            return noted
        by_name = self._originals.reports_by_name(archived)
        existing = [report for report in by_name if self._exists(report)]
        candidates = by_name if len(by_name) == 1 else existing
        if len(candidates) != 1:
            raise RestoreRefused(
                f"{archived!a} may be of {len(by_name)} reports, and no note says of which",
                hint="compare it with both, then write its note below `archived`; see include/measurements/README.md",
            )
        return candidates[0]

    def latest_of(self, report: str) -> str:
        """The last original that was archived for this report; RestoreRefused if there is none."""
        named = [packed.relative_to(self._originals.archive).as_posix() for packed in self._originals.copies(report)]
        for archived in reversed(named):
            if self._originals.noted_report(archived) == report:
                return archived
        for archived in reversed(named):
            if not self._originals.noted_report(archived) and self.report_of(archived) == report:
                return archived
        raise RestoreRefused(f"{report!a} has no original in the archive", hint="collect it again from its host")

    def reports_of_rules(self, version: int) -> Iterator[tuple[str, MeasurementReportRefused | None]]:
        """
        Measurement reports that this version of the rules made, and that are or were to be published.

        One whose header cannot be read comes with that error: nobody knows which rules made it.
        """
        for report, place in self._sanitized():
            try:
                mark = measurement_report.header(place).get("sanitizer")
            except MeasurementReportRefused as error:
                yield report, error
                continue
            if isinstance(mark, dict) and mark.get("rules") == version:
                yield report, None

    def _sanitized(self) -> Iterator[tuple[str, Path]]:
        for state in PUBLISHABLE:
            for report in self._folders.reports(state):
                yield report, self._folders.path(state, report)
        for place in self._folders.held():
            if self._folders.reasons.read(place).get("from") in PUBLISHABLE:
                yield "/".join(place.relative_to(self._folders.root).parts[2:]), place

    def _exists(self, report: str) -> bool:
        return bool(self._folders.held_as(report)) or any(
            is_file(self._folders.path(state, report)) for state in PUBLISHABLE
        )

    def _check(self, archived: str) -> None:
        if not batch_manifest.is_safe_path(archived) or not archived.endswith(SUFFIX):
            raise RestoreRefused(
                f"not the path of an archived report: {archived!a}", hint="give it relative to archive/"
            )
        if not is_file(self._originals.archive / archived):
            raise RestoreRefused(
                f"no archived report {archived!a}", hint="a dry run without a path lists what can be restored"
            )
