"""How far the drain of each stream is."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENT = """
CREATE TABLE IF NOT EXISTS outbox_batches (
  stream VARCHAR(64) NOT NULL,
  sequence BIGINT UNSIGNED NOT NULL,
  log VARCHAR(64) NOT NULL,
  ids MEDIUMBLOB,
  PRIMARY KEY (stream)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def upgrade() -> None:
    op.execute(STATEMENT)
