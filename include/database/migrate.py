"""
Brings the operational schema to the revision of this program.

    1. one at a time: a server lock, waited for with a deadline
    2. compare: a revision that this program does not know means a newer program was here; nothing is touched
    3. each pending revision in order: its one statement, then its note in `alembic_version`
    4. compare the tables with `tables.METADATA`: a table that somebody else made differently is named

A process that dies between a statement and its note runs that statement again, which does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from include.database.connection import UPGRADE_HINT, mapped_errors
from include.database.errors import DatabaseUnavailable, MigrationFailed, SchemaNewer, SchemaOutdated
from include.database.tables import METADATA
from spool.errors import SpoolError

LOCATION = Path(__file__).parent / "migrations"
LOCK = "spillway_migrations"
LOCK_TIMEOUT_S = 60


class SchemaStatus(NamedTuple):
    """Where a database is. `pending` are the revisions it lacks, in order."""

    current: str
    wanted: str
    pending: tuple[str, ...]


def status(database: Engine) -> SchemaStatus:
    """SchemaNewer when the database is at a revision that this program does not know."""
    with mapped_errors(), database.connect() as connection:
        return _status(connection)


def upgrade(database: Engine) -> SchemaStatus:
    """
    Run the pending revisions; the status before is returned. Durable when it returns.

    MigrationFailed names the revision that the database is at. DatabaseUnavailable, when another upgrade holds the lock
    for more than a minute.
    """
    with mapped_errors(), database.connect() as connection, _alone(connection):
        before = _status(connection)
        for revision in before.pending:
            _run(connection, revision)
        if differences := schema_differences(connection):
            raise MigrationFailed(
                f"the tables differ from what this program expects: {'; '.join(differences)}",
                hint="a table of one of these names was made by something else: rename it, then run the upgrade again",
            )
    return before


def demand_current(database: Engine) -> None:
    """SchemaOutdated or SchemaNewer unless the database is at this program's revision."""
    if pending := status(database).pending:
        raise SchemaOutdated(f"the operational schema lacks {', '.join(pending)}", hint=UPGRADE_HINT)


def schema_differences(connection: Connection) -> list[str]:
    """What of our tables is not as `METADATA` says; other tables of the database are ignored."""
    ours = set(METADATA.tables)

    def is_ours(entry: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in ours

    context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
    flat = map(_flat, compare_metadata(context, METADATA))
    return [f"{difference[0]} {difference[1:]!r}" for difference in flat]


def _flat(difference: object) -> tuple[object, ...]:
    first = difference[0] if isinstance(difference, list) else difference
    assert isinstance(first, tuple)
    return first


def _status(connection: Connection) -> SchemaStatus:
    scripts = ScriptDirectory.from_config(_config(connection))
    ordered = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    current = MigrationContext.configure(connection).get_current_revision() or ""
    # The look-up began a transaction, in which DDL of others would stay invisible.
    connection.rollback()
    if current and current not in ordered:
        raise SchemaNewer(
            f"the operational schema is at revision {current}, this program knows {ordered[-1]}",
            hint="upgrade this program; nothing was changed",
        )
    position = ordered.index(current) + 1 if current else 0
    return SchemaStatus(current, ordered[-1], tuple(ordered[position:]))


def _run(connection: Connection, revision: str) -> None:
    try:
        command.upgrade(_config(connection), revision)
        connection.commit()
    except Exception as error:
        connection.rollback()
        at = MigrationContext.configure(connection).get_current_revision() or "none"
        cause = error if isinstance(error, SpoolError) else f"{type(error).__name__}: {error}"
        raise MigrationFailed(
            f"revision {revision} did not finish, the schema is at {at}: {cause}",
            hint="fix what the message names, then run the upgrade again: it continues from there",
        ) from error


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    taken = connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), {"name": LOCK, "seconds": LOCK_TIMEOUT_S})
    if taken.scalar() != 1:
        raise DatabaseUnavailable(
            "another upgrade of the schema is running", hint=f"wait for it, or see who holds {LOCK} in SHOW PROCESSLIST"
        )
    connection.rollback()
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK})


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(LOCATION).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
