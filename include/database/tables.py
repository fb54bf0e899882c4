"""
The operational tables. A feature adds its own here and one revision in `migrations/versions`.

Text that programs compare is `ascii_bin` or `utf8mb4_bin`: no two spellings are equal by accident. Times are
milliseconds since 1970 UTC (`..._ms`), so that no server or session zone can change them.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects.mysql import BIGINT, MEDIUMBLOB, SMALLINT, VARBINARY, VARCHAR

METADATA = MetaData()


def name_column(name: str, length: int = 64, **options: object) -> Column[str]:
    """A name that programs compare: byte by byte."""
    return Column(name, VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), nullable=False, **options)  # type: ignore[arg-type]


STAGE_COUNTS = Table(
    "stage_counts",
    METADATA,
    name_column("feature", primary_key=True),
    name_column("stage", primary_key=True),
    Column("day", Date, primary_key=True),
    name_column("installation", primary_key=True),
    Column("in", BIGINT(unsigned=True), nullable=False),
    Column("out", BIGINT(unsigned=True), nullable=False),
    Column("quarantined", BIGINT(unsigned=True), nullable=False),
    Column("errored", BIGINT(unsigned=True), nullable=False),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)

# What include/outbox.py writes beside a change, and its drain appends to the spool. Rows leave when they are appended.
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", BIGINT(unsigned=True), primary_key=True, autoincrement=True),
    name_column("stream"),
    name_column("event_id", 128),
    name_column("event_type", 255),
    name_column("source", 255),
    Column("time_ms", BIGINT(), nullable=False),
    Column("event_key", VARBINARY(1024)),
    Column("headers", MEDIUMBLOB),
    Column("payload", MEDIUMBLOB, nullable=False),
    Index("outbox_stream", "stream", "id"),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)
# One row is locked by each transaction that emits with a key, so that ids of one key rise as the transactions commit.
OUTBOX_LANES = Table(
    "outbox_lanes",
    METADATA,
    name_column("stream", primary_key=True),
    Column("lane", SMALLINT(unsigned=True), primary_key=True, autoincrement=False),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)
# How far the drain of a stream is: the last sequence it gave, the log it gave it to, and the rows of that batch as
# 8-byte ids, until they are appended; NULL when nothing is under way. next_offset: behind the last batch that is done,
# in that log; 0 where that is not known.
OUTBOX_BATCHES = Table(
    "outbox_batches",
    METADATA,
    name_column("stream", primary_key=True),
    Column("sequence", BIGINT(unsigned=True), nullable=False),
    name_column("log"),
    Column("ids", MEDIUMBLOB),
    Column("next_offset", BIGINT(unsigned=True), nullable=False, server_default="0"),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)
# What features cannot process: include/dead_letters. `subject` is what a feature calls the thing; details and decision
# are JSON. The first index is for pages of one feature, the second for pages of one state.
DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("id", BIGINT(unsigned=True), primary_key=True, autoincrement=True),
    name_column("feature"),
    name_column("subject", 255),
    name_column("state", 16),
    name_column("reason", 1000),
    Column("time_ms", BIGINT(), nullable=False),
    Column("payload", MEDIUMBLOB, nullable=False),
    Column("details", MEDIUMBLOB, nullable=False),
    Column("decision", MEDIUMBLOB),
    UniqueConstraint("feature", "subject", name="dead_letters_subject"),
    Index("dead_letters_feature", "feature", "id"),
    Index("dead_letters_state", "state", "feature", "id"),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)
