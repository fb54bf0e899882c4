"""A collector host without ssh: the real gate and the real rsync, joined by a shell script instead of a network."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from include.measurements.collect.config import Collector, SshHost
from include.measurements.collect.rsync_transport import RsyncTransport

GATE = Path(__file__).parents[2] / "include" / "measurements" / "collect" / "collector_gate"


@dataclass
class CollectorHost:
    """`folder` is the host folder that the gate serves; `down` makes the shell fail as ssh does."""

    folder: Path
    shell: Path
    collector: Collector

    @classmethod
    def make(cls, folder: Path, collector_id: str = "north", **settings: object) -> CollectorHost:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "archive").mkdir(exist_ok=True)
        shell = folder.parent / f"{folder.name}.shell"
        shell.write_text(f'#!/bin/sh\nshift\nSSH_ORIGINAL_COMMAND="$*" exec {GATE} {folder}\n')
        shell.chmod(0o755)
        host = SshHost(
            transport="rsync", host="host", user="user", key=Path(), known_hosts=Path(), directories=("archive",),
            quiet_s=0, forget_after_days=0,
        )  # fmt: skip
        return cls(folder, shell, Collector(collector_id, replace(host, **settings)))  # type: ignore[arg-type]

    @property
    def ssh(self) -> SshHost:
        """How the aggregator reaches it."""
        assert isinstance(self.collector.source, SshHost)
        return self.collector.source

    def change(self, **settings: object) -> None:
        """From now on it is reached, or asked, in another way."""
        self.collector = Collector(self.collector.id, replace(self.ssh, **settings))  # type: ignore[arg-type]

    @property
    def transport(self) -> RsyncTransport:
        return RsyncTransport(self.collector.id, self.ssh, [str(self.shell)])

    def record(self, name: str, content: bytes, directory: str = "archive") -> Path:
        """What a collector does with a finished report."""
        path = self.folder / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def go_down(self) -> None:
        self.shell.write_text("#!/bin/sh\necho 'ssh: connect to host: Connection refused' >&2\nexit 255\n")

    def gate(self, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """What sshd runs when a client asks for `command`."""
        return subprocess.run(
            [GATE, self.folder], input=stdin, capture_output=True, check=False, timeout=240,
            env={"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": command},
        )  # fmt: skip

    def files(self) -> set[str]:
        """Everything on the host, without the lock."""
        return {
            p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file() and p.name != ".lock"
        }
