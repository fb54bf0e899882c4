"""
A throw-away Airflow for tests: own home, own SQLite file, our DAGs and plugins, nothing of the machine's.

Airflow reads its settings once, at the first import, so `prepare()` runs in the conftest of each folder that does.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent


def prepare() -> Path:
    """Set the variables before Airflow is imported; the second call in a process changes nothing."""
    if home := os.environ.get("SPILLWAY_TEST_AIRFLOW_HOME"):
        return Path(home)
    assert "airflow" not in sys.modules, "something imported Airflow before its settings were made"
    home = tempfile.mkdtemp(prefix="airflow-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "SPOOL_"))]:
        del os.environ[name]
    os.environ |= {
        "SPILLWAY_TEST_AIRFLOW_HOME": home,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
    return Path(home)


# Airflow's own use of what its dependencies deprecate; ours stays an error.
WARNINGS_OF_AIRFLOW = (
    "ignore:GitWildMatchPattern:DeprecationWarning",
    "ignore:Using `httpx` with `starlette.testclient`",
)


def quieten(config) -> None:
    """For `pytest_configure` of the conftest: let Airflow's own warnings pass."""
    for line in WARNINGS_OF_AIRFLOW:
        config.addinivalue_line("filterwarnings", line)
