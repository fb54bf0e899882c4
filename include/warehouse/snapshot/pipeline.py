"""
One unit (a table, or the tables of a group) of one installation, whole:

    1. prune      what a killed load left behind
    2. open       one snapshot for all tables of the unit, with its GTID position; if possible on two connections
    3. per table  shape and types; survey; load beside what readers see, and what it adds up to; compare the sums
    4. publish    all tables of the unit with their records, in one transaction: readers see the old rows or the new
    5. expire     snapshots beyond those that are kept

    dies in 1 to 3   readers see the old snapshot; the next run removes what was loaded
    dies after 4     the new one; a rerun of the same id replaces it by the same
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from include.database.connection import Connect
from include.warehouse.column_types.digest import Digest, differences
from include.warehouse.config import Unit, WarehouseConfig
from include.warehouse.errors import SnapshotDiffers
from include.warehouse.snapshot.progress import Meter, Report, log_progress
from include.warehouse.snapshot.table_plan import TablePlan, greatest_watermark, plan_table
from include.warehouse.source.csv_rows import csv_rows
from include.warehouse.source.snapshot_pair import SnapshotPair, snapshot_pair
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.source_digest import source_digest
from include.warehouse.source.survey import Survey, survey_table
from include.warehouse.target.port import Publication, SnapshotRecord, Staged, WarehouseTarget
from spool import failpoints

LOGGER = logging.getLogger(__name__)

failpoints.declare(
    "warehouse.snapshot.opened", "warehouse.snapshot.loading", "warehouse.snapshot.loaded",
    "warehouse.snapshot.verified", "warehouse.snapshot.published",
)  # fmt: skip


@dataclass(frozen=True)
class TableCopied:
    """
    One table after its publication.

    rows, rejected    loaded, and not loaded because of a policy; together all rows of the source's snapshot
    rejected_by       rows that a column rejected, by its name
    replaced_by       values that a policy replaced (zero dates by NULL, cut texts), by the column's name
    seconds           from the first query for this table to the end of its comparison
    because           why it was copied whole though its mode follows changes; empty otherwise
    """

    installation: str
    table: str
    snapshot: str
    taken_at: str
    gtid: str
    rows: int
    rejected: int
    rejected_by: Mapping[str, int]
    replaced_by: Mapping[str, int]
    seconds: float
    because: str = ""


def copy_unit(
    config: WarehouseConfig,
    unit: Unit,
    connect: Connect,
    target: WarehouseTarget,
    snapshot: str,
    report: Report = log_progress,
) -> list[TableCopied]:
    """
    Copy the unit's tables as the snapshot `snapshot`; readers see all of them when it returns, none when it raises.

    Errors: those of include/warehouse/errors.py and include/database/errors.py.
    """
    for table in unit.tables:
        target.prune_unfinished(unit.installation, table)
    publications, copied = [], []
    with snapshot_pair(connect) as pair:
        failpoints.reach("warehouse.snapshot.opened")
        for table in unit.tables:
            plan = plan_table(config, unit.installation, table, pair.first, target.limits)
            publication, result = _load_table(plan, pair, target, snapshot, report)
            publications.append(publication)
            copied.append(result)
    target.publish(publications)
    failpoints.reach("warehouse.snapshot.published")
    for table in unit.tables:
        target.drop_expired(unit.installation, table, config.table(unit.installation, table).snapshots)
    return copied


def _load_table(
    plan: TablePlan, pair: SnapshotPair, target: WarehouseTarget, snapshot: str, report: Report
) -> tuple[Publication, TableCopied]:
    started = time.monotonic()
    source = pair.first
    survey = survey_table(source, plan.shape.name, plan.target.columns)
    meter = Meter(str(plan.target), survey.rows, report)
    with _summed(pair, plan, survey) as sums_made:
        staged = _load(plan, source, target, snapshot, survey, meter)
        sums = sums_made()
    failpoints.reach("warehouse.snapshot.loaded")
    verify(staged, sums, target)
    failpoints.reach("warehouse.snapshot.verified")
    record = SnapshotRecord(
        plan.target.installation, plan.target.name, snapshot, source.taken_at, sums.rows, survey.rejected,
        gtid=source.gtid, watermark=greatest_watermark(plan, source), schema_sha256=plan.shape.sha256,
    )  # fmt: skip
    _warn_of_policies(plan, survey)
    report(meter.progress())
    return Publication(staged, record), TableCopied(
        record.installation, record.table, snapshot, record.taken_at, record.gtid, record.rows, record.rejected,
        survey.rejected_by, survey.replaced_by, round(time.monotonic() - started, 3),
    )  # fmt: skip


@contextmanager
def _summed(pair: SnapshotPair, plan: TablePlan, survey: Survey) -> Iterator[Callable[[], Digest]]:
    """Yields what returns the sums: made before the block, or on the second connection during it."""
    if pair.second is None:
        sums = source_digest(pair.first, plan.shape.name, survey.columns)
        yield lambda: sums
        return
    with ThreadPoolExecutor(max_workers=1) as thread:
        running = thread.submit(source_digest, pair.second, plan.shape.name, survey.columns)
        yield running.result


def _load(
    plan: TablePlan,
    source: SnapshotTransaction,
    target: WarehouseTarget,
    snapshot: str,
    survey: Survey,
    meter: Meter,
) -> Staged:
    def count(rows: int) -> None:
        failpoints.reach("warehouse.snapshot.loading")
        meter.count(rows)

    produce = csv_rows(source, plan.shape.name, survey.columns, longest_line=survey.longest_line, count=count)
    return target.load(plan.target, snapshot, produce, longest_line=survey.longest_line)


def verify(staged: Staged, sums: Digest, target: WarehouseTarget) -> None:
    """SnapshotDiffers, naming every difference, unless the staged rows add up to what the source's snapshot does."""
    if differing := differences(sums, target.digest(staged)):
        raise SnapshotDiffers(
            f"{staged.table}: the rows that were loaded are not those of the snapshot: {'; '.join(differing)}",
            hint="nothing was published; docs/runbooks/warehouse.md says what to look at",
        )


def _warn_of_policies(plan: TablePlan, survey: Survey) -> None:
    for column, count in survey.rejected_by.items():
        LOGGER.warning("%s: %s rows rejected because of column %s", plan.target, count, column)
    for column, count in survey.replaced_by.items():
        LOGGER.warning("%s: %s values of column %s replaced by policy", plan.target, count, column)
