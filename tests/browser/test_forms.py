"""Every DAG's form as it opens, sent by an operator with a click: what the button promises happens."""

import jsonschema
import pytest

from tests.browser.conftest import DAGS
from tests.support.airflow_home import REPOSITORY

MANUAL = [dag for dag in DAGS if "schedule=None" in (REPOSITORY / "dags" / f"{dag}_dag.py").read_text()]
# What the log of a dry run says of an empty deployment, and what to do next.
TAUGHT = {
    "measurements_restore": ("restore_report", "a dry run"),
    "spool_rewind": ("rewind_log", "demo"),
}
EVERY_DAG = pytest.mark.parametrize("dag", DAGS)
RUN_WITHIN_S = 900


@pytest.fixture(scope="module")
def operator(log_in):
    pages = log_in("operator")
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def sent(operator, picture):
    """DAG -> (status, answer) of its form, sent as it opens. All are sent before any is waited for."""
    answers = {}
    for dag in DAGS:
        operator.open_form(dag)
        if dag in MANUAL:
            picture(operator, f"{dag.replace('_', '-')}-form")
        answers[dag] = operator.send_form()
    return answers


def params_of(api, dag):
    return api.details(dag)["params"]


def text_fields(params):
    return [name for name, param in params.items() if {"null", "string"} <= set(param["schema"]["type"])]


@EVERY_DAG
def test_the_form_is_taken_as_it_opens(sent, dag):
    status, answer = sent[dag]
    assert status == 200, answer


@EVERY_DAG
def test_its_run_ends_well(sent, api, dag):
    run = sent[dag][1]["dag_run_id"]
    assert api.wait(dag, run, timeout_s=RUN_WITHIN_S) == "success"
    states = {task["task_id"]: task["state"] for task in api.task_instances(dag) if task["dag_run_id"] == run}
    assert states
    assert set(states.values()) <= {"success", "skipped"}, states


@pytest.mark.parametrize("dag", MANUAL)
def test_its_run_is_shown_green(sent, api, operator, picture, dag):
    run = sent[dag][1]["dag_run_id"]
    api.wait(dag, run, timeout_s=RUN_WITHIN_S)
    operator.open_run(dag, run)
    operator.page.get_by_test_id("state-badge").get_by_text("Success").first.wait_for()
    picture(operator, f"{dag.replace('_', '-')}-run")


@pytest.mark.parametrize("dag", TAUGHT)
def test_a_dry_run_says_in_its_log_what_there_is_and_what_comes_next(sent, api, operator, picture, dag):
    run, (task, words) = sent[dag][1]["dag_run_id"], TAUGHT[dag]
    api.wait(dag, run, timeout_s=RUN_WITHIN_S)
    operator.open_task_log(dag, run, task)
    operator.page.get_by_test_id("virtualized-list").get_by_text(words).first.wait_for()
    picture(operator, f"{dag.replace('_', '-')}-log")


@EVERY_DAG
def test_a_text_field_that_was_typed_in_and_emptied_is_sent_as_null_and_allowed(api, operator, dag):
    params = params_of(api, dag)
    fields = text_fields(params)
    if not fields:
        return  # nothing to type into
    operator.open_form(dag)
    for name in fields:
        operator.field(name).fill("x")
        operator.field(name).fill("")
    conf = operator.form_as_sent()
    for name in fields:
        assert conf[name] is None
    for name, param in params.items():
        jsonschema.validate(conf[name], param["schema"])


def test_the_log_of_a_failed_task_says_first_what_is_wrong_and_what_to_do(api, operator, picture):
    run = api.trigger("spool_rewind", {"dry_run": False})
    assert api.wait("spool_rewind", run, timeout_s=RUN_WITHIN_S) == "failed"
    operator.open_task_log("spool_rewind", run, "rewind_log")
    log = operator.page.get_by_test_id("virtualized-list")
    log.get_by_text("What to do:").first.wait_for()
    text = log.inner_text()
    assert text.index("log and reason are needed") < text.index("What to do:")
    assert "Traceback" not in text[: text.index("What to do:")]
    picture(operator, "task-log-hint")


def test_an_administrator_can_open_every_form(log_in):
    pages = log_in("admin")
    for dag in DAGS:
        pages.open_form(dag)
    pages.close()
