"""Alembic's entry: runs the revisions on the connection that `include.database.migrate` hands over."""

from alembic import context

from include.database.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
