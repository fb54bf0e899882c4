"""Each DAG run in Airflow itself (without a scheduler) on fakes: what conf gives what, what a failed task says."""

import copy
import json
from datetime import timedelta
from typing import ClassVar, NamedTuple

import pytest
from airflow.dag_processing.dagbag import DagBag

from include.outbox.drain import DrainSummary
from include.outbox.waiting import StreamWaiting
from plugins.connections import engine, mariadb
from spool.audit.verify_report import VerifyReport, VerifyRow
from spool.errors import OperatorNeeded, ProducerConflict, SpoolFull
from spool.event import Event
from spool.intake.late_events import put_aside
from spool.replay.plan import PlanRow
from spool.replay.rewind import RewindPlan
from spool.status.board import Board
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.support.airflow_home import REPOSITORY

pytestmark = pytest.mark.dags

DAG_IDS = sorted(path.stem.removesuffix("_dag") for path in (REPOSITORY / "dags").glob("*_dag.py"))


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run(database):
    def run_dag(dag_id, *, retry_delay=None, **conf):
        # Parsed again: `test` writes the conf of a run into the DAG's params, where the next run would find it.
        dag = DagBag(str(REPOSITORY / "dags" / f"{dag_id}_dag.py")).dags[dag_id]
        if retry_delay is not None:
            for task in dag.tasks:
                task.retry_delay = retry_delay
        return dag.test(run_conf=conf)

    return run_dag


@pytest.fixture
def client(monkeypatch):
    fake = FakeSpoolClient()
    monkeypatch.setattr(engine, "spool_client", lambda: fake)
    return fake


def answers(dag_run):
    """What left the task processes through XCom, by task id."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_run.dag_id, run_id=dag_run.run_id).all()
        return {row.task_id: XComModel.deserialize_value(row) for row in rows if row.key == "return_value"}


def test_demo_events_are_appended_as_the_conf_says_and_only_counts_leave_the_task(run, client):
    done = run("spool_demo_events", events=500, keys=3, group_share=0.5)
    assert done.state == "success"
    assert len(client.appended["demo"]) == 500
    assert len(client.groups) == 25
    answer = answers(done)["append_events"]
    assert (answer["events"], answer["groups"], answer["stream"]) == (500, 25, "demo")
    assert len(json.dumps(answer)) < 500


def test_log_files_are_taken_in_from_allowed_roots_only(run, client, caplog):
    done = run("spool_intake_files", paths=["/etc/passwd"])
    assert done.state == "failed"
    assert client.appended == {}
    assert "/etc/passwd is, links followed, not below an allowed root" in caplog.text
    assert "What to do: name files below an allowed root" in caplog.text


def test_a_terminal_error_fails_the_task_at_its_first_try(run, client):
    done = run("spool_demo_events", events=5, unknown_key=1)
    (task_instance,) = done.get_task_instances()
    assert (done.state, task_instance.try_number) == ("failed", 1)


def test_a_transient_error_is_said_with_its_hint_and_tried_again(run, client, caplog, monkeypatch):
    monkeypatch.setattr("include.demo_events.pipeline.TRIES_MAX", 1)
    client.failures = [SpoolFull("the disk is full", hint="make space")]
    done = run("spool_demo_events", events=5, retry_delay=timedelta(0))
    (task_instance,) = done.get_task_instances()
    assert (done.state, task_instance.try_number) == ("success", 2)
    assert "What to do: make space" in caplog.text


class Summary(NamedTuple):
    objects: int = 2
    events: int = 40
    log: str = "k3x9"
    plan: tuple = ()


class FakeShipper:
    def ship_once(self):
        return Summary()


class FakeReplayer:
    asked: ClassVar[list] = []

    def __init__(self, stream, error=None):
        self.stream, self.error = stream, error

    def drain(self, **asked):
        self.asked.append((self.stream, asked))
        if self.error:
            raise self.error
        return Summary()


@pytest.fixture
def replayers(monkeypatch):
    errors = {}
    FakeReplayer.asked.clear()
    monkeypatch.setattr(
        engine, "replayers", lambda names: {name: FakeReplayer(name, errors.get(name)) for name in names}
    )
    return errors


def test_ship_sweeps_late_events_and_ships(run, client, monkeypatch, tmp_path):
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    monkeypatch.setattr("plugins.listener.state_events._recorder", lambda: None)
    monkeypatch.setattr(engine, "shipper", FakeShipper)
    put_aside(tmp_path, "airflow", Event(b"{}", key=b"k", id="late", time_ms=1))
    done = run("spool_ship")
    assert done.state == "success"
    assert answers(done) == {
        "append_late_events": {"appended": 1, "broken": 0}, "ship_segments": {"objects": 2, "events": 40},
    }  # fmt: skip
    assert [event.id for event in client.appended["airflow"]] == ["late"]


def test_without_connections_each_section_of_the_status_says_what_is_missing(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    for name in ("AWS_SPOOL", "KAFKA_SPOOL", "MARIADB_APP"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    done = run("spool_status")
    assert {task.task_id: task.state for task in done.get_task_instances()} == {
        "publish_engine": "failed", "publish_database": "failed",
    }  # fmt: skip
    missing = {section.name: section.troubles[0] for section in Board(tmp_path).sections()}
    assert missing.keys() == {"logs", "alarms", "dead_letters", "counts", "feature_dead_letters", "outbox"}
    for name, trouble in missing.items():
        neighbour = "aws_spool" if name in ("logs", "alarms", "dead_letters") else "mariadb_app"
        assert f"the connection {neighbour} is not defined" in trouble


def test_replay_drains_every_stream_and_only_counts_leave_the_task(run, replayers):
    done = run("spool_replay", seconds=3)
    assert done.state == "success"
    streams = engine.stream_names("all")
    assert sorted(stream for stream, _ in FakeReplayer.asked) == streams
    assert {asked["deadline_s"] for _, asked in FakeReplayer.asked} == {3}
    assert answers(done)["drain_streams"] == {stream: {"objects": 2, "events": 40} for stream in streams}


def test_replay_of_one_stream_with_bounds_does_not_follow(run, replayers):
    assert run("spool_replay", stream="demo", max_events=10, dry_run=True).state == "success"
    ((stream, asked),) = FakeReplayer.asked
    assert (stream, asked["max_events"], asked["follow"], asked["dry_run"]) == ("demo", 10, False, True)


def test_a_stream_that_needs_an_operator_fails_the_run_after_the_others_had_their_turn(run, replayers, caplog):
    replayers["airflow"] = OperatorNeeded("segment 7 is missing", hint="see docs/runbooks/rewind.md")
    done = run("spool_replay", seconds=1)
    (task_instance,) = done.get_task_instances()
    assert (done.state, task_instance.try_number) == ("failed", 1)
    assert len(FakeReplayer.asked) == len(engine.stream_names("all"))
    assert "stream=airflow What to do: see docs/runbooks/rewind.md" in caplog.text


def test_the_outbox_is_drained_and_only_counts_leave_the_task(run, client, outbox):
    outbox["events"] = DrainSummary(events=7, batches=2, refused=1)
    done = run("outbox_drain", seconds=5, max_events=100)
    assert done.state == "success"
    assert answers(done)["drain_outbox"] == {"events": 7, "batches": 2, "refused": 1}


def test_a_stream_that_cannot_be_drained_is_named_and_fails_the_run_when_all_had_their_turn(
    run, client, outbox, caplog
):
    outbox["airflow"] = DrainSummary(error=SpoolFull("the disk is full", hint="make space"))
    outbox["events"] = DrainSummary(error=ProducerConflict("another sequence", hint="see docs/runbooks/outbox.md"))
    outbox["measurements"] = DrainSummary(events=3, batches=1)
    with caplog.at_level("INFO"):
        done = run("outbox_drain")
    (task_instance,) = done.get_task_instances()
    assert (done.state, task_instance.try_number) == ("failed", 1)
    assert "stream=airflow What to do: make space" in caplog.text
    assert "stream=events What to do: see docs/runbooks/outbox.md" in caplog.text
    assert "measurements       3" in caplog.text


def test_a_dry_run_of_the_outbox_lists_what_waits_and_appends_nothing(run, client, outbox, monkeypatch, caplog):
    row = StreamWaiting("events", 12, "2026-11-25T08:00:00.000Z", 0, 4, "k3x9")
    monkeypatch.setattr("include.outbox.waiting.waiting", lambda database: [row])
    outbox["events"] = pytest.fail
    with caplog.at_level("INFO"):
        done = run("outbox_drain", dry_run=True)
    assert done.state == "success"
    assert "2026-11-25T08:00:00.000Z" in caplog.text
    assert "nothing was appended" in caplog.text
    assert answers(done)["drain_outbox"] == {"streams": 1, "waiting": 12}


@pytest.fixture
def outbox(monkeypatch):
    """What a drain answers, by stream."""
    summaries = {}
    monkeypatch.setattr(mariadb, "database", lambda: None)
    monkeypatch.setattr("include.outbox.drain.drain", lambda *parts, **limits: dict(summaries))
    return summaries


@pytest.mark.parametrize("conf", [{"log": None, "reason": "why"}, {"log": "k3x9", "reason": " "}], ids=str)
def test_a_rewind_without_log_or_reason_is_refused(run, conf, caplog):
    assert run("spool_rewind", dry_run=False, **conf).state == "failed"
    assert "log and reason are needed" in caplog.text


def test_a_rewind_as_its_form_opens_lists_the_logs_of_the_stream(run, monkeypatch, caplog):
    class Planner:
        def plan(self):
            return [PlanRow("k3x9", 7, 0, 40, 40, 0, "")]

    monkeypatch.setattr(engine, "replayers", lambda names: {name: Planner() for name in names})
    with caplog.at_level("INFO"):
        done = run("spool_rewind")
    assert done.state == "success"
    assert "these are the logs of demo" in caplog.text
    assert "k3x9" in caplog.text


def test_a_rewind_as_its_form_opens_says_that_nothing_is_archived_yet(run, monkeypatch, caplog):
    class Planner:
        def plan(self):
            return []

    monkeypatch.setattr(engine, "replayers", lambda names: {name: Planner() for name in names})
    with caplog.at_level("INFO"):
        done = run("spool_rewind", reason=None)
    assert done.state == "success"
    assert "the archive holds no log of demo yet" in caplog.text


@pytest.mark.parametrize(
    "dag_id", sorted(path.stem.removesuffix("_dag") for path in (REPOSITORY / "dags").glob("*.py"))
)
def test_a_conf_key_that_the_dag_does_not_know_is_refused_before_anything_is_done(run, dag_id, caplog):
    assert run(dag_id, retry_delay=timedelta(0), evnets=5).state == "failed"
    assert "conf: evnets: unknown key; known are" in caplog.text


PLAN = RewindPlan("demo", "k3x9", 1, from_offset=900, to_offset=400, to_segment=2, again=500, skipped=0)


def test_a_rewind_is_dry_unless_it_is_said(run, monkeypatch, caplog):
    monkeypatch.setattr(engine, "plan_rewind", lambda stream, log, segment: PLAN)
    monkeypatch.setattr(engine, "rewind", lambda *asked, **more: pytest.fail("acted"))
    with caplog.at_level("INFO"):
        done = run("spool_rewind", log="k3x9", segment=2)
    assert done.state == "success"
    assert "a dry run: 500 events come again, 0 are passed over" in caplog.text
    assert answers(done)["rewind_log"]["again"] == 500


def test_a_rewind_acts_when_it_is_said_and_notes_who(run, monkeypatch):
    asked = []
    monkeypatch.setattr(engine, "rewind", lambda *what, **why: asked.append((what, why)) or PLAN)
    assert run("spool_rewind", log="k3x9", segment=2, reason="index rebuilt", dry_run=False).state == "success"
    ((what, why),) = asked
    assert what == ("demo", "k3x9", 2)
    assert why["reason"] == "index rebuilt"
    assert why["who"].startswith("airflow ")


ROW = VerifyRow("demo", "k3x9", 1000, 1000, 0, 0, 0, 0, 0, 0, 0, 0)


def test_verify_has_a_task_a_stream_and_a_table_in_its_log(run, monkeypatch, caplog):
    monkeypatch.setattr(engine, "verify", lambda stream, full: VerifyReport(stream, full, (ROW,), 0))
    with caplog.at_level("INFO"):
        done = run("spool_verify")
    assert done.state == "success"
    assert len(done.get_task_instances()) == 1 + len(engine.stream_names("all"))
    assert "log   missing  doubled  out_of_order  gaps  archived  delivered" in caplog.text
    assert "k3x9        0        0             0     0     1,000      1,000" in caplog.text


def test_a_difference_fails_the_task_of_its_stream_only(run, monkeypatch, caplog):
    def verify(stream, *, full):
        return VerifyReport(stream, full, (ROW._replace(missing=7 if stream == "demo" else 0),), 0)

    monkeypatch.setattr(engine, "verify", verify)
    done = run("spool_verify", full=True)
    assert done.state == "failed"
    states = [task.state for task in done.get_task_instances() if task.task_id == "verify_stream"]
    assert sorted(states) == ["failed"] + ["success"] * (len(states) - 1)
    assert "7 missing" in caplog.text


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("spool_demo_events", {"events": 0}),
        ("spool_demo_events", {"stream": "nothing"}),
        ("spool_demo_events", {"key_distribution": "normal"}),
        ("spool_replay", {"seconds": "long"}),
        ("spool_rewind", {"log": "../x"}),
        ("spool_rewind", {"segment": -1}),
        ("spool_intake_files", {"paths": "/var/log/x"}),
        ("spool_intake_files", {"paths": ["x.log"]}),
        ("spool_verify", {"full": "yes"}),
    ],
    ids=str,
)
def test_bad_conf_is_refused_before_the_run_begins(bag, dag_id, conf):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(bag.dags[dag_id].params)
    with pytest.raises(ParamValidationError):
        params.update(conf)


def test_the_tasks_of_a_run_are_read_in_the_session_that_ends_it(run):
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    from plugins.listener.run_tasks import TaskState, task_states

    done = run("spool_rewind", dry_run=False)
    with create_session() as session:
        chosen = {"dag_id": done.dag_id, "run_id": done.run_id}
        ended = session.query(DagRun).filter_by(**chosen).one()
        assert task_states(ended) == [TaskState("rewind_log", -1, 1, "failed")]
        # What the scheduler has just decided about a task is not committed when it ends the run.
        session.query(TaskInstance).filter_by(**chosen).one().state = "skipped"
        assert task_states(ended) == [TaskState("rewind_log", -1, 1, "skipped")]
        session.rollback()
    with pytest.raises(LookupError):
        task_states(done)
