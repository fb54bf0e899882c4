"""
### spool_verify: is everything that was archived in Kafka, once?

**What** For each log of a stream: the offsets in the archive, less holes and skipped positions, against what
`read_committed` readers see in Kafka. The fast form compares counts and ranges from the topic of deliveries; the full
form reads every record. The log of each task shows a table; a difference fails the task of that stream.

**When** Every hour, the fast form for all streams. By hand with `full` after an incident, or for one stream.

**Safe to run again** Yes: it reads only. A full run over a large topic is long and costs the reading.

**If it fails**
- `VerifyFailed`: the table names log and ranges that are missing or doubled. docs/runbooks/verify.md; do not rewind
  before the cause is known.
- Everything else: an outage of Kafka or the object store, or settings; the hint says what to do. It tries again.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.connections.engine import ALL_STREAMS
from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, stream_param, task
from plugins.tasks import spool


@dag(
    dag_id="spool_verify",
    schedule=CronTriggerTimetable("17 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    # Each stream's task reads Kafka and the archive by itself; two of them leave the executor room.
    max_active_tasks=2,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.SCHEDULED, Tag.READS_ONLY],
    params={
        "stream": stream_param(ALL_STREAMS, "Which stream to verify.", all_streams=True),
        "full": Param(False, type="boolean", description="Read every record of the topic instead of comparing ranges."),
    },
)
def spool_verify() -> None:
    @task
    def choose_streams(params: Any = None) -> list[str]:
        """The names of the streams to verify."""
        return spool.chosen_streams(params)

    @task(map_index_template="{{ stream }}")
    def verify_stream(stream: str, params: Any = None) -> dict[str, int]:
        """One stream: the table is in the log, a difference fails the task."""
        return spool.verify_stream(stream, full=params["full"])

    verify_stream.expand(stream=choose_streams())


spool_verify()
