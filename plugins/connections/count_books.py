"""
The books of counts beside the state folders of this host.

    variable SPILLWAY_INSTALLATION  the name of this installation in the table of counts (default: local)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plugins.connections.host_folders import state_folder

if TYPE_CHECKING:
    from include.counts.batch_numbers import StageNumbers
    from include.counts.ledger import StageLedger


def ledger() -> StageLedger:
    """Items by name: files."""
    from include.counts.ledger import StageLedger

    return StageLedger(state_folder(), installation())


def numbers() -> StageNumbers:
    """Batches by number alone: rows, mails, changes."""
    from include.counts.batch_numbers import StageNumbers

    return StageNumbers(state_folder(), installation())


def installation() -> str:
    """The name of this installation: in the table of counts, and as a producer of the outbox's events."""
    return os.environ.get("SPILLWAY_INSTALLATION", "local")
