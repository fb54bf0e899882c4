"""The tasks of `warehouse_sync`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import warehouse

if TYPE_CHECKING:
    from include.warehouse.snapshot.progress import Progress

LOGGER = logging.getLogger(__name__)

# Of one task while it runs, beside what it returns at its end.
PROGRESS = "progress"


def units(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is copied from one snapshot each: a table, or the tables of a group, of one installation."""
    conf = known_only(params, "installation", "table", "full")
    chosen = warehouse.config().units(conf["installation"] or "", conf["table"] or "")
    return [{"name": str(unit), "installation": unit.installation, "tables": list(unit.tables)} for unit in chosen]


def sync_unit(unit: Mapping[str, Any], dag_run: Any, task_instance: Any) -> list[dict[str, Any]]:
    """Copy one unit; see include/warehouse/snapshot/pipeline.py. The snapshot's id is the run's logical date."""
    from include.warehouse.config import Unit
    from include.warehouse.snapshot.progress import log_progress
    from include.warehouse.snapshot.table_plan import snapshot_id
    from include.warehouse.sync import Sync
    from include.warehouse.sync import sync_unit as sync_one

    def report(progress: Progress) -> None:
        log_progress(progress)
        task_instance.xcom_push(key=PROGRESS, value=str(progress))

    known = warehouse.config()
    sync = Sync(
        known,
        warehouse.connect_to,
        lambda: warehouse.target(known),
        snapshot_id(dag_run.logical_date or dag_run.run_after),
        emit=warehouse.events(),
        report=report,
    )
    copied = sync_one(sync, Unit(unit["installation"], tuple(unit["tables"])))
    return [{**dataclasses.asdict(table), "unit": unit["name"]} for table in copied]


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
