"""
### conservation_check: did every stage put out what it took in?

**What** Reads the table `stage_counts`, to which every feature sends what it counts by name or by number, and compares
for each feature, stage, day and installation: in = out + quarantined + errored; and between stages, that nothing which
one put out is missing from the next. A difference fails the task and is named; so does an installation that has sent
no counts. Before the first measurement report there is nothing to compare, and the run succeeds.

**When** Every night for the days before. By hand with `include_today`, while nothing runs: an item that a stage has
just in its hands is a difference until it is done.

**Safe to run again** Yes: it reads only.

**If it fails** `CountsDiffer`: docs/runbooks/counts-differ.md says how to find the items or batches. `CountsMissing`:
an installation has sent no counts, so nothing could be compared; look at its tasks `send_counts`. Everything else:
MariaDB or the connection `mariadb_app`; the hint says what to do.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, task
from plugins.tasks import counts


@dag(
    dag_id="conservation_check",
    schedule=CronTriggerTimetable("30 1 * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.CONSERVATION, Tag.SCHEDULED, Tag.READS_ONLY],
    params={
        "days": Param(30, type="integer", minimum=1, maximum=3650, description="How many days back."),
        "include_today": Param(False, type="boolean", description="Check today too; only while no stage is at work."),
    },
)
def conservation_check() -> None:
    @task
    def check_counts(params: Any = None) -> dict[str, int]:
        """Compare in with out; the difference fails the task."""
        return counts.check_counts(params)

    check_counts()


conservation_check()
