"""
### spool_ship: ship the segments of this host's spool folder to the object store

**What** A sweep behind the resident shipper (`python -m spool ship --follow`), which is the normal way: it seals the
segments that are due, ships what is sealed, and puts state changes that the listener could not append at once
(`<spool folder>/_late_events/`) on the stream `airflow`. Beside a resident shipper it finds nothing to do, or does the
same work once more, which changes nothing.

**When** Every five minutes. By hand after an outage, to see at once whether everything can be shipped.

**Safe to run again** Yes, at any time and beside the resident shipper: an object is put only if it is absent, and
the same segment a second time is recognised by its checksum.

**If it fails**
- `StoreUnavailable`: the object store does not answer. Nothing is lost, events stay in the folder; it tries again.
- `StoreRefused`: credentials, bucket or a store without conditional puts. The hint in the log says which.
- `CorruptSegment`, `OperatorNeeded`: docs/runbooks/damaged-segment.md. Do not delete files.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, task
from plugins.tasks import spool


@dag(
    dag_id="spool_ship",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.SCHEDULED, Tag.MOVES_STATE],
)
def spool_ship() -> None:
    @task
    def append_late_events(params: Any = None) -> dict[str, int]:
        """State changes of Airflow that could not be appended when they happened."""
        return spool.append_late_events(params)

    @task
    def ship_segments() -> dict[str, int]:
        """Seal what is due, ship what is sealed."""
        return spool.ship_segments()

    append_late_events() >> ship_segments()


spool_ship()
