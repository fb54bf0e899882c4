"""A MariaDB server for one test session: own data folder, one socket, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import MySQLdb

READY_S = 30
PROGRAM = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def mariadb() -> Iterator[Callable[[], Any]]:
    """Opens connections to the database `app`; the server is ended, and waited for, afterwards."""
    assert PROGRAM is not None
    # The server drops root's rights, so its folder must be reachable: not below a private one of pytest.
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    user = "mysql" if os.getuid() == 0 else ""
    as_user = [f"--user={user}"] if user else []
    if user:
        shutil.chown(folder, user, user)
    folder.chmod(0o755)
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal",
         "--skip-test-db", *as_user],
        check=True, capture_output=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [PROGRAM, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--pid-file={folder}/pid",
         "--skip-networking", "--innodb-buffer-pool-size=32M", *as_user],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(f"{folder}/s", process)
        yield lambda: MySQLdb.connect(unix_socket=f"{folder}/s", user="root", database="app")
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(path: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = MySQLdb.connect(unix_socket=path, user="root")
        except MySQLdb.OperationalError:
            time.sleep(0.05)
            continue
        connection.cursor().execute("CREATE DATABASE IF NOT EXISTS app")
        connection.close()
        return
    raise RuntimeError("MariaDB did not start")
