"""What features cannot process, with its reason, until somebody requeues or discards it."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENT = """
CREATE TABLE IF NOT EXISTS dead_letters (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  feature VARCHAR(64) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  state VARCHAR(16) NOT NULL,
  reason VARCHAR(1000) NOT NULL,
  time_ms BIGINT NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  details MEDIUMBLOB NOT NULL,
  decision MEDIUMBLOB,
  PRIMARY KEY (id),
  UNIQUE KEY dead_letters_subject (feature, subject),
  KEY dead_letters_feature (feature, id),
  KEY dead_letters_state (state, feature, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def upgrade() -> None:
    op.execute(STATEMENT)
