from __future__ import annotations

import pytest

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
from include.measurements.collect.exit_codes import gate_error, rsync_error
from spool.errors import SpoolError, TerminalError, TransientError


@pytest.mark.parametrize(
    ("code", "errors", "kind"),
    [
        (255, "ssh: connect to host x port 22: Connection refused", HostUnreachable),
        (255, "a@x: Permission denied (publickey).", HostRefused),
        (255, "Host key verification failed.", HostRefused),
        (255, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", HostRefused),
        (12, "connection unexpectedly closed", HostUnreachable),
        (30, "timeout", HostUnreachable),
        (35, "", HostUnreachable),
        (10, "", HostUnreachable),
        (23, 'rsync: open "a": Permission denied (13)', TransferFailed),
        (24, "file has vanished", TransferFailed),
        (11, "write failed: No space left on device (28)", DiskFull),
        (11, "Input/output error", TransferFailed),
        (20, "received SIGTERM", SyncCancelled),
        (-9, "", SyncCancelled),
        (1, "unknown option", TransferRefused),
        (2, "protocol version mismatch", TransferRefused),
        (99, "", TransferFailed),
    ],
)
def test_each_exit_code_of_rsync_has_its_error(code: int, errors: str, kind: type[SpoolError]) -> None:
    error = rsync_error(code, errors, "north")
    assert type(error) is kind
    assert "north" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("code", "kind"), [(64, GateRefused), (65, GateRefused), (75, GateBusy), (127, GateRefused), (255, HostUnreachable)]
)
def test_each_exit_code_of_the_gate_has_its_error(code: int, kind: type[SpoolError]) -> None:
    assert type(gate_error(code, "collector_gate: why", "north", "stage")) is kind


def test_only_what_may_pass_by_itself_is_transient() -> None:
    assert issubclass(HostUnreachable, TransientError)
    assert issubclass(DiskFull, TransientError)
    assert issubclass(GateBusy, TransientError)
    assert issubclass(HostRefused, TerminalError)
    assert issubclass(GateRefused, TerminalError)
