"""
### warehouse_sync: tables of MariaDB into the warehouse

**What** One task for each installation and table of `config/warehouse.yml` (for each group where tables have one):
the table is read from one snapshot of MariaDB without a lock, loaded beside what readers see, compared column by column
(counts, sums, least and greatest values, lengths), then published in one transaction with its GTID position. Analysts
read `snapshot_current.<table>`. Tables of mode `log` or `watermark` are brought up to date by their changes, and copied
whole where that is impossible or slower, or when `full` is set. What changes in tables with `publish` also goes to the
stream `datasync`. Progress is in the task's log and in XCom `progress`.

**When** Every night at 01:30 UTC. By hand with `installation` and `table` for one at once.

**Safe to run again** Yes, at any moment and after any kill: readers see the old snapshot until the new one is whole. A
run for the same logical date replaces its snapshot and never doubles it.

**If it fails** One installation or table that fails does not keep the others: only its task is red, and `name_failed`
names it.
- `SnapshotDiffers`, `TypeRefused`, `TableRefused`, `WarehouseRefused`: docs/runbooks/warehouse.md says what to do.
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
    dag_id="warehouse_sync",
    schedule=CronTriggerTimetable("30 1 * * *", timezone="UTC"),
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
            description="Only this table, or the group that it belongs to. Empty: all.",
        ),
        "full": Param(False, type="boolean", description="A whole snapshot, also of tables of the other modes."),
    },
)
def warehouse_sync() -> None:
    @task
    def choose_units(params: Any = None) -> list[dict[str, Any]]:
        """The tables and groups of every installation, from config/warehouse.yml."""
        return warehouse.units(params)

    @task(map_index_template="{{ unit['name'] }}", pool=Pool.WAREHOUSE, execution_timeout=timedelta(hours=6))
    def sync_unit(unit: dict[str, Any], dag_run: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        """Bring one table up to date by its mode, or copy one group from one snapshot."""
        return warehouse.sync_unit(unit, dag_run, ti)

    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def name_failed(chosen: list[dict[str, Any]], copied: list[list[dict[str, Any]]]) -> dict[str, int]:
        """Fails with the names of the units that were not copied."""
        return warehouse.demand_all(chosen, list(copied))

    chosen = choose_units()
    name_failed(chosen, sync_unit.expand(unit=chosen))


warehouse_sync()
