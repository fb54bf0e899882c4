"""The options that a transfer must have, and those it must never have; each has its reason in rsync_transport.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common.processes import bounded
from include.common.processes.bounded import Ended
from include.measurements.collect.config import SshHost
from include.measurements.collect.rsync_transport import RsyncTransport, ssh_command

HOST = SshHost(
    transport="rsync", host="2001:db8::1", user="ooni", port=2222, key=Path("/k/id"),
    known_hosts=Path("/k/known"), directories=("archive",),
)  # fmt: skip


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    called: list[list[str]] = []

    def run(command: list[str], **_: object) -> Ended:
        called.append(command)
        return Ended(0, '{"files": 0, "waiting": 0}', "")

    monkeypatch.setattr(bounded, "run", run)
    return called


def test_a_transfer_keeps_partial_files_aside_fsyncs_and_deletes_nothing(
    commands: list[list[str]], tmp_path: Path
) -> None:
    RsyncTransport("north", HOST).fetch("b1", tmp_path / "in")
    [command] = commands
    assert {"--delay-updates", "--fsync", "--partial-dir=.rsync-partial", "--recursive", "--times"} <= set(command)
    assert not [word for word in command if "remove" in word or "delete" in word or word in ("-l", "--links", "-a")]
    assert command[-3:] == ["--", "[2001:db8::1]:b1/", f"{tmp_path}/in/"]


def test_the_remote_shell_asks_nothing_and_trusts_only_what_is_named() -> None:
    command = ssh_command(HOST)
    for option in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/k/known"):
        assert command[command.index(option) - 1] == "-o"
    assert command[:3] == ["ssh", "-F", "/dev/null"]
    assert not [word for word in command if " " in word], "rsync splits -e at blanks"


def test_a_stage_names_batch_quiet_time_and_directories(commands: list[list[str]]) -> None:
    RsyncTransport("north", HOST).stage("b1")
    assert commands == [[*ssh_command(HOST), "2001:db8::1", "stage b1 120 archive"]]
