"""The chain of a report in Airflow itself, on a drop folder, a database in memory and a table in memory."""

import gzip
import json
from datetime import UTC, datetime

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from include.counts.batch_numbers import Numbers
from include.counts.stage_count import StageCount
from plugins.connections import count_books, engine, mariadb, mongo
from plugins.tasks.counts import send
from spool.errors import TransientError
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.airflow_home import REPOSITORY

pytestmark = pytest.mark.dags

REPORT = "archive/r.yamloo"
TEXT = "---\n{test_name: tcp_connect, probe_cc: IT, start_time: 1.0}\n...\n---\n{input: a}\n...\n"


class DatabaseDown(TransientError):
    """MariaDB is away."""


class MemoryCounts:
    """stage_counts in memory: rows by their key."""

    def __init__(self):
        self.rows = {}

    def put(self, counts):
        rows = list(counts)
        self.rows.update({row[:4]: row for row in rows})
        return len(rows)

    def read(self, since, through):
        return [StageCount(*row) for row in self.rows.values() if since <= row[2] <= through]


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run(database):
    def run_dag(dag_id, at=None, **conf):
        """A run of its own; of one moment the same run, cleared before."""
        dag = DagBag(str(REPOSITORY / "dags" / f"{dag_id}_dag.py")).dags[dag_id]
        for task in dag.tasks:
            # A retry would only make the test wait.
            task.retries = 0
        return dag.test(run_conf=conf, logical_date=at)

    return run_dag


@pytest.fixture
def place(tmp_path, monkeypatch):
    """State folder, two hosts (one of them broken), fakes for what is not files."""
    monkeypatch.setenv("SPILLWAY_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SPILLWAY_BRIDGES", str(tmp_path / "bridges.json"))
    batch = tmp_path / "dropped" / "b1" / "archive"
    batch.mkdir(parents=True)
    (batch / "r.yamloo").write_text(TEXT)
    (tmp_path / "dropped" / "b1.ready").touch()
    down = {
        "host": "127.0.0.1", "port": 1, "user": "nobody", "key": "/none", "known_hosts": "/none", "directories": ["a"],
    }  # fmt: skip
    file = tmp_path / "collectors.yml"
    hosts = {"north": {"transport": "drop_folder", "folder": str(tmp_path / "dropped")}, "south": down}
    file.write_text(yaml.safe_dump({"version": 1, "collectors": hosts}))
    monkeypatch.setattr("include.measurements.collect.config.load.__defaults__", (file, {}))
    client, counts, store = FakeSpoolClient(), MemoryCounts(), MemoryMeasurements()
    monkeypatch.setattr(engine, "spool_client", lambda: client)
    monkeypatch.setattr(mariadb, "counts_table", lambda: counts)
    monkeypatch.setattr(mongo, "database", lambda name: None)
    monkeypatch.setattr("include.measurements.load.mongo_store.MeasurementStore", lambda database: store)
    monkeypatch.setattr("include.measurements.load.pipeline.observations", lambda *_: [])
    return tmp_path / "state", client, counts, store


def tasks(dag_run):
    return {f"{t.task_id}{'' if t.map_index < 0 else t.map_index}": t.state for t in dag_run.get_task_instances()}


def types(client):
    return [event.type for event in client.appended["measurements"]]


def test_a_host_that_is_down_fails_alone_and_the_others_files_arrive(run, place):
    state, client, counts, _ = place
    done = run("collectors_sync")
    assert done.state == "failed"
    assert tasks(done) == {
        "choose_hosts": "success",
        "sync_host0": "success",
        "sync_host1": "failed",
        "send_counts": "success",
        "counts_sent": "success",
    }
    assert (state / "raw/north/b1.manifest").exists()
    assert (state / "raw/north/b1" / REPORT).read_text() == TEXT
    [row] = counts.rows.values()
    assert (row.feature, row.stage, row.count_in, row.count_out) == ("collectors", "collect", 1, 1)
    assert types(client) == ["batch.collected"]


def test_one_host_can_be_chosen_and_an_unknown_one_is_named(run, place, caplog):
    assert run("collectors_sync", host="north").state == "success"
    assert run("collectors_sync", host="east").state == "failed"
    assert "known are north, south" in caplog.text


def test_a_report_walks_to_the_mirror_and_the_counts_agree(run, place):
    state, client, _, store = place
    staged = state / "staging/north/b1" / REPORT
    staged.parent.mkdir(parents=True)
    staged.write_text(TEXT)
    assert run("measurements_import").state == "success"
    assert (state / "imported/north/b1" / REPORT).exists()
    assert [row["input"] for row in store.measurements.values()] == ["a"]
    assert run("measurements_publish").state == "success"
    assert gzip.decompress((state / "public/reports/IT/north/b1" / f"{REPORT}.gz").read_bytes()).decode() == TEXT
    assert types(client) == [
        "measurement_report.postprocessed",
        "measurement_report.imported",
        "measurement_report.published",
    ]
    assert run("conservation_check", include_today=True).state == "success"


def test_counts_that_cannot_be_sent_make_the_run_red(run, place, monkeypatch):
    def away():
        raise DatabaseDown("MariaDB does not answer", hint="start it")

    monkeypatch.setattr(mariadb, "counts_table", away)
    for dag_id in ("measurements_import", "measurements_publish"):
        done = run(dag_id)
        ended = tasks(done)
        assert (done.state, ended["send_counts"], ended["counts_sent"]) == ("failed", "failed", "upstream_failed")


def test_where_nothing_was_ever_counted_the_check_has_nothing_to_compare(run, place, caplog):
    with caplog.at_level("INFO"):
        assert run("conservation_check").state == "success"
    assert "there is nothing to compare" in caplog.text


def test_an_empty_table_of_counts_is_red_where_something_was_counted(run, place, caplog):
    with count_books.ledger() as ledger:
        ledger.take("sanitize", "sanitize", ["one"])
    assert run("conservation_check", include_today=True).state == "failed"
    assert "the table stage_counts has no rows" in caplog.text


def test_what_vanishes_between_two_stages_fails_the_check(run, place, caplog):
    state = place[0]
    staged = state / "staging/north/b1" / REPORT
    staged.parent.mkdir(parents=True)
    with count_books.ledger() as ledger:
        ledger.take("sanitize", "sanitize", [f"north/b1/{REPORT}"])
        ledger.settle("sanitize", "sanitize", {f"north/b1/{REPORT}": "out"})
    assert run("measurements_import").state == "success"
    assert run("conservation_check", include_today=True).state == "failed"
    assert "sanitize to postprocess" in caplog.text


def test_a_difference_fails_the_check_and_is_named(run, place, caplog):
    counts = place[2]
    with count_books.ledger() as ledger:
        ledger.take("sanitize", "sanitize", ["lost"])
    send()
    assert run("conservation_check").state == "success"
    done = run("conservation_check", include_today=True)
    assert done.state == "failed"
    assert "sanitize.sanitize of local" in caplog.text
    assert "docs/runbooks/counts-differ.md" in caplog.text
    assert len(counts.rows) == 1


def test_a_difference_of_numbers_fails_the_check_and_is_named(run, place, caplog):
    with count_books.numbers() as numbers:
        numbers.note("measurements", "import documents", "a report", Numbers(7, count_out=6))
    send()
    assert run("conservation_check", include_today=True).state == "failed"
    assert "measurements.import documents of local" in caplog.text


def test_restore_is_dry_by_default_and_acts_when_told(run, place, monkeypatch):
    state, client, _, store = place
    archived = state / "archive/north/b1" / f"{REPORT}.gz"
    archived.parent.mkdir(parents=True)
    archived.write_bytes(gzip.compress(TEXT.encode()))
    staged = state / "staging/north/b1" / REPORT
    staged.parent.mkdir(parents=True)
    staged.write_text(TEXT)
    run("measurements_import")

    def sanitize(raw, to):
        made = to / "staging/north/b1" / REPORT
        made.parent.mkdir(parents=True)
        made.write_text(TEXT.replace("input: a", "input: b"))
        return "sanitized"

    monkeypatch.setattr("include.measurements.restore.sanitize_command.sanitize_command", lambda bridges: sanitize)
    conf = {"archived": f"north/b1/{REPORT}.gz"}
    assert run("measurements_restore", **conf).state == "success"
    assert (state / "imported/north/b1" / REPORT).exists()
    assert run("measurements_restore", **conf, dry_run=False).state == "success"
    assert not (state / "imported/north/b1" / REPORT).exists()
    assert run("measurements_import").state == "success"
    assert [row["input"] for row in store.measurements.values()] == ["b"]
    assert "measurement_report.restored" in types(client)


def test_a_restore_as_its_form_opens_lists_what_can_be_restored(run, place, caplog):
    archived = place[0] / "archive/north/b1" / f"{REPORT}.gz"
    with caplog.at_level("INFO"):
        assert run("measurements_restore").state == "success"
        assert "restorable: 0" in caplog.text
        archived.parent.mkdir(parents=True)
        archived.write_bytes(gzip.compress(TEXT.encode()))
        assert run("measurements_restore", archived=None).state == "success"
    assert f"first: north/b1/{REPORT}.gz" in caplog.text


def test_a_restore_without_a_report_is_refused_when_it_is_not_dry(run, place, caplog):
    assert run("measurements_restore", dry_run=False).state == "failed"
    assert "nothing to restore was named" in caplog.text


@pytest.mark.parametrize("conf", [{"archived": "../secret.gz"}, {"unknown": 1}])
def test_a_restore_of_what_is_not_in_the_archive_fails_at_its_first_try(run, place, conf):
    done = run("measurements_restore", **conf)
    assert done.state == "failed"
    [task] = done.get_task_instances()
    assert task.try_number == 1


def test_what_leaves_the_tasks_names_no_report(run, place):
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    done = run("collectors_sync")
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=done.dag_id, run_id=done.run_id).all()
        left = json.dumps([XComModel.deserialize_value(row) for row in rows])
    assert "yamloo" not in left


def test_tasks_that_are_cleared_and_run_again_change_nothing(run, place):
    state, client, counts, store = place
    staged = state / "staging/north/b1" / REPORT
    staged.parent.mkdir(parents=True)
    staged.write_text(TEXT)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for dag_id in ("measurements_import", "measurements_publish"):
        first = run(dag_id, at=moment)
        emitted, rows, entries = list(types(client)), dict(counts.rows), dict(store.measurements)
        again = run(dag_id, at=moment)
        assert first.state == again.state == "success"
        assert (types(client), counts.rows, store.measurements) == (emitted, rows, entries)
        assert first.logical_date == again.logical_date == moment
    assert (state / "imported/north/b1" / REPORT).exists()
