"""
### outbox_drain: events that were written beside a change in MariaDB, into the spool

**What** A feature that changes a table emits its events into the table `outbox` in the same transaction. This DAG
appends them to the streams of this host's spool folder, in batches, each event once and those of one key in the order
of their transactions, then deletes them from the table. What the spool refuses for good becomes a dead letter of the
feature `outbox`; the others go on.

**When** Every two minutes. By hand with `dry_run` to see what waits, stream by stream, and since when; with `seconds`
and `max_events` to drain a long outage in measured steps.

**Safe to run again** Yes, at any time and wherever it died: each batch has a sequence, and the spool writes a sequence
once.

**If it fails** The streams that failed are named in the log; the others were drained.
- `DatabaseUnavailable`, `LockTimeout`, `SpoolFull`: an outage. Changes go on, their events wait; it tries again.
- `AppendUnknown`: the object store was away. The next run appends the same batch under the same sequence.
- `SchemaOutdated`: the tables are older than this program; the hint names the command.
- `ProducerConflict`, `ProducerMoved`: the database or the spool folder was restored from a backup, or the folder was
  lost. Nothing was appended: docs/runbooks/outbox.md says how to decide.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, task
from plugins.tasks import outbox


@dag(
    dag_id="outbox_drain",
    schedule=CronTriggerTimetable("*/2 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # The next run is the retry.
    default_args=DEFAULT_ARGS | {"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=[Tag.OUTBOX, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "seconds": Param(
            60,
            type="integer",
            minimum=1,
            maximum=1500,
            description="Take no further batch after so many seconds. A stream whose turn has not come gets one batch.",
        ),
        "max_events": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            description="End after about this many events per stream (batches are appended whole). Empty: no limit.",
        ),
        "dry_run": Param(False, type="boolean", description="Only list what waits. Appends nothing, changes nothing."),
    },
)
def outbox_drain() -> None:
    @task
    def drain_outbox(params: Any = None) -> dict[str, int]:
        """Append what waits, every stream in its turn; fails when all had theirs."""
        return outbox.drain_outbox(params)

    drain_outbox()


outbox_drain()
