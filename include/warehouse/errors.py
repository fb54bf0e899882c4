"""
Errors of the warehouse, leaves of the engine's tree.

    TerminalError
    ├── TypeRefused          a column has a type, or a table a shape, that the warehouse has no form for
    ├── TableRefused         the source's table is missing, may not be read, or has nothing to copy
    ├── SnapshotDiffers      what was loaded does not add up to what the snapshot held; nothing was published
    ├── WarehouseRefused     the target will never do what is asked (credentials, rights, a value it cannot hold)
    └── UnitsFailed          some installations or tables failed, each named with its error; the others were published
    TransientError
    ├── SnapshotBroken       the source ended the snapshot (restart, table altered meanwhile); nothing was published
    ├── WarehouseUnavailable the target does not answer, is locked for too long, or rolled the transaction back
    └── WholeCopyNeeded      changes cannot be followed, or cost more than a whole copy; sync makes one instead
"""

from __future__ import annotations

from spool.errors import TerminalError, TransientError


class TypeRefused(TerminalError):
    """The message names table, column and type."""


class TableRefused(TerminalError):
    """Trying again gives the same answer."""


class SnapshotDiffers(TerminalError):
    """The message names every column whose sum, count or limit differs. What readers see is unchanged."""


class WarehouseRefused(TerminalError):
    """Trying again gives the same answer. What readers see is unchanged."""


class UnitsFailed(TerminalError):
    """Raised at the end of a run over several units; the message names each that failed."""


class SnapshotBroken(TransientError):
    """A new snapshot may succeed. What readers see is unchanged."""


class WarehouseUnavailable(TransientError):
    """Trying again may help. What readers see is unchanged."""


class WholeCopyNeeded(TransientError):
    """The message is the reason, such as `the binary log was purged`. Nothing was changed."""
