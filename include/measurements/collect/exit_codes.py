"""What exit codes of rsync, ssh and the gate mean: one table, from man rsync(1), ssh(1) and collector_gate."""

from __future__ import annotations

import re
from collections.abc import Mapping

from include.measurements.collect.errors import (
    DiskFull,
    GateBusy,
    GateRefused,
    HostRefused,
    HostUnreachable,
    SyncCancelled,
    TransferFailed,
    TransferRefused,
)
from spool.errors import SpoolError

SSH_FAILED = 255

_RSYNC: Mapping[int, tuple[type[SpoolError], str]] = {
    1: (TransferRefused, "syntax or usage error"),
    2: (TransferRefused, "protocol incompatibility"),
    3: (TransferRefused, "errors selecting files or folders"),
    4: (TransferRefused, "requested action not supported"),
    5: (HostUnreachable, "error starting the protocol"),
    6: (TransferRefused, "cannot append to the log file"),
    10: (HostUnreachable, "error in socket I/O"),
    11: (TransferFailed, "error in file I/O"),
    12: (HostUnreachable, "error in the protocol data stream"),
    13: (TransferFailed, "error with program diagnostics"),
    14: (TransferFailed, "error in communication between processes"),
    20: (SyncCancelled, "stopped by a signal"),
    21: (TransferFailed, "error of waitpid"),
    22: (TransferFailed, "not enough memory"),
    23: (TransferFailed, "some files were not transferred"),
    24: (TransferFailed, "some files vanished at the source"),
    25: (TransferRefused, "deletion limit"),
    30: (HostUnreachable, "timeout in sending or receiving"),
    35: (HostUnreachable, "timeout waiting for the connection"),
}
_GATE: Mapping[int, tuple[type[SpoolError], str]] = {
    64: (GateRefused, "not allowed by the gate"),
    65: (GateRefused, "refused by the gate"),
    75: (GateBusy, "the gate cannot do it now"),
    126: (GateRefused, "the gate cannot be run"),
    127: (GateRefused, "the gate is not installed"),
}
# What ssh says in words only: its exit code is 255 whatever happened.
_REFUSED_BY_SSH = (
    "Permission denied",
    "Host key verification failed",
    "IDENTIFICATION HAS CHANGED",
    "no such identity",
)
_NO_SPACE = "No space left on device"
_QUOTED = re.compile(r'".*"')

_HINTS: Mapping[type[SpoolError], str] = {
    HostRefused: "compare user, key and known_hosts of this collector with its authorized_keys",
    GateRefused: "see docs/runbooks/collector-refuses.md; nothing was deleted",
    TransferRefused: "is rsync 3.2.4 or later, and rrsync, installed on both hosts?",
    SyncCancelled: "run it again: it continues where it stopped",
    HostUnreachable: "is the host up, its port reachable from here?",
    GateBusy: "the next attempt should succeed; if not, look for a hanging collector_gate or a full disk on the host",
    TransferFailed: "the next attempt continues; the log above names the files",
    DiskFull: "make space in the state folder; the files are still on the host",
}


def rsync_error(code: int, errors: str, host: str) -> SpoolError:
    """The error for a failed rsync. A negative code is the signal that ended it."""
    if code == SSH_FAILED:
        return _ssh_error(errors, host)
    if _NO_SPACE in errors:
        return _error(DiskFull, f"no space left for files of {host}", errors)
    kind, meaning = _RSYNC.get(code, (SyncCancelled, "ended by a signal") if code < 0 else (TransferFailed, "unknown"))
    return _error(kind, f"rsync from {host}: {meaning} (exit code {code})", errors)


def gate_error(code: int, errors: str, host: str, verb: str) -> SpoolError:
    """The error for a verb of the gate that failed."""
    if code == SSH_FAILED:
        return _ssh_error(errors, host)
    kind, meaning = _GATE.get(code, (SyncCancelled, "ended by a signal") if code < 0 else (GateRefused, "failed"))
    return _error(kind, f"{verb} on {host}: {meaning} (exit code {code})", errors)


def _ssh_error(errors: str, host: str) -> SpoolError:
    refused = any(words in errors for words in _REFUSED_BY_SSH)
    kind: type[SpoolError] = HostRefused if refused else HostUnreachable
    return _error(kind, f"ssh to {host} failed", errors)


def _error(kind: type[SpoolError], message: str, errors: str) -> SpoolError:
    said = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    # rsync quotes names of files, and those may give away what is in them; what is left is shown as plain text.
    shown = ascii(_QUOTED.sub('"..."', said)[:300])[1:-1]
    return kind(f"{message}: {shown}" if shown else message, hint=_HINTS[kind])
