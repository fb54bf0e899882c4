"""`python -m include.warehouse` against a real MariaDB: what is printed, what exit codes say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.warehouse.__main__ import main
from spool.command_line import ExitCode
from tests.support.datasync import changes
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase

CONFIG = """version: 1
target: {{folder: {folder}}}
installations:
  berlin: {{connection: berlin}}
  lisbon: {{connection: lisbon}}
  madrid: {{connection: madrid}}
tables:
  participants: {{}}
"""
Run = Callable[..., tuple[int, list[dict[str, object]]]]


@pytest.fixture
def database(mariadb_source: Server) -> Iterator[SourceDatabase]:
    made = SourceDatabase(mariadb_source)
    made.execute("CREATE TABLE participants (id INT UNSIGNED PRIMARY KEY, born DATE, note TEXT)")
    made.execute("INSERT INTO participants VALUES (1, '0000-00-00', 'x'), (2, '1990-01-01', '')")
    yield made
    made.drop()


@pytest.fixture
def run(
    database: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a verb with --json; answers its exit code and the objects that it printed."""
    config = tmp_path / "warehouse.yml"
    config.write_text(CONFIG.format(folder=tmp_path / "warehouse"))
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    for name in ("BERLIN", "LISBON", "MADRID"):
        monkeypatch.setenv(f"SPILLWAY_{name}_URI", database.url)

    def run_verb(*arguments: str) -> tuple[int, list[dict[str, object]]]:
        code = main([*arguments, "--config", str(config), "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run_verb


def test_a_sync_says_what_it_copied_and_history_shows_it(run: Run) -> None:
    at = ("--installation", "berlin", "--table", "participants", "--logical-time", "2026-11-25T10:30:00+01:00")
    for _ in range(2):
        code, (copied,) = run("sync", *at)
        assert code == ExitCode.DONE
        assert (copied["installation"], copied["table"], copied["snapshot"]) == (
            "berlin",
            "participants",
            "20261125T093000Z",
        )
        assert (copied["rows"], copied["rejected"], copied["replaced_by"]) == (2, 0, {"born": 1})
    code, (record,) = run("history", "--installation", "berlin")
    assert (record["snapshot"], record["rows"], record["gtid"]) == ("20261125T093000Z", 2, copied["gtid"])


def test_one_installation_that_fails_is_printed_and_decides_the_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPILLWAY_LISBON_URI")
    code, rows = run("sync")
    assert code == ExitCode.FAILED
    assert [row["installation"] for row in rows if "rows" in row] == ["berlin", "madrid"]
    (failed,) = [row for row in rows if "error" in row]
    assert (failed["installation"], failed["tables"], failed["error"]) == ("lisbon", "participants", "SettingsError")
    monkeypatch.setenv("SPILLWAY_LISBON_URI", "mysql://root@127.0.0.1:1/gone")
    code, rows = run("sync", "--dry-run")
    assert code == ExitCode.TRY_AGAIN, "a server that is away may come back"
    assert [(row["installation"], row["rows"]) for row in rows if "rows" in row] == [("berlin", 2), ("madrid", 2)]


def test_a_dry_run_reads_the_source_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    code, rows = run("sync", "--dry-run", "--installation", "berlin")
    assert (code, rows) == (
        ExitCode.DONE,
        [{"installation": "berlin", "table": "participants", "columns": 3, "rows": 2, "rejected": 0, "replaced": 1}],
    )
    assert not (tmp_path / "warehouse").exists()


def test_cdc_status_shows_positions_and_lag_and_reconcile_merges_what_no_log_shows(
    run: Run, database: SourceDatabase, tmp_path: Path
) -> None:
    config = tmp_path / "warehouse.yml"
    config.write_text(config.read_text().replace("participants: {}", "participants: {mode: log}"))
    code, (never,) = run("cdc", "status", "--installation", "berlin")
    assert (code, never["gtid"], never["transactions"], never["lag_s"]) == (ExitCode.DONE, "", None, None)
    run("sync", "--installation", "berlin")
    database.execute("UPDATE participants SET note = 'y'")
    code, (behind,) = run("cdc", "status", "--installation", "berlin")
    assert (behind["mode"], behind["transactions"]) == ("log", 1)
    assert behind["gtid"] != behind["source_gtid"]
    code, (changed,) = run("sync", "--installation", "berlin")
    assert (code, changed["upserted"]) == (ExitCode.DONE, 2)
    code, (current,) = run("cdc", "status", "--installation", "berlin")
    assert (current["transactions"], current["lag_s"]) == (0, 0.0)
    database.execute("SET STATEMENT sql_log_bin = 0 FOR DELETE FROM participants WHERE id = 1")
    code, (reconciled,) = run("reconcile", "--installation", "berlin")
    assert (code, reconciled["deleted"], reconciled["rows"]) == (ExitCode.DONE, 1, 1)


def test_a_published_table_goes_to_the_stream_of_the_spool_folder_and_cdc_status_says_what_waits(
    run: Run, database: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "warehouse.yml"
    published = config.read_text().replace("participants: {}", "participants: {mode: log, publish: true}")
    config.write_text(f"{published}journal: {tmp_path / 'journal'}\n")
    at = ("--installation", "berlin")
    code, (refused,) = run("sync", *at)
    assert (code, refused["error"]) == (ExitCode.FAILED, "SettingsError"), "there is no spool folder"
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path / "spool"))
    assert run("sync", *at)[0] == ExitCode.DONE
    database.execute("UPDATE participants SET note = 'seen' WHERE id = 2")
    assert run("sync", *at)[0] == ExitCode.DONE
    (change,) = changes(tmp_path / "spool")
    assert (change["operation"], change["before"]["note"], change["after"]["note"]) == ("update", "", "seen")
    code, (position,) = run("cdc", "status", *at)
    assert (code, position["published"], position["waiting"]) == (ExitCode.DONE, True, 0)


def test_types_shows_what_becomes_of_each_column(run: Run) -> None:
    code, rows = run("types", "--installation", "berlin", "--table", "participants")
    assert code == ExitCode.DONE
    assert [(row["column"], row["mariadb"], row["duckdb"], row["exasol"], row["policy"]) for row in rows] == [
        ("id", "int(10) unsigned", "UINTEGER", "DECIMAL(10,0)", ""),
        ("born", "date", "DATE", "DATE", "replaces values"),
        ("note", "text", "VARCHAR", "VARCHAR(65535) UTF8", ""),
    ]
    code, rows = run("types", "--installation", "berlin", "--table", "participants", "--target", "exasol")
    assert code == ExitCode.DONE


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--installation", "paris"),
        ("sync", "--table", "strangers"),
        ("types", "--table", "strangers"),
        ("history", "--installation", "paris"),
    ],
)
def test_an_unknown_name_is_an_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == (ExitCode.FAILED, [])


def test_a_logical_time_without_a_zone_is_refused(run: Run) -> None:
    for text in ("2026-11-25", "yesterday", "2026-11-25T10:00:00"):
        assert run("sync", "--logical-time", text)[0] == ExitCode.USAGE
