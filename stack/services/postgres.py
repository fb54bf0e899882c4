"""PostgreSQL: Airflow's metadata database."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stack.credentials import credentials
from stack.place import HOST, Place, StackProblem
from stack.service import Service, own, require_way_in

USER = DATABASE = "airflow"


def service(place: Place) -> Service:
    port, sockets = place.port("postgres"), place.path("run", "postgres")
    system_user = "postgres" if os.geteuid() == 0 else ""
    return Service(
        name="postgres",
        command=[
            str(program("postgres")), "-D", str(place.path("postgres", "data")), "-p", str(port),
            "-c", f"listen_addresses={HOST}", "-c", f"unix_socket_directories={sockets}",
        ],
        prepare=lambda: _prepare(place, system_user),
        ready=lambda: _answers(place),
        settle=lambda: _make_database(place),
        ports=(port,),
        user=system_user,
        stop_signal="INT",
    )  # fmt: skip


def connection_url(place: Place) -> str:
    return f"postgresql+psycopg2://{USER}:{credentials(place)['postgres']}@{HOST}:{place.port('postgres')}/{DATABASE}"


def program(name: str) -> Path:
    """The newest PostgreSQL that Debian installed; it is not on PATH."""
    binaries = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return binaries[-1] if binaries else Path("/usr/lib/postgresql/15/bin") / name


def _prepare(place: Place, system_user: str) -> None:
    require_way_in(place.path("postgres"), system_user)
    folder = place.make("postgres")
    own(folder, system_user)
    own(place.make("run", "postgres"), system_user)
    if (folder / "data" / "PG_VERSION").exists():
        return
    password = folder / "password"
    password.write_text(credentials(place)["postgres"] + "\n", encoding="utf-8")
    own(password, system_user)
    command = [
        str(program("initdb")), "-D", str(folder / "data"), "-U", USER, f"--pwfile={password}",
        "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False, user=system_user or None, cwd="/")
    password.unlink()
    if run.returncode:
        raise StackProblem(f"PostgreSQL could not be set up: {run.stderr.strip()}")


def _answers(place: Place) -> bool:
    command = [str(program("pg_isready")), "-q", "-h", HOST, "-p", str(place.port("postgres"))]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _make_database(place: Place) -> None:
    import psycopg2

    connection = psycopg2.connect(
        host=HOST, port=place.port("postgres"), user=USER, password=credentials(place)["postgres"], dbname="postgres"
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"create database {DATABASE}")
    finally:
        connection.close()
