"""
### collectors_sync: pull finished files from the hosts that record them

**What** One task for each host of `config/collectors.yml`: the host puts finished files into a batch, rsync fetches it,
every file is hashed on both sides, then the batch appears below `raw/<host>/` with its manifest. Batches that were
proven `forget_after_days` ago are hashed once more at the host and deleted there. Progress is in the task's log.

**When** Every ten minutes. By hand with `host` for one host at once.

**Safe to run again** Yes, at any moment and after any kill: a batch is fetched until it is whole, counted once, and
deleted at the host only where both sides have the same bytes.

**If it fails** One host that fails does not keep the others: only its task is red.
- `HostUnreachable`, `GateBusy`, `TransferFailed`: tried again; nothing is lost, the files are at the host.
- `HostRefused`, `GateRefused`: docs/runbooks/collector-refuses.md. Nothing was deleted.
- `BatchDiffers`: files change at the host after they were taken for finished; raise `quiet_s` of the host.
- `DiskFull`: make space in the state folder.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, task
from plugins.tasks import collect
from plugins.tasks.counts import counts_sent, send_counts


@dag(
    dag_id="collectors_sync",
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=[Tag.COLLECTORS, Tag.SCHEDULED, Tag.MOVES_STATE],
    params={
        "host": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z0-9_]*$",
            maxLength=48,
            description="Only this host. Empty: all.",
        ),
    },
)
def collectors_sync() -> None:
    @task
    def choose_hosts(params: Any = None) -> list[str]:
        """The ids of the hosts, from config/collectors.yml."""
        return collect.hosts(params)

    @task(map_index_template="{{ host }}", pool=Pool.COLLECTORS, execution_timeout=timedelta(hours=2))
    def sync_host(host: str) -> dict[str, Any]:
        """Fetch what is finished at one host, prove it, let the host forget what was proven long ago."""
        return collect.sync_host(host)

    sync_host.expand(host=choose_hosts()) >> send_counts().as_teardown() >> counts_sent()


collectors_sync()
