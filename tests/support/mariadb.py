"""A MariaDB server for one test session: own data folder, one socket, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import MySQLdb

from tests.support.server_process import end_server, start_server, wait_until_ready

PROGRAM = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Server(NamedTuple):
    """A running server, reached by its socket as root."""

    socket: str

    def connect(self, database: str = "app") -> Any:
        return MySQLdb.connect(unix_socket=self.socket, user="root", database=database, charset="utf8mb4")

    def url(self, database: str = "app") -> str:
        """For commands."""
        return f"mysql://root@localhost/{database}?unix_socket={self.socket}"


# What change capture needs of a server.
ROW_BINLOG = (
    "--log-bin=binlog", "--server-id=1", "--gtid-domain-id=1", "--gtid-strict-mode=ON", "--binlog-format=ROW",
    "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
)  # fmt: skip


@contextmanager
def mariadb() -> Iterator[Callable[[], Any]]:
    """Opens connections to the database `app`; the server is ended, and waited for, afterwards."""
    with mariadb_server() as server:
        yield server.connect


@contextmanager
def mariadb_server(*options: str) -> Iterator[Server]:
    """The server with further options of its command line; it is ended, and waited for, afterwards."""
    assert PROGRAM is not None
    # The server drops root's rights, so its folder must be reachable: not below a private one of pytest.
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    user = "mysql" if os.getuid() == 0 else ""
    as_user = [f"--user={user}"] if user else []
    if user:
        shutil.chown(folder, user, user)
    folder.chmod(0o755)
    install = subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}",
         "--auth-root-authentication-method=normal",
         "--skip-test-db", *as_user],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert install.returncode == 0, install.stdout + install.stderr
    log = folder / "log"
    process = start_server(
        [PROGRAM, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--pid-file={folder}/pid",
         f"--tmpdir={folder}",
         "--skip-networking", "--innodb-buffer-pool-size=32M", *options],
        log, user=user,
    )  # fmt: skip
    try:
        wait_until_ready(process, lambda: _has_database(f"{folder}/s"), log)
        yield Server(f"{folder}/s")
    finally:
        end_server(process)
        shutil.rmtree(folder, ignore_errors=True)


def uri(connect: Callable[[], Any]) -> str:
    """What SPILLWAY_DATABASE_URI is for the server that `connect` reaches."""
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT @@socket")
    (path,) = cursor.fetchone()
    connection.close()
    return f"mysql://root@localhost/app?unix_socket={path}"


def _has_database(path: str) -> bool:
    """Whether the server answers; the database exists then."""
    try:
        connection = MySQLdb.connect(unix_socket=path, user="root")
    except MySQLdb.OperationalError:
        return False
    connection.cursor().execute("CREATE DATABASE IF NOT EXISTS app")
    connection.close()
    return True
