"""
Two collector hosts: an sshd each, whose only key may do nothing but talk to the collector gate.

The key's forced command is include/measurements/collect/collector_gate with the host's folder: whatever the client
asks for, the gate decides (docs in include/measurements/collect/README.md).
"""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

from stack.place import HOST, REPOSITORY, Place
from stack.probes import tcp
from stack.service import Service

HOSTS = ("collector_a", "collector_b")
# Those that config/collectors.yml names: one that is missing at its host fails the sync.
DIRECTORIES = ("archive", "bouncer/archive")
GATE = REPOSITORY / "include" / "measurements" / "collect" / "collector_gate"


def services(place: Place) -> list[Service]:
    return [
        Service(
            name=name,
            command=["/usr/sbin/sshd", "-D", "-e", "-f", str(place.path("collectors", name, "sshd_config"))],
            prepare=lambda name=name: _prepare(place, name),  # type: ignore[misc]
            ready=lambda name=name: tcp(place.port(name)),  # type: ignore[misc]
            ports=(place.port(name),),
        )
        for name in HOSTS
    ]


def user() -> str:
    return getpass.getuser()


def _prepare(place: Place, name: str) -> None:
    folder = place.make("collectors", name)
    for directory in DIRECTORIES:
        place.make("collectors", name, "files", *directory.split("/"))
    if Path("/run").stat().st_uid == 0 and user() == "root":
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
    for key in ("host", "id"):
        if not (folder / key).exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / key)], check=True
            )
    public = (folder / "id.pub").read_text(encoding="ascii")
    (folder / "authorized_keys").write_text(f'restrict,command="{GATE} {folder / "files"}" {public}', encoding="ascii")
    host_key = " ".join((folder / "host.pub").read_text(encoding="ascii").split()[:2])
    (folder / "known_hosts").write_text(f"[{HOST}]:{place.port(name)} {host_key}\n", encoding="ascii")
    (folder / "sshd_config").write_text(_settings(place, name), encoding="ascii")


def _settings(place: Place, name: str) -> str:
    folder = place.path("collectors", name)
    return f"""Port {place.port(name)}
ListenAddress {HOST}
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
