"""Rows that transactions lock by key, so that the order of events of one key is the order of the transactions."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENT = """
CREATE TABLE IF NOT EXISTS outbox_lanes (
  stream VARCHAR(64) NOT NULL,
  lane SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (stream, lane)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def upgrade() -> None:
    op.execute(STATEMENT)
