"""
Batches of a host behind `collector_gate`, over ssh: verbs for the gate, rsync for the bytes.

Never `--remove-source-files`: rsync deletes a file rewritten with the same size and time during the transfer, and one
that a writer still holds open, and says nothing (measured with 3.5.0). Deleting is the gate's, after hashing again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from include.common.processes import bounded
from include.measurements import batch_manifest
from include.measurements.batch_manifest import Manifest
from include.measurements.collect import gate_answers
from include.measurements.collect.config import SshHost
from include.measurements.collect.errors import DirectoryUnread
from include.measurements.collect.exit_codes import gate_error, rsync_error
from include.measurements.collect.progress import Progress, Transferred
from include.measurements.collect.transport import BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Forgotten

LOGGER = logging.getLogger(__name__)

PARTIAL_FOLDER = ".rsync-partial"
# After this many seconds without data from the host, rsync gives up (exit code 30).
SILENCE_S = 60
CONNECT_S = 10
# The gate hashes a whole batch for `manifest` and `forget`: 1 GB/s at best, 100 MB/s on old disks.
VERB_TIMEOUT_S = 1800
# Nothing is hashed for `list`.
LIST_TIMEOUT_S = 120


class RsyncTransport:
    """`remote_shell` replaces ssh and its options in tests."""

    def __init__(self, collector_id: str, host: SshHost, remote_shell: Sequence[str] | None = None) -> None:
        self._id, self._host = collector_id, host
        self._shell = list(remote_shell or ssh_command(host))

    def stage(self, batch: str) -> int:
        text = self._gate("stage", batch, str(self._host.quiet_s), *self._host.directories)
        staged = gate_answers.staged(text, batch, self._host.directories)
        if staged.unfit:
            LOGGER.warning("%s: %s files have names unfit for a manifest and stay at the host", self._id, staged.unfit)
        LOGGER.info("%s: staged %s files, %s wait", self._id, staged.files, staged.waiting)
        if staged.unread:
            raise DirectoryUnread(
                f"directories of the host are missing or cannot be listed: {', '.join(staged.unread)}",
                hint="correct `directories` in config/collectors.yml, or the modes at the host; others were staged",
            )
        return staged.files

    def batches(self) -> list[str]:
        return gate_answers.offered_batches(self._gate("list", timeout_s=LIST_TIMEOUT_S))

    def manifest(self, batch: str) -> Manifest:
        return batch_manifest.parse(self._gate("manifest", batch))

    def fetch(self, batch: str, folder: Path) -> Transferred:
        folder.mkdir(parents=True, exist_ok=True)
        progress = Progress(self._id, batch, bytes_max=BATCH_BYTES_MAX, entries_max=BATCH_ENTRIES_MAX)
        ended = bounded.run(
            self._rsync(f"{_bracketed(self._host.host)}:{batch}/", f"{folder}/"),
            timeout_s=self._host.timeout_s,
            on_line=progress.line,
        )
        if ended.code:
            raise rsync_error(ended.code, ended.errors, self._host.host)
        for left_over in folder.rglob(PARTIAL_FOLDER):
            shutil.rmtree(left_over)
        return progress.transferred

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        text = self._gate("forget", batch, stdin=batch_manifest.encode(manifest).encode())
        return gate_answers.forgotten(text, manifest)

    def _rsync(self, source: str, target: str) -> list[str]:
        # No owners, modes, links or devices: a collector gives bytes and times, nothing that acts.
        return [
            "rsync", "--recursive", "--times", "--chmod=D750,F640",
            f"--partial-dir={PARTIAL_FOLDER}", "--delay-updates", "--fsync", f"--timeout={SILENCE_S}",
            "--no-h", "--outbuf=L", "--info=progress2,name0,stats2",
            "-e", " ".join(self._shell), "--", source, target,
        ]  # fmt: skip

    def _gate(self, verb: str, *words: str, stdin: bytes = b"", timeout_s: float = VERB_TIMEOUT_S) -> str:
        command = [*self._shell, self._host.host, " ".join((verb, *words))]
        ended = bounded.run(command, timeout_s=timeout_s, stdin=stdin)
        if ended.code:
            raise gate_error(ended.code, ended.errors, self._host.host, verb)
        return ended.output


def ssh_command(host: SshHost) -> list[str]:
    """
    The remote shell with everything said here: no configuration file, no agent, no other key, no question.

    rsync splits `-e` at blanks, so no part may hold one; config.py sees to that.
    """
    return [
        "ssh", "-F", "/dev/null", "-p", str(host.port), "-l", host.user, "-i", str(host.key),
        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
        "-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
        "-o", f"ConnectTimeout={CONNECT_S}", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3",
        "-o", "ForwardAgent=no", "-o", "LogLevel=ERROR",
    ]  # fmt: skip


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
