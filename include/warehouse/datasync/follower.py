"""What a sync of one unit needs so that the stream `datasync` follows the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from include.warehouse.config import Unit
from include.warehouse.datasync.drain import IdempotentAppend, drain
from include.warehouse.datasync.journal import TableJournal
from include.warehouse.datasync.journaled_target import JournaledTarget
from include.warehouse.target.port import WarehouseTarget
from spool.errors import SettingsError, SpoolError

OpenSpool = Callable[[], IdempotentAppend]


def no_spool() -> IdempotentAppend:
    """For runs by hand without a spool folder: only tables that are not published can be brought up to date."""
    raise SettingsError(
        "a table is published, and there is no spool folder", hint="set SPOOL_FOLDER, or remove `publish`"
    )


class Follower(NamedTuple):
    """
    target     what the sync changes
    journals   of the published tables of the unit; none where nothing is published
    """

    target: WarehouseTarget
    journals: tuple[TableJournal, ...] = ()
    spool: IdempotentAppend | None = None

    def drain(self, *, give_up: bool = False) -> None:
        """What waits in the journals of the unit into the stream; one that fails does not keep the others."""
        first: SpoolError | None = None
        for journal in self.journals:
            assert self.spool is not None
            try:
                drain(journal, self.target, self.spool, give_up=give_up)
            except SpoolError as error:
                first = first or error
        if first is not None:
            raise first

    def demand_agreement(self) -> None:
        """WholeCopyNeeded unless the stream holds what the warehouse holds of every published table."""
        if isinstance(self.target, JournaledTarget):
            for journal in self.journals:
                self.target.demand_agreement(journal)


@contextmanager
def following(
    target: WarehouseTarget, unit: Unit, published: tuple[str, ...], folder: Path, open_spool: OpenSpool
) -> Iterator[Follower]:
    """The follower of a unit, which works on its tables' journals alone. SettingsError, WarehouseUnavailable."""
    if not published:
        yield Follower(target)
        return
    spool = open_spool()
    with ExitStack() as opened:
        journals = {table: TableJournal(folder, unit.installation, table) for table in sorted(published)}
        for journal in journals.values():
            opened.callback(journal.close)
            journal.open()
        yield Follower(JournaledTarget(target, journals, spool), tuple(journals.values()), spool)


def waiting_changes(folder: Path, installation: str, table: str) -> int:
    """Rows of the journal that are not known to be in the stream."""
    pending = TableJournal(folder, installation, table).pending()
    return 0 if pending is None else pending.changes
