"""
### spool_intake_files: take lines of log files into a stream

**What** Reads text files (`.gz` too), one event per line: key = the file's path, so that its lines keep their order;
id = path and byte position; headers `log_file` and `log_byte`. Only files below the roots of `config/log_files.yml` are
opened, links are followed before that is checked. Binary files that a wildcard matches are passed over and named in
the log.

**When** By hand, with conf. `make demo` takes in the logs of the machine and of the running stack this way.

**Safe to run again** It appends the lines again, at new positions but with the same event ids. It does not follow
growing files: a second run takes the whole file, not what is new.

**If it fails** Bad paths are refused before anything is appended; the error names path and reason. What was appended
before a later error stays appended; the next try of the task begins with the first line again.

Example conf: `{"paths": ["/var/log/dpkg.log", "/var/log/apt/*.log"], "max_events": 50000}`
"""

from typing import Any

from airflow.sdk import Param, dag

from plugins.dag_defaults import DEFAULT_ARGS, START_DATE, Pool, Tag, stream_param, task
from plugins.tasks import log_files


@dag(
    dag_id="spool_intake_files",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS | {"pool": Pool.SPOOL_INTAKE},
    doc_md=__doc__,
    tags=[Tag.SPOOL, Tag.MANUAL, Tag.MOVES_STATE],
    params={
        "paths": Param(
            ["/var/log/*.log"],
            type="array",
            items={"type": "string", "pattern": "^/"},
            minItems=1,
            maxItems=100,
            description="Absolute paths or wildcards below an allowed root, one per line.",
        ),
        "stream": stream_param("machine_logs", "The stream to append to."),
        "max_events": Param(
            100_000,
            type="integer",
            minimum=1,
            maximum=5_000_000,
            description="End after this many lines over all files.",
        ),
    },
)
def spool_intake_files() -> None:
    @task
    def append_lines(params: Any = None) -> dict[str, Any]:
        """Choose the files, append their lines."""
        return log_files.take_in_log_files(params)

    append_lines()


spool_intake_files()
