"""Names that would break something, or say nothing."""

import ast
import importlib.metadata
import re
import subprocess
import sys

import pytest

from tests.support.airflow_home import REPOSITORY

ROOMS = ("spool", "include", "plugins", "dags", "stack")
SAYS_NOTHING = {"utils", "helpers", "manager", "data", "info", "misc"}
SAYS_NOTHING_AS_A_VARIABLE = {"found", "made", "one"}
LINES_MAX = 300


def python_files(*folders):
    return [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def stems():
    return {path.stem if path.stem != "__init__" else path.parent.name for path in python_files(*ROOMS)}


def test_no_file_is_called_like_a_module_of_the_standard_library():
    # `python spool/x.py`, or a plugin folder on the path, would import ours instead.
    allowed = {"__main__"}
    assert stems() & (set(sys.stdlib_module_names) - allowed) == set()


def test_no_file_of_plugins_is_called_like_an_installed_package():
    # Only plugins/ and dags/ are ever put on sys.path themselves.
    installed = set(importlib.metadata.packages_distributions())
    found = {path.stem for path in python_files("plugins", "dags")} - {"__init__"}
    assert found & installed == set()


def test_names_tell_something():
    assert stems() & SAYS_NOTHING == set()


def bound_names(path):
    text = path.read_text()
    if not re.search(rf"\b(?:{'|'.join(SAYS_NOTHING_AS_A_VARIABLE)})\b", text):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_a_variable_says_what_it_holds():
    silent = [
        f"{path.relative_to(REPOSITORY)}:{line}: {name}"
        for path in python_files(*ROOMS)
        for name, line in bound_names(path)
        if name in SAYS_NOTHING_AS_A_VARIABLE
    ]
    assert silent == []


def test_config_holds_data_only():
    assert python_files("config") == []


def test_tests_are_no_package():
    # With an __init__.py, tests/unit/spool would be imported as `spool`.
    assert list((REPOSITORY / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", python_files("dags"), ids=lambda path: path.stem)
def test_a_dag_file_is_named_after_its_dag(path):
    assert path.stem.endswith("_dag")
    assert f'dag_id="{path.stem.removesuffix("_dag")}"' in path.read_text()


def test_modules_stay_one_thing():
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in python_files(*ROOMS)
        if (lines := path.read_text().count("\n")) > LINES_MAX
    }
    assert long == {}


def test_committed_text_holds_no_secret():
    import re

    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    secret = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|xox[bp]-\d+|ghp_[A-Za-z0-9]{30}")
    paths = [REPOSITORY / line for line in listed.splitlines()]
    assert len(paths) > 20
    for path in paths:
        if path.is_file() and path.suffix not in {".png", ".gz", ".zst"}:
            assert not secret.search(path.read_text(encoding="utf-8", errors="replace")), path


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").rglob("*.*")), ids=lambda path: path.name)
def test_a_config_file_holds_no_password(path):
    import re

    for line in path.read_text().splitlines():
        text = line.partition("#")[0]
        assert not re.search(r"(?i)(password|secret|token|access_key)\s*[:=]\s*\S", text), line
