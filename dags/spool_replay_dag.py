"""
### spool_replay: from the object store into Kafka, exactly once

**What** Drains the archive of every stream (or of one) into its Kafka topic, in transactions that carry the events
together with the checkpoint. All streams are drained side by side in one task; within a run it keeps following
the archive for `seconds`, asking for the next object every moment, so that an event needs seconds, not a schedule.

**When** Every minute; one run at a time. By hand with `seconds` and `max_events` to drain in measured steps, with
`dry_run` to see what a run would send.

**Safe to run again** Yes. It continues from the checkpoint in Kafka; a run killed in the middle leaves an open
transaction that no `read_committed` reader sees and that the next run ends.

**If it fails**
- `KafkaUnavailable`, `StoreUnavailable`: an outage; it costs delay only. The next minute tries again.
- `TopicRefused`: the topic cannot hold the stream; the hint says which setting.
- `OperatorNeeded`: going on would skip or repeat events (a gap, Kafka was replaced). Nothing was sent; the hint
  names the commands that decide. Other streams continue: a run fails only after the others had their time.
- `NotOwner`: another replayer serves the log, such as `python -m spool replay --follow`. Stop one of the two.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.connections.engine import ALL_STREAMS
from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, stream_param, task
from plugins.tasks import spool


@dag(
    dag_id="spool_replay",
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # The next minute is the retry: a second try of an old run would only keep it from starting.
    default_args=DEFAULT_ARGS | {"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "stream": stream_param(ALL_STREAMS, "Which stream to drain.", all_streams=True),
        "seconds": Param(
            55,
            type="integer",
            minimum=1,
            maximum=1500,
            description="How long to follow the archive before the run ends.",
        ),
        "max_events": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            description="End after about this many events per stream (chunks are sent whole). Empty: no limit.",
        ),
        "dry_run": Param(
            False, type="boolean", description="Only say what would be sent. Sends nothing, changes nothing."
        ),
    },
)
def spool_replay() -> None:
    @task
    def drain_streams(params: Any = None) -> dict[str, dict[str, int]]:
        """All chosen streams side by side until the time is over."""
        return spool.drain_streams(params)

    drain_streams()


spool_replay()
