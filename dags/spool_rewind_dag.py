"""
### spool_rewind: send a log's events into Kafka again, or pass a gap

**What** Moves the checkpoint of one log to the start of a segment. Backwards: the events from there on are delivered
a second time, marked with the next generation in their position header. Forwards: the events in between are
**not** delivered and are recorded as skipped. The task's log shows the plan: from where, to where, how many events.

**When** By hand only, after docs/runbooks/rewind.md: a consumer lost its state, or a gap was judged to be final.

**Dry by default** The form as it opens lists the logs of a stream. With `log` and `segment` it prints the plan;
trigger again with a `reason` and `dry_run` off to act.

**Safe to run again** The dry run yes. The real one is one Kafka transaction: a killed run moved the checkpoint or did
not; running it again after it did delivers the same events once more. Run the dry form first: it shows where the
checkpoint is.

**If it fails** An unknown log or segment: the error says what there is. `KafkaUnavailable`: nothing was changed, or
all. A replayer at work on the log is fenced: its run notes `NotOwner` for it, and then
continues from the new place.

Example conf: `{"stream": "demo", "log": "k3x9", "segment": 12, "reason": "index rebuilt", "dry_run": true}`
"""

from typing import Any

from airflow.sdk import Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, stream_param, task
from plugins.tasks import spool


@dag(
    dag_id="spool_rewind",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.MANUAL, Tag.MOVES_STATE],
    params={
        "stream": stream_param("demo", "The stream of the log."),
        "log": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z0-9][a-z0-9_]*$",
            maxLength=64,
            description="Id of the log, as spool_verify lists it. Empty: the dry run lists the logs of the stream.",
        ),
        "segment": Param(0, type="integer", minimum=0, description="The first segment that is to be sent again."),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=500,
            description="Why; kept in the checkpoint. Needed when dry_run is off.",
        ),
        "dry_run": Param(True, type="boolean", description="Only print the plan. Changes nothing."),
    },
)
def spool_rewind() -> None:
    @task
    def rewind_log(params: Any = None, dag_run: Any = None) -> dict[str, int]:
        """Print the plan; commit it unless dry_run."""
        return spool.rewind_log(params, who=f"airflow {dag_run.run_id}")

    rewind_log()


spool_rewind()
