"""
### spool_status: how far every log is, alarms, dead letters, counts and the outbox, as pages show them

**What** Asks the archive, Kafka and MariaDB how things are, and publishes the answers as small files in the spool
folder of this host (`_status/`). `python -m spool status` and pages show these files and ask nobody. The log of each
task has the same tables.

**When** Every five minutes. By hand, to see how things are now.

**Safe to run again** Yes: it reads, and replaces its own files.

**If it fails** One of the neighbours does not answer; the hint says which. The section keeps the rows it had, with
their time and the reason; the other sections are published. It does not stop anything else.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, task
from plugins.tasks import status


@dag(
    dag_id="spool_status",
    schedule=CronTriggerTimetable("3-59/5 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.SCHEDULED, Tag.READS_ONLY],
)
def spool_status() -> None:
    @task
    def publish_engine(params: Any = None) -> dict[str, int]:
        """Logs, alarms, and the events that Kafka refused."""
        return status.publish_engine(params)

    @task
    def publish_database(params: Any = None) -> dict[str, int]:
        """The counts of the last days, what features could not process, and what waits in the outbox."""
        return status.publish_database(params)

    publish_engine()
    publish_database()


spool_status()
