"""
### measurements_publish: make the mirror show what was imported

**What** Copies reports of `imported`, gzipped, below `public/reports/<country>/`, writes `index.json`, `index.yaml`,
the table of blocked bridges and the page for browsing, and takes out of the mirror what is imported no more. Only
files of `imported` are read, so nothing but sanitized reports can get there.

**When** Every ten minutes, after the import's. By hand after a restore.

**Safe to run again** Yes: what is published already is not made again; equal reports make equal files.

**If it fails** The mirror stays as it was, or has new files that no index names yet; the next run finishes.
A warning about unknown files below `public/reports`: somebody put them there; look at them, then remove them by hand.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, task
from plugins.tasks import publish
from plugins.tasks.counts import counts_sent, send_counts


@dag(
    dag_id="measurements_publish",
    schedule=CronTriggerTimetable("7-59/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS | {"pool": Pool.MEASUREMENTS},
    doc_md=__doc__,
    tags=[Tag.MEASUREMENTS, Tag.SCHEDULED, Tag.MOVES_STATE],
)
def measurements_publish() -> None:
    @task
    def publish_reports(params: Any = None) -> dict[str, int]:
        """From imported to the mirror."""
        return publish.publish(params)

    publish_reports() >> send_counts().as_teardown() >> counts_sent()


measurements_publish()
