"""
Revisions of the operational schema.

MariaDB commits each DDL statement by itself, so a revision is one statement, which the server makes atomic, and it says
`IF NOT EXISTS` or `IF EXISTS`: a run that died between a statement and its note in `alembic_version` is run again.
"""
