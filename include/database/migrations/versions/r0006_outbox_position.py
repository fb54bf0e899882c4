"""Where in the log the drain of a stream is: what was appended later than a backup of this database is behind it."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENT = """
ALTER TABLE outbox_batches ADD COLUMN IF NOT EXISTS next_offset BIGINT UNSIGNED NOT NULL DEFAULT 0
"""


def upgrade() -> None:
    op.execute(STATEMENT)
