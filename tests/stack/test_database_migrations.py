"""Migrations of the operational schema against a real MariaDB: run twice, killed, half done by others, newer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from include.database import migrate
from include.database.__main__ import main
from include.database.connection import Connect, engine, transaction
from include.database.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    MigrationFailed,
    SchemaNewer,
    SchemaOutdated,
)
from include.database.tables import METADATA
from spool.command_line import ExitCode
from tests.support import mariadb

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    with mariadb.mariadb() as connect:
        yield connect


@pytest.fixture(scope="module")
def server(connect: Connect) -> Engine:
    return engine(connect)


@pytest.fixture
def uri(connect: Connect) -> str:
    return mariadb.uri(connect)


@pytest.fixture
def database(server: Engine) -> Engine:
    """An empty database `app`."""
    with server.begin() as connection:
        connection.execute(text("DROP DATABASE app"))
        connection.execute(text("CREATE DATABASE app"))
    return server


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(migrate.LOCATION))
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


def tables(database: Engine) -> set[str]:
    with database.connect() as connection:
        return {name for (name,) in connection.execute(text("SHOW TABLES"))}


def test_an_empty_database_gets_every_table_and_a_second_run_changes_nothing(database: Engine) -> None:
    assert migrate.upgrade(database).pending == tuple(revisions())
    assert tables(database) == {*METADATA.tables, "alembic_version"}
    assert migrate.upgrade(database).pending == ()
    assert migrate.status(database) == (revisions()[-1], revisions()[-1], ())
    migrate.demand_current(database)


def test_the_tables_are_what_the_queries_are_built_from(database: Engine) -> None:
    migrate.upgrade(database)
    with database.connect() as connection:
        assert migrate.schema_differences(connection) == []
        connection.execute(text("ALTER TABLE stage_counts DROP COLUMN errored"))
        assert "errored" in migrate.schema_differences(connection)[0]


def test_a_table_of_the_same_name_that_somebody_else_made_is_named(database: Engine) -> None:
    with transaction(database) as connection:
        connection.execute(text("CREATE TABLE outbox (id INT PRIMARY KEY)"))
    with pytest.raises(MigrationFailed, match=r"differ.*outbox"):
        migrate.upgrade(database)


def test_tables_of_others_are_nobodys_business(database: Engine) -> None:
    with transaction(database) as connection:
        connection.execute(text("CREATE TABLE participants (id INT PRIMARY KEY)"))
    migrate.upgrade(database)
    assert "participants" in tables(database)


@pytest.mark.parametrize("revision", revisions())
def test_a_run_that_died_between_a_statement_and_its_note_is_run_again(database: Engine, revision: str) -> None:
    migrate.upgrade(database)
    before = revisions()[: revisions().index(revision)]
    with transaction(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": before[-1] if before else ""})
        if not before:
            connection.execute(text("DELETE FROM alembic_version"))
    assert revision in migrate.upgrade(database).pending
    assert migrate.status(database).pending == ()


def test_a_newer_schema_is_refused_and_left_alone(database: Engine) -> None:
    migrate.upgrade(database)
    with transaction(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for call in (migrate.upgrade, migrate.status, migrate.demand_current):
        with pytest.raises(SchemaNewer, match="9999"):
            call(database)


def test_a_statement_that_fails_names_its_revision_and_the_next_run_goes_on(
    database: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    for path in [migrate.LOCATION / "env.py", *(migrate.LOCATION / "versions").glob("*.py")]:
        target = broken / path.relative_to(migrate.LOCATION)
        target.write_text(
            path.read_text().replace("CREATE TABLE IF NOT EXISTS outbox_lanes", "CREATE TABEL outbox_lanes")
        )
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "LOCATION", broken)
        with pytest.raises(MigrationFailed, match=r"revision 0003 did not finish, the schema is at 0002"):
            migrate.upgrade(database)
    assert migrate.upgrade(database).current == "0002"
    migrate.demand_current(database)


def test_a_program_that_finds_an_older_schema_says_what_to_run(database: Engine) -> None:
    with pytest.raises(SchemaOutdated, match="0001") as caught:
        migrate.demand_current(database)
    assert "include.database upgrade" in caught.value.hint
    with pytest.raises(SchemaOutdated), transaction(database) as connection:
        connection.execute(text("SELECT * FROM stage_counts"))


def test_two_upgrades_at_once_do_the_work_once(database: Engine) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            migrate.upgrade(database)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert migrate.status(database).pending == ()


def test_an_upgrade_waits_for_another_one_only_so_long(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_S", 0)
    with database.connect() as other:
        other.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": migrate.LOCK})
        with pytest.raises(DatabaseUnavailable, match="another upgrade"):
            migrate.upgrade(database)
    migrate.upgrade(database)


def test_a_revision_is_one_statement_that_may_be_repeated() -> None:
    for path in (migrate.LOCATION / "versions").glob("*.py"):
        source = path.read_text()
        assert source.count("op.execute(") == 1, path.name
        assert "IF NOT EXISTS" in source or "IF EXISTS" in source, path.name


def test_errors_of_the_server_are_told_apart(database: Engine) -> None:
    with pytest.raises(DatabaseRefused, match="1064"), transaction(database) as connection:
        connection.execute(text("SELEKT 1"))
    with pytest.raises(DatabaseUnavailable, match="1205"), transaction(database) as connection:
        connection.execute(text("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'Lock wait timeout'"))


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = main([*arguments, "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out or printed.err)


def test_the_command_shows_what_is_missing_and_runs_it(
    database: Engine, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", uri)
    known = revisions()
    assert command(capsys, "status") == (0, {"current": "", "wanted": known[-1], "pending": known})
    assert tables(database) == set(), "status changed something"
    assert command(capsys, "upgrade") == (0, {"before": "", "current": known[-1], "ran": known})
    assert command(capsys, "status") == (0, {"current": known[-1], "wanted": known[-1], "pending": []})
    assert command(capsys, "upgrade") == (0, {"before": known[-1], "current": known[-1], "ran": []})


def test_the_command_says_what_to_do_about_a_newer_schema(
    database: Engine, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate.upgrade(database)
    with transaction(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", uri)
    code, row = command(capsys, "upgrade")
    assert (code, row["error"]) == (ExitCode.FAILED, "SchemaNewer")
    assert "9999" in str(row["message"])


def test_the_command_may_be_tried_again_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", f"mysql://root@localhost/app?unix_socket={tmp_path}/none")
    code, row = command(capsys, "status")
    assert (code, row["error"]) == (ExitCode.TRY_AGAIN, "DatabaseUnavailable")


@pytest.mark.parametrize("value", ["", "postgresql://u:s3cret@h/d", "mysql://u:s3cret@h:none/d", "mysql://u:s3cret@h"])
def test_a_wrong_address_is_refused_without_being_shown(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", value)
    code, row = command(capsys, "status")
    assert (code, row["error"]) == (ExitCode.FAILED, "SettingsError")
    assert "s3cret" not in json.dumps(row)
