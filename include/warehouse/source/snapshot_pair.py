"""
Two connections that see the same state, so that the sums of a table are made while its rows are read.

MariaDB cannot hand a snapshot from one connection to another. But two snapshots at the same position of the binary log
hold the same transactions; so both are opened, and opened again if a transaction came between. If the server keeps no
binary log, or writers never pause, there is one connection and the sums come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from include.database.connection import Connect
from include.warehouse.source.snapshot_transaction import SnapshotTransaction

# Each costs two connections; a server that writes all the time is not asked for long.
TRIES = 3


class SnapshotPair(NamedTuple):
    """`second` sees the same state as `first`; None if there is no such connection."""

    first: SnapshotTransaction
    second: SnapshotTransaction | None


@contextmanager
def snapshot_pair(connect: Connect) -> Iterator[SnapshotPair]:
    """Errors as SnapshotTransaction. Both end with the block."""
    for attempt in range(1, TRIES + 1):
        with ExitStack() as opened:
            first = opened.enter_context(SnapshotTransaction(connect))
            second = opened.enter_context(SnapshotTransaction(connect)) if first.binlog_position else None
            if second is None or second.binlog_position == first.binlog_position:
                yield SnapshotPair(first, second)
                return
            if attempt == TRIES:
                yield SnapshotPair(first, None)
                return
