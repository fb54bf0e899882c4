"""The status of this host: what the tasks publish and the pages show. Reading it opens one small file per section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.connections.host_folders import spool_folder

if TYPE_CHECKING:
    from spool.status.board import Board


def board() -> Board:
    """SettingsError where no spool folder is named."""
    from spool.status.board import Board

    return Board(spool_folder())
