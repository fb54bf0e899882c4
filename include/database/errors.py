"""
Errors of the operational database, leaves of the engine's tree.

    TerminalError
    ├── DatabaseRefused     the server will never do what is asked: credentials, rights, a statement it does not know
    ├── SchemaOutdated      a table or column is missing: migrations were not run
    ├── SchemaNewer         the database was migrated by a newer version of this program
    └── MigrationFailed     a migration did not finish; nothing of it is half done, and it can be run again
    TransientError
    └── DatabaseUnavailable the server is away, overloaded, or ended the transaction (deadlock, lock time-out)
"""

from __future__ import annotations

from spool.errors import TerminalError, TransientError


class DatabaseRefused(TerminalError):
    """Trying again gives the same answer."""


class SchemaOutdated(TerminalError):
    """The tables are older than this program."""


class SchemaNewer(TerminalError):
    """The tables are newer than this program."""


class MigrationFailed(TerminalError):
    """The database is at the revision that the message names."""


class DatabaseUnavailable(TransientError):
    """Trying again may help."""
