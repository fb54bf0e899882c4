"""Which file systems may hold a spool folder: local ones, where flock and fsync mean what they say."""

from __future__ import annotations

from pathlib import Path

from spool.errors import FolderRefused

NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "beegfs",
    "gpfs",
    "ncpfs",
}
NETWORK_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.mountpoint-s3")


def refuse_network(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """FolderRefused if `folder` is on a network file system."""
    kind = _kind(folder.resolve(), mounts.read_text(encoding="utf-8", errors="replace"))
    if kind in NETWORK or kind.startswith(NETWORK_FUSE):
        raise FolderRefused(
            f"{folder} is on {kind}, a network file system",
            hint="locks and fsync are not reliable there: put SPOOL_FOLDER on a local disk",
        )


def _kind(folder: Path, mountinfo: str) -> str:
    """The type of the mount with the longest path above `folder`."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        mount, _, right = line.partition(" - ")
        point = mount.split()[4].replace("\\040", " ")
        if (folder == Path(point) or Path(point) in folder.parents) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind
