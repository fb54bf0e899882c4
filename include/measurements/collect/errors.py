"""
Errors of the collectors, leaves of the engine's tree, so that one retry policy serves all.

    TerminalError
    ├── HostRefused          the host does not let us in, or is not the one we know
    ├── GateRefused          the gate of the host does not allow, or will not do, what was asked
    ├── TransferRefused      rsync cannot work as it is called here (version, options)
    └── SyncCancelled        somebody stopped it
    TransientError
    ├── HostUnreachable      no connection, or it was lost
    ├── GateBusy             another stage or forget runs on the host, or its disk is full
    ├── TransferFailed       some files did not arrive
    ├── DiskFull             no space for what comes in; nothing was deleted at the source
    ├── BatchDiffers         what arrived is not what the host's manifest says
    └── SyncRunning          another sync of this collector is at work
"""

from __future__ import annotations

from spool.errors import TerminalError, TransientError


class HostRefused(TerminalError):
    """Key, user or host key do not fit."""


class GateRefused(TerminalError):
    """The gate refused a verb, a path, or to delete what is not proven."""


class TransferRefused(TerminalError):
    """rsync will never do this as it is called."""


class SyncCancelled(TerminalError):
    """Stopped by a signal; what was begun is finished by the next run."""


class HostUnreachable(TransientError):
    """The host does not answer, or the connection broke. Nothing was changed there but, at most, a batch staged."""


class GateBusy(TransientError):
    """The host cannot do it now."""


class TransferFailed(TransientError):
    """Not all files arrived; none of them is visible to the next stage."""


class DiskFull(TransientError):
    """No space left where files come in."""


class BatchDiffers(TransientError):
    """The bytes here and the host's manifest differ, also after a second transfer."""


class SyncRunning(TransientError):
    """Another process holds the lock of this collector's folder."""
