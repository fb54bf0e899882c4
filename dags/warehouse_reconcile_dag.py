"""
### warehouse_reconcile: keys of the warehouse compared with those of MariaDB

**What** One task for each installation and table of `config/warehouse.yml` that follows changes (mode `log` or
`watermark`): the keys of both sides are compared, rows that the source no longer has are removed, rows that are missing
are inserted. That finds what foreign keys deleted, which no binary log shows, and deletes in mode `watermark`. A table
whose foreign keys change values (ON DELETE SET NULL, ON UPDATE CASCADE) is copied whole instead.

**When** Every night at 03:30 UTC, after `warehouse_sync`. By hand with `installation` and `table` for one at once.

**Safe to run again** Yes, at any moment and after any kill: readers see the old rows or the new ones, and a second run
finds nothing to do.

**If it fails** One installation or table that fails does not keep the others: only its task is red, and `name_failed`
names it.
- `TableRefused`, `TypeRefused`, `WarehouseRefused`: docs/runbooks/warehouse.md says what to do.
- `SnapshotBroken`, `DatabaseUnavailable`, `WarehouseUnavailable`: tried again.
- `SettingsError`: `config/warehouse.yml`, or a connection that it names.
- `SpoolFull`, `ProducerConflict`, `ProducerMoved`: the warehouse is right, the stream `datasync` is behind:
  docs/runbooks/datasync.md.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, TriggerRule, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, task
from plugins.tasks import warehouse


@dag(
    dag_id="warehouse_reconcile",
    schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.WAREHOUSE, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "installation": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z0-9_]*$",
            maxLength=48,
            description="Only this installation. Empty: all.",
        ),
        "table": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z0-9_]*$",
            maxLength=48,
            description="Only this table. Empty: all.",
        ),
    },
)
def warehouse_reconcile() -> None:
    @task
    def choose_units(params: Any = None) -> list[dict[str, Any]]:
        """The tables of every installation that follow changes, from config/warehouse.yml."""
        return warehouse.units_that_follow_changes(params)

    @task(map_index_template="{{ unit['name'] }}", pool=Pool.WAREHOUSE, execution_timeout=timedelta(hours=6))
    def reconcile_unit(unit: dict[str, Any], dag_run: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        """Compare the keys of one table and merge what differs."""
        return warehouse.reconcile_unit(unit, dag_run, ti)

    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def name_failed(chosen: list[dict[str, Any]], done: list[list[dict[str, Any]]]) -> dict[str, int]:
        """Fails with the names of the units that were not compared."""
        return warehouse.demand_all(chosen, list(done))

    chosen = choose_units()
    name_failed(chosen, reconcile_unit.expand(unit=chosen))


warehouse_reconcile()
