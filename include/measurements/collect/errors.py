"""
Errors of the collectors, leaves of the engine's tree, so that one retry policy serves all.

    TerminalError
    ├── HostRefused          the host does not let us in, or is not the one we know
    ├── GateRefused          the gate of the host does not allow, or will not do, what was asked
    ├── TransferRefused      rsync cannot work as it is called here (version, options)
    ├── BatchRefused         a batch has a name, a size or a number of files that no batch may have
    ├── DirectoryUnread      a directory that files come from is missing or cannot be listed
    ├── BatchUnreadable      a file or folder of a batch, here or at its source, cannot be read or moved
    ├── OriginalsLost        we cannot prove any more what a host was about to forget: it keeps its copy
    ├── RecordDamaged        the record of a collected batch cannot be read
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


class BatchRefused(TerminalError):
    """Not taken, while the other batches of its host are."""


class DirectoryUnread(TerminalError):
    """Named, because a directory without files looks the same as one that is misspelt."""


class BatchUnreadable(TerminalError):
    """The operating system refuses it, and it is not the machine that is at fault (machine_faults.py)."""


class OriginalsLost(TerminalError):
    """Neither raw, nor the archive, nor a held report has the bytes that the manifest names."""


class RecordDamaged(TerminalError):
    """`collected/<collector>/<batch>.*` is not what collected.py writes."""


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
