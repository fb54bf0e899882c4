"""One stack with every DAG unpaused, and a real browser, for all tests of the folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from stack.airflow_api import AirflowApi, local_api
from stack.credentials import credentials
from stack.place import HOST
from tests.browser.airflow_pages import AirflowPages
from tests.support.airflow_home import REPOSITORY
from tests.support.local_stack import LocalStack

UP_WITHIN_S = 600
DAGS = sorted(path.stem.removesuffix("_dag") for path in (REPOSITORY / "dags").glob("*_dag.py"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(1800))  # the first test pays for the start of the stack


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    stack = LocalStack()
    run = stack.run("up", timeout_s=UP_WITHIN_S)
    assert run.returncode == 0, run.stdout + run.stderr
    yield stack
    stack.remove()


@pytest.fixture(scope="session")
def api(stack: LocalStack) -> AirflowApi:
    api = local_api(stack.place)
    api.wait_for_dags(set(DAGS))
    return api


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "no chromium: apt-get install chromium, or `make test-browser`, which does it"
    with sync_playwright() as playwright:
        # A sandbox cannot be made by root, and the only pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def log_in(stack: LocalStack, api: AirflowApi, chromium: Browser) -> Callable[..., AirflowPages]:
    """`log_in(user)`: a window of that user."""

    def make(user: str, locale: str = "en-US") -> AirflowPages:
        password = credentials(stack.place)[f"airflow_user_{user}"]
        return AirflowPages(chromium, f"http://{HOST}:{stack.place.port('airflow')}", user, password, locale)

    return make


@pytest.fixture(scope="session")
def picture() -> Callable[[AirflowPages, str], None]:
    """Keeps a picture of a window in the folder SCREENSHOTS; without that variable, none is taken."""
    folder = os.environ.get("SCREENSHOTS")

    def keep(pages: AirflowPages, name: str) -> None:
        if folder:
            pages.picture(Path(folder) / f"{name}.png")

    return keep
