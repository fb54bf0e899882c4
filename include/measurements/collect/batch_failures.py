"""
One bad batch never stops another: what is wrong with it is noted here, and the sync names it at its end.

    a fault of the batch    its name, its manifest, its bytes, its record, a file of it that cannot be read
    a fault of the host     no connection, no login: ends the sync, for every batch would meet it
    a fault of the machine  no space, no descriptors, a failing disk (machine_faults.py): ends the sync
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from include.common.processes.bounded import CommandTimedOut, OutputTooLarge
from include.measurements.batch_manifest import ManifestRefused
from include.measurements.collect.errors import (
    BatchDiffers,
    BatchRefused,
    BatchUnreadable,
    DirectoryUnread,
    GateBusy,
    GateRefused,
    HostUnreachable,
    OriginalsLost,
    RecordDamaged,
    TransferFailed,
    TransferRefused,
)
from include.measurements.machine_faults import is_machine_fault, without_path
from spool.errors import SpoolError, TransientError

LOGGER = logging.getLogger(__name__)

OF_THE_BATCH = (
    BatchDiffers, BatchRefused, BatchUnreadable, DirectoryUnread, GateBusy, GateRefused, ManifestRefused, OriginalsLost,
    OutputTooLarge, RecordDamaged, TransferFailed, TransferRefused,
)  # fmt: skip
# Of the batch where the host still answers afterwards, otherwise of the host.
OF_BATCH_OR_HOST = (HostUnreachable, CommandTimedOut)
NAMED_MAX = 20


class BatchFailures:
    """
    What failed in one sync of one collector.

    host_answers  raises what is wrong with the host, if anything is
    """

    def __init__(self, collector: str, host_answers: Callable[[], object]) -> None:
        self._collector, self._host_answers = collector, host_answers
        self._failures: dict[str, SpoolError] = {}

    @contextmanager
    def apart(self, what: str) -> Iterator[None]:
        """Note a fault of `what`, a batch or a step, and continue; faults of the host or the machine are raised."""
        try:
            yield
        except OF_THE_BATCH as error:
            self.note(what, error)
        except OF_BATCH_OR_HOST as error:
            self._host_answers()
            self.note(what, error)
        except OSError as error:
            if is_machine_fault(error):
                raise
            hint = "see docs/runbooks/collector-refuses.md; nothing was deleted"
            self.note(what, BatchUnreadable(without_path(error), hint=hint))

    def note(self, what: str, error: SpoolError) -> None:
        LOGGER.error("%s/%s: %s: %s", self._collector, what, type(error).__name__, error)
        self._failures.setdefault(what, error)

    def __contains__(self, what: str) -> bool:
        return what in self._failures

    def raise_if_any(self) -> None:
        """One error that names every batch that failed: of the kind of the gravest, which no other try will change."""
        if not self._failures:
            return
        gravest = next((e for e in self._failures.values() if not isinstance(e, TransientError)), None)
        error = gravest or next(iter(self._failures.values()))
        raise type(error)(self._message(), hint=error.hint) from error

    def _message(self) -> str:
        named = [self._named(what, error) for what, error in list(self._failures.items())[:NAMED_MAX]]
        more = len(self._failures) - len(named)
        return "; ".join([*named, *([f"and {more} more"] if more else [])])

    def _named(self, what: str, error: SpoolError) -> str:
        name = f"{self._collector}/{what}"
        return str(error) if name in str(error) else f"{name}: {error}"
