"""`warehouse_sync` and `warehouse_reconcile` run in Airflow itself, on fakes of the sources and a real warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from include.warehouse import sync as warehouse_sync
from include.warehouse.changes.table_changed import TableChanged
from include.warehouse.config import Table, Unit
from include.warehouse.errors import TypeRefused
from include.warehouse.snapshot.pipeline import TableCopied
from plugins.connections import engine, warehouse
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.support.airflow_home import REPOSITORY
from tests.support.warehouse import config_of

pytestmark = pytest.mark.dags

NAMES = ("berlin", "lisbon", "madrid")


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run(database):
    def run_dag(dag_id="warehouse_sync", **conf):
        return DagBag(str(REPOSITORY / "dags" / f"{dag_id}_dag.py")).dags[dag_id].test(run_conf=conf)

    return run_dag


@pytest.fixture
def client(monkeypatch, tmp_path: Path):
    """Three installations; `client.broken` is the one whose table is refused, `client.copied` what was copied."""
    fake = FakeSpoolClient()
    fake.broken, fake.copied = "", []
    config = config_of(NAMES, {"participants": Table()}, tmp_path)

    def copy_unit(config, unit: Unit, connect, target, snapshot, report):
        if unit.installation == fake.broken:
            raise TypeRefused("a column of an unknown type", hint="leave it out")
        fake.copied.append(unit.installation)
        return [TableCopied(unit.installation, name, snapshot, "now", "", 2, 0, {}, {}, 0.1) for name in unit.tables]

    monkeypatch.setattr(engine, "spool_client", lambda: fake)
    monkeypatch.setattr(warehouse, "config", lambda: config)
    monkeypatch.setattr(warehouse, "connect_to", lambda name: None)
    monkeypatch.setattr(warehouse_sync, "copy_unit", copy_unit)
    return fake


def tasks(dag_run):
    return {f"{t.task_id}{'' if t.map_index < 0 else t.map_index}": t.state for t in dag_run.get_task_instances()}


def test_an_installation_that_fails_is_named_at_the_end_and_the_others_are_copied(run, client, caplog):
    client.broken = broken = "lisbon"
    done = run()
    assert done.state == "failed"
    assert sorted(client.copied) == [name for name in NAMES if name != broken]
    states = tasks(done)
    assert [states[f"sync_unit{number}"] for number in range(3)] == [
        "failed" if name == broken else "success" for name in NAMES
    ]
    assert states["name_failed"] == "failed"
    assert f"1 of 3 were not copied: {broken}/participants" in caplog.text
    assert sorted(event.type for event in client.appended["warehouse"]) == [
        "warehouse.snapshot_failed",
        "warehouse.snapshot_published",
        "warehouse.snapshot_published",
    ]


def test_one_installation_can_be_chosen_and_an_unknown_one_is_named(run, client, caplog):
    done = run(installation="lisbon", table="participants")
    assert (done.state, client.copied) == ("success", ["lisbon"])
    unknown = run(installation="paris")
    assert (unknown.state, tasks(unknown)["name_failed"]) == ("failed", "upstream_failed"), (
        "nothing was chosen to be named"
    )
    assert "known are berlin, lisbon, madrid" in caplog.text


def test_reconcile_runs_for_tables_that_follow_changes_and_names_the_one_that_fails(
    run, client, monkeypatch, tmp_path, caplog
):
    tables = {"followed": Table(mode="log"), "whole": Table()}
    monkeypatch.setattr(warehouse, "config", lambda: config_of(NAMES, tables, tmp_path))
    compared = []

    def reconcile_keys(config, installation, table, connect, target):
        if installation == client.broken:
            raise TypeRefused("a column of an unknown type", hint="leave it out")
        compared.append((installation, table))
        return TableChanged(installation, table, "20261125T090000Z", "now", "", 2, 0, 0, 1, 0.1)

    monkeypatch.setattr(warehouse_sync, "reconcile_keys", reconcile_keys)
    client.broken = "lisbon"
    done = run("warehouse_reconcile")
    assert done.state == "failed"
    assert sorted(compared) == [("berlin", "followed"), ("madrid", "followed")]
    assert "1 of 3 were not copied: lisbon/followed" in caplog.text
    compared.clear()
    assert run("warehouse_reconcile", installation="madrid").state == "success"
    assert compared == [("madrid", "followed")]
