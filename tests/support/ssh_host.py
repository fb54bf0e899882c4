"""A collector host behind a real sshd on a free port of the loopback interface, with a key of its own."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ports
from tests.support.collector_host import GATE, CollectorHost
from tests.support.server_process import accepts, end_server, start_server, wait_until_ready

SSHD = "/usr/sbin/sshd"


@contextmanager
def ssh_host(folder: Path, collector_id: str, **settings: object) -> Iterator[CollectorHost]:
    """The host, its `collector` leading to the sshd; the server is ended, and waited for, afterwards."""
    folder.mkdir(parents=True)
    port = ports.reserve(ports.OTHERS)
    host_folder = folder / "host"
    for name in ("id", "server"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    public = (folder / "id.pub").read_text()
    (folder / "authorized_keys").write_text(f'restrict,command="{GATE} {host_folder}" {public}')
    server_key = " ".join((folder / "server.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {server_key}\n")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/server\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = start_server([SSHD, "-D", "-e", "-f", folder / "config"], folder / "log")
    try:
        wait_until_ready(process, lambda: accepts(port), folder / "log")
        host = CollectorHost.make(host_folder, collector_id)
        host.change(
            host="127.0.0.1", port=port, user=getpass.getuser(), key=folder / "id",
            known_hosts=folder / "known_hosts", **settings,
        )  # fmt: skip
        yield host
    finally:
        end_server(process)
