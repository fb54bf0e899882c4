"""
What every DAG keeps to. A DAG that needs an exception gets it here, by name and with the reason.
"""

import ast
import copy
import json
from datetime import timedelta

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator

from plugins.dag_defaults import DEFAULT_ARGS, FEATURES, RETRY_POLICY, Pool, Tag
from plugins.dag_docs import feature_of
from tests.support.airflow_home import REPOSITORY

pytestmark = pytest.mark.dags

FILES = sorted((REPOSITORY / "dags").glob("*.py"))

# All DAGs by name, so that one that vanishes, or a bag that loaded nothing, fails a test.
EXPECTED = {
    "collectors_sync",
    "conservation_check",
    "measurements_import",
    "measurements_publish",
    "measurements_restore",
    "outbox_drain",
    "sanitize_run",
    "spool_demo_events",
    "spool_intake_files",
    "spool_replay",
    "spool_rewind",
    "spool_ship",
    "spool_status",
    "spool_verify",
    "warehouse_reconcile",
    "warehouse_sync",
}

# DAGs of other features are added to `dags/` by those who write them; naming them here is part of adding one.

# task -> reason: no execution_timeout, because a stall detector of its own ends it.
WITHOUT_EXECUTION_TIMEOUT: dict[str, str] = {}

# DAG -> reason: moves state and may yet run more than once at a time.
PARALLEL_RUNS = {
    "spool_demo_events": "each run appends its own events; the pool spool_intake bounds them",
    "spool_intake_files": "each run appends its own lines; the pool spool_intake bounds them",
}


def each_dag(test):
    return pytest.mark.parametrize("dag_id", sorted(EXPECTED))(test)


def tasks_of(bag, dag_id):
    return bag.dags[dag_id].tasks


def default_of(task, name):
    """A mapped task keeps its arguments in partial_kwargs."""
    return task.partial_kwargs.get(name) if hasattr(task, "partial_kwargs") else getattr(task, name)


def test_every_file_loads(bag):
    assert bag.import_errors == {}


def test_exactly_the_expected_dags_are_found_one_per_file(bag):
    assert set(bag.dags) == EXPECTED
    assert {file.stem for file in FILES} == {f"{dag_id}_dag" for dag_id in EXPECTED}


@each_dag
def test_its_file_is_named_after_it(bag, dag_id):
    assert bag.dags[dag_id].fileloc.endswith(f"/dags/{dag_id}_dag.py")


@each_dag
def test_its_docstring_is_its_manual(bag, dag_id):
    text = (REPOSITORY / "dags" / f"{dag_id}_dag.py").read_text()
    manual = ast.get_docstring(ast.parse(text), clean=False)
    assert bag.dags[dag_id].doc_md.strip() == manual.strip()
    assert manual.strip().startswith(f"### {dag_id}: ")
    for part in ("**What**", "**When**", "**Safe to run again**", "**If it fails**"):
        assert part in manual


@each_dag
def test_every_task_says_what_it_does(bag, dag_id):
    for task in tasks_of(bag, dag_id):
        assert task.doc or task.doc_md or task.python_callable.__doc__, task.task_id


@each_dag
def test_its_tags_are_known_and_begin_with_one_feature(bag, dag_id):
    tags = bag.dags[dag_id].tags
    assert tags <= {str(tag) for tag in Tag}
    assert len(tags & {str(feature) for feature in FEATURES}) == 1
    assert dag_id.startswith(feature_of(bag.dags[dag_id]))


@each_dag
def test_its_tags_say_how_it_runs_and_what_it_may_do(bag, dag_id):
    tags, schedule = bag.dags[dag_id].tags, bag.dags[dag_id].schedule
    assert (Tag.MANUAL in tags) == (schedule is None)
    assert (Tag.SCHEDULED in tags) == (schedule is not None)
    assert (Tag.MOVES_STATE in tags) != (Tag.READS_ONLY in tags)


@each_dag
def test_it_chooses_catchup_and_being_paused_in_its_own_words(dag_id):
    text = (REPOSITORY / "dags" / f"{dag_id}_dag.py").read_text()
    assert "catchup=False" in text
    assert "is_paused_upon_creation=" in text
    assert "max_active_runs=" in text


@each_dag
def test_it_runs_once_at_a_time_where_it_moves_state(bag, dag_id):
    dag = bag.dags[dag_id]
    if Tag.MOVES_STATE in dag.tags and dag_id not in PARALLEL_RUNS:
        assert dag.max_active_runs == 1


@each_dag
def test_every_task_has_the_shared_defaults(bag, dag_id):
    for task in tasks_of(bag, dag_id):
        assert default_of(task, "owner") == DEFAULT_ARGS["owner"], task.task_id
        assert default_of(task, "retries") >= 1, task.task_id
        assert default_of(task, "retry_policy") is RETRY_POLICY, task.task_id


@each_dag
def test_every_task_says_in_its_log_what_to_do_about_an_error(bag, dag_id):
    for task in tasks_of(bag, dag_id):
        if isinstance(task, EmptyOperator):
            continue  # it runs no code, so it has no errors of its own
        assert getattr(task.python_callable, "is_explained", False), (
            f"{task.task_id}: use `task` of plugins.dag_defaults"
        )


@each_dag
def test_every_task_ends_in_bounded_time(bag, dag_id):
    for task in tasks_of(bag, dag_id):
        if f"{dag_id}.{task.task_id}" in WITHOUT_EXECUTION_TIMEOUT:
            continue
        timeout = default_of(task, "execution_timeout")
        assert timedelta(0) < timeout <= timedelta(hours=24), task.task_id


@each_dag
def test_every_sensor_gives_up(bag, dag_id):
    for task in tasks_of(bag, dag_id):
        if hasattr(task, "poke"):
            assert task.timeout < timedelta(days=1).total_seconds(), task.task_id


@each_dag
def test_every_pool_it_uses_is_made_by_the_stack(bag, dag_id):
    pools = json.loads((REPOSITORY / "config" / "airflow_pools.json").read_text())
    for task in tasks_of(bag, dag_id):
        assert (default_of(task, "pool") or "default_pool") in {"default_pool", *pools}, task.task_id


def test_the_pools_of_the_code_are_the_pools_of_the_file():
    pools = json.loads((REPOSITORY / "config" / "airflow_pools.json").read_text())
    assert set(pools) == {str(pool) for pool in Pool}
    for name, pool in pools.items():
        assert pool["slots"] >= 1, name
        assert pool["description"], name


@each_dag
def test_every_param_is_typed_described_and_bounded(bag, dag_id):
    params = bag.dags[dag_id].params
    for name in params:
        param = params.get_param(name)
        assert param.description, name
        kind = param.schema["type"]
        if "integer" in kind or "number" in kind:
            assert "minimum" in param.schema, name
        if kind == "array":
            assert "maxItems" in param.schema, name
        if "string" in kind:
            assert {"enum", "pattern", "maxLength"} & set(param.schema), name


def text_fields(params):
    """Params that the form shows as free text."""
    for name in params:
        schema = params.get_param(name).schema
        if "string" in schema["type"] and "enum" not in schema:
            yield name


@each_dag
def test_the_form_can_be_sent_as_it_opens(bag, dag_id):
    # The form asks for a value where the type allows no null, and its button stays dead until there is one.
    params = bag.dags[dag_id].params
    for name in params:
        param = params.get_param(name)
        assert "null" in param.schema["type"] or param.value not in (None, "", []), name


@each_dag
def test_a_text_field_that_was_emptied_is_valid_conf(bag, dag_id):
    # The form sends null for it.
    params = copy.deepcopy(bag.dags[dag_id].params)
    for name in text_fields(params):
        params.update({name: None})
    params.validate()


@each_dag
def test_its_defaults_are_valid_conf(bag, dag_id):
    bag.dags[dag_id].params.validate()


@each_dag
def test_it_survives_serialisation(bag, dag_id):
    from airflow.serialization.serialized_objects import DagSerialization

    document = DagSerialization.to_dict(bag.dags[dag_id])
    again = DagSerialization.from_dict(json.loads(json.dumps(document)))
    assert again.dag_id == dag_id
    assert set(again.task_ids) == set(bag.dags[dag_id].task_ids)


@each_dag
def test_two_parses_give_the_same_version(bag, dag_id):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    second = DagBag(str(REPOSITORY / "dags" / f"{dag_id}_dag.py")).dags[dag_id]
    assert DagSerialization.to_dict(second)["dag"] == DagSerialization.to_dict(bag.dags[dag_id])["dag"]


def test_what_is_dangerous_is_dry_by_default(bag):
    for dag_id in ("spool_rewind", "measurements_restore"):
        assert bag.dags[dag_id].params["dry_run"] is True
