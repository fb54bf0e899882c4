"""
### sanitize_run: make measurement reports fit to be published

**What** Takes every batch in `raw` whose manifest matches. Each report is cut into documents, parsed in a sandbox
without network,
redacted by include/measurements/sanitize/rules.py, and goes to `staging`; its original is kept, gzipped, in
the private archive. What may not be published goes to `quarantine/<reason>` or `errored/<reason>` and does not fail
the run.

**When** Every ten minutes. By hand with `max_reports` to go in measured steps.

**Safe to run again** Yes: a report changes its state by one rename, after everything else about it is on disk. A killed
task leaves each report in one folder; the next run continues where it died.

**If it fails**
- `BridgeMapRefused`: reports wait, and the bridge map is missing, empty, unparsable or old. Nothing was moved; bring
  a fresh one. Where no report waits, the map is not looked at.
- `SandboxUnavailable`: bubblewrap or user namespaces are missing on this worker. Nothing was read.
- `SettingsError`: config/sanitize.yml, or states on two file systems.
- `MachineFault`: no space, no memory, a failing disk. No report was judged by it; tried again.
- `MeasurementReportsStuck`: some reports can neither be judged nor moved; the others were processed. Look at the
  rights of the folders in raw.
- `AnotherRun`: tried again.
- Reports in `quarantine` or `errored`: docs/runbooks/quarantined-measurement-reports.md.
"""

from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Tag, task
from plugins.tasks import sanitize
from plugins.tasks.counts import counts_sent, send_counts


@dag(
    dag_id="sanitize_run",
    schedule=CronTriggerTimetable("2-59/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.SANITIZE, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "max_reports": Param(
            100_000, type="integer", minimum=1, maximum=1_000_000, description="End after so many reports."
        ),
        "seconds": Param(
            1200, type="integer", minimum=1, maximum=1500, description="End, between two reports, after so long."
        ),
    },
)
def sanitize_run() -> None:
    @task
    def sanitize_reports(params: Any = None) -> dict[str, Any]:
        """From raw to staging, quarantine or errored; how many of each."""
        return sanitize.sanitize(params)

    sanitize_reports() >> send_counts().as_teardown() >> counts_sent()


sanitize_run()
