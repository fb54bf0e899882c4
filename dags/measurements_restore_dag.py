"""
### measurements_restore: sanitize archived originals again

**What** Takes an original from the private archive, sanitizes it with today's rules and bridge map, takes what it had
produced out of the mirror, the database and its state folder, and puts the new measurement report into `staging`. From
there measurements_import and measurements_publish take it as any other. What today's rules hold goes to `quarantine`
instead: it is taken back. With `rules_version`, all that this version of the rules has sanitized.

**When** By hand only: the rules or the bridge map were wrong.

**Dry by default** `dry_run` is on: the log shows what would be replaced; with an empty form, what can be restored.
Trigger again with it off to act.

**Safe to run again** Yes. The archive is only read. If the sanitizer makes nothing of an original, nothing is changed.
A killed run is finished by triggering it again with the same conf; a run over a version continues where it stopped.

**If it fails** `RestoreRefused`: the message says whether the path, the archive file or the sanitizer's answer is at
fault. `AnotherRun`: an import is at work; tried again.

Example conf: `{"archived": "collector_a/20261123t100000-1a2b3c4d/archive/r.yamloo.gz", "dry_run": true}`
"""

from typing import Any

from airflow.sdk import Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, task
from plugins.tasks import restore


@dag(
    dag_id="measurements_restore",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS | {"pool": Pool.MEASUREMENTS},
    doc_md=__doc__,
    tags=[Tag.MEASUREMENTS, Tag.MANUAL, Tag.MOVES_STATE],
    params={
        "archived": Param(
            None,
            type=["null", "string"],
            maxLength=4096,
            description="The archived original, as its path below the archive folder, ending in .gz. Empty: list them.",
        ),
        "rules_version": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=1_000_000,
            description="Instead of one: every measurement report that this version of the rules has sanitized.",
        ),
        "dry_run": Param(True, type="boolean", description="Only say what would be replaced. Changes nothing."),
    },
)
def measurements_restore() -> None:
    @task
    def restore_report(params: Any = None) -> dict[str, Any]:
        """Say what would be replaced; replace it unless dry_run."""
        return restore.restore(params)

    restore_report()


measurements_restore()
