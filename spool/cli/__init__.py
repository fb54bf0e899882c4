"""
The command line of the engine: `python -m spool VERB`. One module per verb; a verb is imported when it runs.

The exit codes are those of every command line of the project: `spool/command_line/exit_codes.py`.
"""

from __future__ import annotations

from spool.command_line import Program, VerbEntry

PROGRAM = Program(
    name="python -m spool",
    description="Durable events: local log, then S3, then Kafka exactly once.",
    verbs={
        "append": VerbEntry("append NDJSON from standard input", "spool.cli.append"),
        "ship": VerbEntry("put sealed segments into the object store", "spool.cli.ship"),
        "replay": VerbEntry("send archived events to Kafka, exactly once", "spool.cli.replay"),
        "verify": VerbEntry("prove that Kafka has what the archive holds", "spool.cli.verify"),
        "rewind": VerbEntry("send events again, or pass a gap", "spool.cli.rewind"),
        "dead-letters": VerbEntry("what Kafka refused: list, show, requeue, discard", "spool.cli.dead_letters"),
        "ls": VerbEntry("list logs and segments", "spool.cli.ls"),
        "cat": VerbEntry("print archived events as JSON", "spool.cli.cat"),
        "status": VerbEntry("what was published last: logs, alarms, dead letters, counts", "spool.cli.status"),
        "stats": VerbEntry("how far each log is: appended, archived, delivered", "spool.cli.stats"),
    },
    epilog=(
        "Places come from SPOOL_FOLDER, SPOOL_S3_BUCKET, SPOOL_S3_ENDPOINT, SPOOL_S3_REGION, SPOOL_S3_ACCESS_KEY,\n"
        "SPOOL_S3_SECRET_KEY, SPOOL_KAFKA_BOOTSTRAP."
    ),
)

main = PROGRAM.main
