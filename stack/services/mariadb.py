"""MariaDB with row binlog and GTIDs: operational tables, stage counts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

from stack.credentials import credentials
from stack.place import HOST, Place, StackProblem
from stack.service import Service, own, require_way_in

USER, DATABASE = "spillway", "app"


def service(place: Place) -> Service:
    folder = place.path("mariadb")
    system_user = "mysql" if os.geteuid() == 0 else ""
    return Service(
        name="mariadb",
        command=["/usr/sbin/mariadbd", f"--defaults-file={folder / 'my.cnf'}", f"--init-file={folder / 'init.sql'}"],
        prepare=lambda: _prepare(place, system_user),
        ready=lambda: _answers(place),
        settle=lambda: _migrate(place),
        ports=(place.port("mariadb"),),
        user=system_user,
        stop_wait_s=30,
    )


def _prepare(place: Place, system_user: str) -> None:
    require_way_in(place.path("mariadb"), system_user)
    folder = place.make("mariadb")
    own(folder, system_user)
    own(place.make("run", "mariadb"), system_user)
    _write(place, "my.cnf", _settings(place), system_user)
    _write(place, "init.sql", _users(credentials(place)["mariadb"]), system_user)
    if (folder / "data" / "mysql").exists():
        return
    command = [
        "mariadb-install-db", f"--defaults-file={folder / 'my.cnf'}",
        "--auth-root-authentication-method=normal", "--skip-test-db",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False, user=system_user or None, cwd="/")
    if run.returncode:
        shutil.rmtree(folder / "data", ignore_errors=True)
        raise StackProblem(f"MariaDB could not be set up: {run.stdout}{run.stderr}")


def _settings(place: Place) -> str:
    folder, port = place.path("mariadb"), place.port("mariadb")
    return f"""[mysqld]
datadir={folder}/data
socket={place.path("run", "mariadb")}/s.sock
pid-file={folder}/pid
tmpdir={folder}
bind-address={HOST}
port={port}
skip-name-resolve
log-bin={folder}/data/binlog
server-id={port}
gtid-domain-id=1
gtid-strict-mode=ON
binlog-format=ROW
binlog-row-image=FULL
binlog-row-metadata=FULL
expire-logs-days=2
max-binlog-size=128M
innodb-buffer-pool-size=128M
innodb-flush-log-at-trx-commit=1
sync-binlog=1
character-set-server=utf8mb4
"""


def _users(password: str) -> str:
    """One statement per line, as --init-file requires; run at every start."""
    return f"""ALTER USER root@localhost IDENTIFIED BY '{password}';
DROP USER IF EXISTS root@'127.0.0.1';
DROP USER IF EXISTS root@'::1';
DROP USER IF EXISTS root@'{socket.gethostname()}';
CREATE DATABASE IF NOT EXISTS {DATABASE};
CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{password}';
ALTER USER {USER}@'%' IDENTIFIED BY '{password}';
GRANT ALL ON {DATABASE}.* TO {USER}@'%';
GRANT REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR, RELOAD ON *.* TO {USER}@'%';
"""


def _write(place: Place, name: str, text: str, system_user: str) -> None:
    path = place.path("mariadb", name)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    own(path, system_user)


def _answers(place: Place) -> bool:
    """A query as the user: a server that says "alive" may still deny access."""
    import MySQLdb

    try:
        connection = MySQLdb.connect(
            host=HOST, port=place.port("mariadb"), user=USER, passwd=credentials(place)["mariadb"], db=DATABASE,
            connect_timeout=2,
        )  # fmt: skip
    except MySQLdb.Error:
        return False
    connection.close()
    return True


def uri(place: Place) -> str:
    """For commands; holds the password."""
    return f"mysql://{USER}:{credentials(place)['mariadb']}@{HOST}:{place.port('mariadb')}/{DATABASE}"


def _migrate(place: Place) -> None:
    """The operational tables, before anything uses them."""
    from include.database.connection import connect_to, engine
    from include.database.migrate import upgrade
    from spool.errors import SpoolError

    try:
        upgrade(engine(connect_to(uri(place))))
    except SpoolError as error:
        raise StackProblem(f"the operational schema: {error}", error.hint) from error
