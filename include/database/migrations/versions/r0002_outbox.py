"""Events that wait, beside the change that caused them, until the drain appends them to the spool."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENT = """
CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  stream VARCHAR(64) NOT NULL,
  event_id VARCHAR(128) NOT NULL,
  event_type VARCHAR(255) NOT NULL,
  source VARCHAR(255) NOT NULL,
  time_ms BIGINT NOT NULL,
  event_key VARBINARY(1024),
  headers MEDIUMBLOB,
  payload MEDIUMBLOB NOT NULL,
  PRIMARY KEY (id),
  KEY outbox_stream (stream, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def upgrade() -> None:
    op.execute(STATEMENT)
