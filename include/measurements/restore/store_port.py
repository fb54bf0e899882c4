"""What a restore needs of the database."""

from __future__ import annotations

from typing import Protocol


class ReportStore(Protocol):
    def report_ids(self, report_file: str) -> list[str]:
        """Ids of the reports that were imported from this file."""
        ...

    def delete(self, identity: str) -> int:
        """Delete a report and its entries; the number of entries."""
        ...
