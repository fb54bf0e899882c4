"""The tasks of `warehouse_sync` and `warehouse_reconcile`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import warehouse

if TYPE_CHECKING:
    from include.warehouse.config import Unit
    from include.warehouse.snapshot.progress import Progress
    from include.warehouse.sync import Outcome, Sync

LOGGER = logging.getLogger(__name__)

# Of one task while it runs, beside what it returns at its end.
PROGRESS = "progress"


def units(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is brought up to date by itself: a table, or the tables of a group, of one installation."""
    conf = known_only(params, "installation", "table", "full")
    chosen = warehouse.config().units(conf["installation"] or "", conf["table"] or "")
    return [_described(unit, full=bool(conf["full"])) for unit in chosen]


def units_that_follow_changes(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of mode log or watermark, whose keys are compared."""
    conf = known_only(params, "installation", "table")
    known = warehouse.config()
    chosen = known.units(conf["installation"] or "", conf["table"] or "")
    return [_described(unit) for unit in chosen if known.table(unit.installation, unit.tables[0]).mode != "snapshot"]


def sync_unit(unit: Mapping[str, Any], dag_run: Any, task_instance: Any) -> list[dict[str, Any]]:
    """Bring one unit up to date; see include/warehouse/sync.py. A new snapshot's id is the run's logical date."""
    from include.warehouse import sync

    return _done(sync.sync_unit, unit, dag_run, task_instance)


def reconcile_unit(unit: Mapping[str, Any], dag_run: Any, task_instance: Any) -> list[dict[str, Any]]:
    """Compare the keys of one table; see include/warehouse/changes/reconcile.py."""
    from include.warehouse import sync

    return _done(sync.reconcile_unit, unit, dag_run, task_instance)


def _described(unit: Unit, *, full: bool = False) -> dict[str, Any]:
    return {"name": str(unit), "installation": unit.installation, "tables": list(unit.tables), "full": full}


def _done(
    work: Callable[[Sync, Unit], list[Outcome]], unit: Mapping[str, Any], dag_run: Any, task_instance: Any
) -> list[dict[str, Any]]:
    from include.warehouse.config import Unit

    outcomes = work(_sync(unit, dag_run, task_instance), Unit(unit["installation"], tuple(unit["tables"])))
    return [{**dataclasses.asdict(table), "unit": unit["name"]} for table in outcomes]


def _sync(unit: Mapping[str, Any], dag_run: Any, task_instance: Any) -> Sync:
    from include.warehouse.snapshot.progress import log_progress
    from include.warehouse.snapshot.table_plan import snapshot_id
    from include.warehouse.sync import Sync

    def report(progress: Progress) -> None:
        log_progress(progress)
        task_instance.xcom_push(key=PROGRESS, value=str(progress))

    known = warehouse.config()
    return Sync(
        known,
        warehouse.connect_to,
        lambda: warehouse.target(known),
        snapshot_id(dag_run.logical_date or dag_run.run_after),
        emit=warehouse.events(),
        report=report,
        full=unit["full"],
        address_of=warehouse.address_of,
        open_spool=warehouse.spool,
    )


def demand_all(chosen: Sequence[Mapping[str, Any]], copied: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, int]:
    """UnitsFailed names the units that were chosen and not copied; each one's own task says why."""
    from include.warehouse.errors import UnitsFailed

    done = {table["unit"] for tables in copied for table in tables}
    if missing := [unit["name"] for unit in chosen if unit["name"] not in done]:
        raise UnitsFailed(
            f"{len(missing)} of {len(chosen)} were not copied: {', '.join(missing)}",
            hint="the log of each one's task says why; the others were published",
        )
    return {"units": len(chosen), "tables": sum(len(tables) for tables in copied)}
