"""What every stage took in and put out, a row for each day and installation."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENT = """
CREATE TABLE IF NOT EXISTS stage_counts (
  feature VARCHAR(64) NOT NULL,
  stage VARCHAR(64) NOT NULL,
  day DATE NOT NULL,
  installation VARCHAR(64) NOT NULL,
  `in` BIGINT UNSIGNED NOT NULL,
  `out` BIGINT UNSIGNED NOT NULL,
  quarantined BIGINT UNSIGNED NOT NULL,
  errored BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (feature, stage, day, installation)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def upgrade() -> None:
    op.execute(STATEMENT)
