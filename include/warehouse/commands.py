"""The verbs of `python -m include.warehouse`."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from include.common.command_options import add_config_option, events_of, spool_client
from include.warehouse import config
from include.warehouse.changes.status import positions
from include.warehouse.changes.table_changed import TableChanged
from include.warehouse.config import Table, Unit, WarehouseConfig
from include.warehouse.datasync.drain import IdempotentAppend
from include.warehouse.datasync.follower import no_spool
from include.warehouse.open_target import exasol_from_environment, limits_of, open_target
from include.warehouse.snapshot.pipeline import TableCopied
from include.warehouse.snapshot.table_plan import TablePlan, plan_table, snapshot_id
from include.warehouse.snapshot.units import UnitResult, each_unit
from include.warehouse.source.connection import from_environment
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.survey import survey_table
from include.warehouse.sync import Outcome, Sync, reconcile_unit, source_of, sync_unit
from spool.command_line import Output, UsageError, Verb
from spool.command_line.exit_codes import worst

EVENT_SOURCE = "spillway/warehouse"


def _sync(options: argparse.Namespace, output: Output) -> int:
    sync = _composed(options)
    if options.dry_run:
        return _shown(each_unit(_units(sync, options), functools.partial(_planned, sync, options.target)), output)
    return _reported(each_unit(_units(sync, options), functools.partial(sync_unit, sync)), output)


def _reported(results: Sequence[UnitResult[list[Outcome]]], output: Output) -> int:
    for result in results:
        if result.error is not None:
            output.error(result.error, about=_about(result.unit))
        for copied in result.value or ():
            output.result(dataclasses.asdict(copied), _sentence(copied))
    return worst(result.error for result in results if result.error is not None)


def _reconcile(options: argparse.Namespace, output: Output) -> int:
    sync = _composed(options)
    return _reported(each_unit(_units(sync, options), functools.partial(reconcile_unit, sync)), output)


def _units(sync: Sync, options: argparse.Namespace) -> list[Unit]:
    return sync.config.units(options.installation, options.table)


def _cdc(options: argparse.Namespace, output: Output) -> int:
    sync = _composed(options)
    units = [
        unit
        for unit in _units(sync, options)
        if any(table.mode != "snapshot" or table.publish for table in _tables(sync, unit))
    ]
    return _shown(each_unit(units, functools.partial(_positions, sync)), output)


def _tables(sync: Sync, unit: Unit) -> list[Table]:
    return [sync.config.table(unit.installation, name) for name in unit.tables]


def _positions(sync: Sync, unit: Unit) -> list[dict[str, object]]:
    target = sync.open_target()
    try:
        with SnapshotTransaction(source_of(sync, unit.installation)) as source:
            return [position._asdict() for position in positions(sync.config, unit, source, target)]
    finally:
        target.close()


def _planned(sync: Sync, target: str, unit: Unit) -> list[dict[str, object]]:
    limits = limits_of(sync.config.target_of(target))
    rows: list[dict[str, object]] = []
    with SnapshotTransaction(source_of(sync, unit.installation)) as source:
        for table in unit.tables:
            plan = plan_table(sync.config, unit.installation, table, source, limits)
            surveyed = survey_table(source, plan.shape.name, plan.target.columns)
            counts = {
                "rows": surveyed.rows,
                "rejected": surveyed.rejected,
                "replaced": sum(surveyed.replaced_by.values()),
            }
            rows.append(
                {"installation": unit.installation, "table": table, "columns": len(plan.target.columns), **counts}
            )
    return rows


def _types(options: argparse.Namespace, output: Output) -> int:
    sync = _composed(options)
    units = sync.config.units(options.installation, options.table)
    rows = each_unit(units, functools.partial(_mapped, sync, options.table, options.target))
    return _shown(rows, output)


def _mapped(sync: Sync, table: str, target: str, unit: Unit) -> list[dict[str, object]]:
    with SnapshotTransaction(source_of(sync, unit.installation)) as source:
        plan = plan_table(sync.config, unit.installation, table, source, limits_of(sync.config.target_of(target)))
    return _type_rows(plan)


def _type_rows(plan: TablePlan) -> list[dict[str, object]]:
    return [
        {
            "installation": plan.target.installation,
            "column": column.name,
            "mariadb": column.source_type,
            "duckdb": column.duckdb,
            "exasol": column.exasol,
            "policy": "rejects rows" if column.rejected_if else "replaces values" if column.replaced_if else "",
        }
        for column in plan.target.columns
    ]


def _history(options: argparse.Namespace, output: Output) -> int:
    sync = _composed(options)
    target = sync.open_target()
    try:
        rows = [
            record._asdict()
            for unit in sync.config.units(options.installation, options.table)
            for table in unit.tables
            if options.table in ("", table)
            for record in target.history(unit.installation, table)
        ]
    finally:
        target.close()
    output.table(rows, empty="no snapshots yet")
    return 0


def _shown(results: Sequence[UnitResult[list[dict[str, object]]]], output: Output) -> int:
    """One table of all rows, then the units that failed."""
    output.table([row for result in results for row in result.value or ()], empty="nothing")
    failed = [(result.unit, result.error) for result in results if result.error is not None]
    for unit, error in failed:
        output.error(error, about=_about(unit))
    return worst(error for _, error in failed)


def _composed(options: argparse.Namespace) -> Sync:
    known: WarehouseConfig = config.load(options.config)
    settings = known.target_of(options.target)
    return Sync(
        known,
        from_environment,
        lambda: open_target(settings, exasol_from_environment),
        _snapshot(options),
        emit=events_of(EVENT_SOURCE),
        full=getattr(options, "full", False),
        open_spool=_spool,
    )


def _spool() -> IdempotentAppend:
    return spool_client() or no_spool()


def _snapshot(options: argparse.Namespace) -> str:
    text: str | None = getattr(options, "logical_time", None)
    if text is None:
        return snapshot_id(datetime.now(UTC))
    try:
        return snapshot_id(datetime.fromisoformat(text))
    except ValueError:
        raise UsageError(f"--logical-time {text!a} is no time with a zone", hint="2026-11-25T09:30:00+00:00") from None


def _about(unit: Unit) -> dict[str, str]:
    return {"installation": unit.installation, "tables": "+".join(unit.tables)}


def _sentence(outcome: Outcome) -> str:
    return _copied_sentence(outcome) if isinstance(outcome, TableCopied) else _changed_sentence(outcome)


def _changed_sentence(changed: TableChanged) -> str:
    return (
        f"{changed.installation}/{changed.table}: {changed.upserted:,} rows inserted or replaced, "
        f"{changed.deleted:,} deleted; {changed.rows:,} rows as of {changed.taken_at} UTC in {changed.seconds:.1f} s"
    )


def _copied_sentence(copied: TableCopied) -> str:
    rate = int(copied.rows / copied.seconds) if copied.seconds else 0
    rejected = f", {copied.rejected:,} rejected" if copied.rejected else ""
    return (
        f"{copied.installation}/{copied.table}: {copied.rows:,} rows{rejected} as of {copied.taken_at} UTC "
        f"in {copied.seconds:.1f} s ({rate:,} rows/s), snapshot {copied.snapshot}"
        + (f", whole because {copied.because}" if copied.because else "")
    )


def _common_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser, config.DEFAULT_FILE)
    parser.add_argument("--installation", default="", help="only this one (all)")
    parser.add_argument("--target", choices=("duckdb", "exasol"), default="", help="(the target of the settings file)")


def _sync_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--table", default="", help="only this one, or the group that it belongs to (all)")
    parser.add_argument("--full", action="store_true", help="a whole snapshot, also of tables of the other modes")
    parser.add_argument("--logical-time", help="of the snapshot; a second run for the same one replaces it (now)")
    parser.add_argument("--dry-run", action="store_true", help="read the source, show what would be done")


def _types_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--table", required=True, help="name in the settings file")


def _cdc_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("status",), help="where the tables are, and where their sources are")
    _history_options(parser)


def _history_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--table", default="", help="only this one (all)")


SYNC = Verb(
    "Copies tables of every installation, each from one snapshot, compares the sums of every column, publishes them. "
    "One that fails stops no other. Sources: SPILLWAY_<CONNECTION>_URI.",
    _sync_options,
    _sync,
)
TYPES = Verb("Shows what becomes of the columns of a table, by its installations.", _types_options, _types)
HISTORY = Verb("Shows the snapshots that the warehouse keeps, the oldest of a table first.", _history_options, _history)
RECONCILE = Verb(
    "Compares the keys of tables that follow changes with those of the source, and merges what differs: rows that "
    "foreign keys deleted, which no binary log shows. One that fails stops no other.",
    _history_options,
    _reconcile,
)
CDC = Verb(
    "Shows GTID positions of tables that follow changes or are published, how many transactions their source is ahead, "
    "the lag, and the changed rows that wait for the stream.",
    _cdc_options,
    _cdc,
)
