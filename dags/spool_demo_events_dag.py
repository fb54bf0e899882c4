"""
### spool_demo_events: append generated events

**What** Appends `events` events of about `value_bytes` bytes to a stream, a share of them in groups (delivered all or
none), with keys spread evenly or by Zipf's law. The task's log shows the progress; its answer holds counts and the
offset ranges that were given. Waiting for `s3`, many appends are under way at once, and a key keeps its order within
an append only; at `disk` over the whole load.

**When** By hand: to show the spool at work, to try an outage, to load a new installation.

**Safe to run again** It appends again: new positions, the same event ids for the same seed. Do not point it at a
stream whose consumers take events seriously; `demo` is there for it.

**If it fails** Events appended before stay appended (the log says how many). `SpoolFull`, `LockTimeout`: nothing of
that call was written, it tried for a minute; the next try of the task begins with the first event again.
`AppendUnknown`: the last call may or may not be durable; it is not tried again.

Example conf: `{"stream": "demo", "events": 200000, "group_share": 0.2, "group_size": 25, "key_distribution": "zipf"}`
"""

from typing import Any

from airflow.sdk import Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, stream_param, task
from plugins.tasks import demo_events


@dag(
    dag_id="spool_demo_events",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS | {"pool": Pool.SPOOL_INTAKE},
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.MANUAL, Tag.MOVES_STATE, Tag.DEMO],
    params={
        "stream": stream_param("demo", "The stream to append to."),
        "events": Param(10_000, type="integer", minimum=1, maximum=5_000_000, description="How many events."),
        "group_share": Param(
            0.1, type="number", minimum=0, maximum=1, description="The part of the events that comes in groups, 0 to 1."
        ),
        "group_size": Param(10, type="integer", minimum=2, maximum=1000, description="Events of one group."),
        "keys": Param(100, type="integer", minimum=1, maximum=100_000, description="How many different keys."),
        "key_distribution": Param(
            "uniform", type="string", enum=["uniform", "zipf"], description="zipf: key n comes in proportion to 1/n."
        ),
        "value_bytes": Param(
            200, type="integer", minimum=100, maximum=10_000, description="Size of one event's payload."
        ),
        "seed": Param(
            1, type="integer", minimum=0, maximum=2**31 - 1, description="The same seed gives the same events."
        ),
        "acknowledgement": Param(
            "stream",
            type="string",
            enum=["stream", "disk", "s3"],
            description="What each append waits for: the stream's own setting, the disk, or the object store.",
        ),
    },
)
def spool_demo_events() -> None:
    @task
    def append_events(params: Any = None) -> dict[str, Any]:
        """Generate and append; progress in the log."""
        return demo_events.append_demo_events(params)

    append_events()


spool_demo_events()
