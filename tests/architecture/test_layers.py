"""`dags/` is not a package, so import-linter cannot see it: its place in the layers is checked here."""

import ast
import subprocess
import sys
import tomllib

import pytest

from tests.support.airflow_home import REPOSITORY

ALLOWED_IN_DAGS = {"airflow.sdk", "plugins", "datetime", "typing"}
LINES_MAX = 120

DAG_FILES = sorted((REPOSITORY / "dags").glob("*.py"))


def imported(tree, *, at_top_only=False):
    nodes = tree.body if at_top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def test_there_are_dag_files():
    assert len(DAG_FILES) >= 6


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_imports_only_airflow_sdk_and_plugins(path):
    for name in imported(ast.parse(path.read_text())):
        assert name in ALLOWED_IN_DAGS or name.startswith("plugins."), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_is_a_table_of_contents(path):
    assert len(path.read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_asks_nothing_at_import(path):
    banned = {"get_connection", "Variable", "open", "read_text", "connect", "getenv", "environ"}
    used = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not used & banned


@pytest.mark.parametrize("folder", ["plugins", "include", "spool"])
def test_nothing_imports_dags_or_a_second_spelling(folder):
    for path in (REPOSITORY / folder).rglob("*.py"):
        for name in imported(ast.parse(path.read_text())):
            assert name.partition(".")[0] not in {"dags", "tests", "hooks", "operators", "triggers", "stack"}, path


# Loading one of these costs a parse of the DAGs, or a page of the UI, a second of processor time or more.
HEAVY = {"aiokafka", "boto3", "botocore", "confluent_kafka", "duckdb", "numpy", "pandas", "pymongo"}
LIGHT_ROOMS = [room for room in ("connections", "tasks", "listener", "ui") if (REPOSITORY / "plugins" / room).is_dir()]

LOAD = """
import importlib, pkgutil, sys
room = importlib.import_module(sys.argv[1])
names = [name for _, name, _ in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")]
for name in names:
    importlib.import_module(name)
print("\\n".join(["modules", *names, "loaded", *sys.modules]))
"""


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_a_room_of_plugins_is_light_to_import(room):
    printed = subprocess.run(
        [sys.executable, "-c", LOAD, f"plugins.{room}"], capture_output=True, text=True, cwd=REPOSITORY, check=True
    ).stdout
    modules, loaded = printed.partition("modules\n")[2].split("\nloaded\n")
    assert len(modules.splitlines()) >= 2
    heavy = {name for name in loaded.splitlines() if name in HEAVY}
    assert heavy == set()


def test_the_composition_root_loads_no_airflow_before_it_is_called():
    for path in (REPOSITORY / "plugins" / "connections").glob("*.py"):
        for name in imported(ast.parse(path.read_text()), at_top_only=True):
            assert not name.startswith(("airflow", "include")), f"{path.name} imports {name} at its top"
            assert not name.startswith("spool") or name == "spool.errors", f"{path.name} imports {name} at its top"


# What several features use. Every other package of include/ is a feature.
SHARED = {"clients", "common", "counts", "database", "dead_letters", "outbox"}


def features():
    """A package that holds nothing but a command line is another name of a feature."""
    packages = {path.parent for path in (REPOSITORY / "include").glob("*/*.py") if path.name != "__main__.py"}
    return {f"include.{package.name}" for package in packages if package.name not in SHARED}


def test_every_feature_may_not_import_the_others():
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    independent = [set(contract["modules"]) for contract in contracts if contract["type"] == "independence"]
    assert independent == [features()], "complete `features do not import one another` in pyproject.toml"


def test_what_features_share_exists():
    assert {name for name in SHARED if not (REPOSITORY / "include" / name).is_dir()} == set()
