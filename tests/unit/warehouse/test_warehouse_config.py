"""`config/warehouse.yml`: what is refused and how it is named; units by installation, table and group."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.warehouse import config
from include.warehouse.config import DuckdbTarget, ExasolTarget, Unit
from spool.errors import SettingsError

WHOLE = """version: 1
target: {folder: /warehouse}
installations:
  madrid: {connection: mariadb_madrid, tables: [orders]}
  berlin: {connection: mariadb_berlin, replica: mariadb_berlin_replica}
tables:
  participants: {group: people, snapshots: 3}
  invitations: {group: people}
  orders: {mode: watermark, watermark_column: "changed at", source: "Odd Orders"}
"""


def load(tmp_path: Path, text: str) -> config.WarehouseConfig:
    path = tmp_path / "warehouse.yml"
    path.write_text(text)
    return config.load(path, {})


def test_the_file_of_the_deployment_is_read() -> None:
    known = config.load()
    assert isinstance(known.target, DuckdbTarget)
    assert known.units()


def test_units_are_tables_and_groups_of_every_installation_that_has_them(tmp_path: Path) -> None:
    known = load(tmp_path, WHOLE)
    berlin = [Unit("berlin", ("invitations", "participants")), Unit("berlin", ("orders",))]
    assert known.units() == [*berlin, Unit("madrid", ("orders",))]
    assert known.units("berlin") == berlin
    assert known.units("", "orders") == [berlin[1], Unit("madrid", ("orders",))]
    assert known.units("berlin", "participants") == berlin[:1]
    assert known.source_name("berlin", "orders") == "Odd Orders"
    assert str(berlin[0]) == "berlin/invitations+participants"


@pytest.mark.parametrize(
    ("installation", "table", "hint"),
    [
        ("paris", "", "known are berlin, madrid"),
        ("", "strangers", "known are invitations, orders, participants"),
        ("madrid", "participants", "known are"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    tmp_path: Path, installation: str, table: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, WHOLE).units(installation, table)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("madrid:", "Madrid:", "Madrid"),
        ("madrid:", "'mad\"rid':", "mad"),
        ("madrid:", "'../madrid':", "madrid"),
        ("participants:", "'participants; DROP':", "participants"),
        ("orders:", f"{'o' * 49}:", "o"),
        ("tables: [orders]", "tables: [strangers]", "strangers is not among tables"),
        ("connection: mariadb_madrid", "connection: mysql://root@host/db", "connection"),
        ("mode: watermark, ", "", "watermark_column"),
        ("group: people, snapshots: 3", "group: people, mode: log", "group"),
        ('watermark_column: "changed at", ', "", "watermark_column"),
        ("snapshots: 3", "snapshots: 0", "snapshots"),
        ("folder: /warehouse", "folder: warehouse", "folder"),
        ("folder: /warehouse", "kind: oracle", "kind"),
        ("group: people, snapshots: 3", "zero_dates: keep", "zero_dates"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in WHOLE
    with pytest.raises(SettingsError, match=named):
        load(tmp_path, WHOLE.replace(old, new, 1))


def test_a_target_may_be_chosen_that_is_not_the_one_of_the_file(tmp_path: Path) -> None:
    known = load(tmp_path, WHOLE)
    assert known.target_of("") == known.target_of("duckdb") == DuckdbTarget(folder=Path("/warehouse"))
    assert known.target_of("exasol") == ExasolTarget(kind="exasol")
    other = load(tmp_path, WHOLE.replace("{folder: /warehouse}", "{kind: exasol, connection: exa}"))
    assert other.target == ExasolTarget(kind="exasol", connection="exa")
    assert other.target_of("duckdb", {"SPILLWAY_WAREHOUSE": "/elsewhere"}) == DuckdbTarget(folder=Path("/elsewhere"))


def test_changes_are_published_of_the_files_target_only_and_not_of_another_that_was_chosen(tmp_path: Path) -> None:
    known = load(tmp_path, WHOLE.replace("{group: people}", "{group: people, publish: true}"))
    (unit, *_) = known.units("berlin")
    assert known.published(unit, "duckdb") == ("invitations",)
    assert known.published(unit, "exasol") == ()


def test_the_variable_of_a_connection_is_named_after_it() -> None:
    assert config.uri_variable("mariadb_app") == "SPILLWAY_MARIADB_APP_URI"
