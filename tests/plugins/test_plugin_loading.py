"""Airflow loads exactly the files that hold a plugin, under their bare names, and nothing else."""

import subprocess
import sys

import pytest

from tests.support.airflow_home import REPOSITORY

pytestmark = pytest.mark.dags

PLUGIN_FILES = {path.stem for path in (REPOSITORY / "plugins").rglob("*_plugin.py")}

LOAD = """
import json, sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
ours = [name for name, module in list(sys.modules.items())
        if "." not in name and (getattr(module, "__file__", None) or "").startswith(sys.argv[1])]
print(json.dumps({"bare": ours, "errors": errors, "plugins": [plugin.name for plugin in plugins]}))
"""


@pytest.fixture(scope="module")
def loaded():
    import json

    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(REPOSITORY / "plugins")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_there_is_something_to_load():
    assert "state_events_plugin" in PLUGIN_FILES


def test_only_plugin_files_came_in_by_their_bare_name(loaded):
    assert set(loaded["bare"]) - {"plugins"} == PLUGIN_FILES


def test_every_plugin_loads(loaded):
    assert loaded["errors"] == {}
    assert "state_events" in loaded["plugins"]


def test_the_ignore_file_says_so_in_this_order():
    lines = (REPOSITORY / "plugins" / ".airflowignore").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["*.py", "!*_plugin.py"]
