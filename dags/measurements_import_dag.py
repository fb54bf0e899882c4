"""
### measurements_import: sanitized reports into MongoDB

**What** Post-processing applies the import rules and moves reports from `staging` to `reports`; the import writes them
to MongoDB and moves them to `imported`; then the table of blocked bridges is rebuilt. Reports that cannot be
imported end in `errored/<reason>`, with the reason beside them, and do not fail the run.

**When** Every ten minutes. By hand with `max_reports` to go in measured steps.

**Safe to run again** Yes: a report moves by one rename after it was written whole, and what was written is the same
when it is written again. A killed task leaves a report in one folder or in the next.

**If it fails**
- `MongoUnavailable`, `AnotherRun`: tried again; the reports wait in `reports`.
- `MongoRefused`: docs/runbooks/mongodb.md; the connection `mongo_import` or the server's settings.
- Reports in `errored/`: docs/runbooks/errored-measurement-reports.md.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, task
from plugins.tasks import load
from plugins.tasks.counts import counts_sent, send_counts


@dag(
    dag_id="measurements_import",
    schedule=CronTriggerTimetable("4-59/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS | {"pool": Pool.MEASUREMENTS},
    doc_md=__doc__,
    tags=[Tag.MEASUREMENTS, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "max_reports": Param(
            100_000, type="integer", minimum=1, maximum=1_000_000, description="End each stage after so many reports."
        ),
        "seconds": Param(
            1200,
            type="integer",
            minimum=1,
            maximum=1500,
            description="End each stage, between two reports, after so long.",
        ),
    },
)
def measurements_import() -> None:
    @task
    def postprocess_reports(params: Any = None) -> dict[str, Any]:
        """From staging to reports."""
        return load.postprocess(params)

    @task
    def import_reports(params: Any = None) -> dict[str, Any]:
        """From reports into MongoDB, to imported."""
        return load.import_reports(params)

    @task
    def export_bridges() -> dict[str, int]:
        """Which bridges are blocked where; how many results of each status."""
        return load.export_bridges()

    (postprocess_reports() >> import_reports() >> export_bridges() >> send_counts().as_teardown() >> counts_sent())


measurements_import()
