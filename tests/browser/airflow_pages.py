"""Airflow's pages as one user sees them, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Request

# A page waits for its data on a machine that may be busy with the rest of the stack.
LIMIT_MS = 120_000
VISIBLE = "found => found.filter(one => one.checkVisibility({visibilityProperty: true})).length"
RUNS = re.compile(r"/api/v2/dags/[^/]+/dagRuns$")


class AirflowPages:
    """One user's browser window, logged in."""

    def __init__(self, browser: Browser, base: str, user: str, password: str, locale: str = "en-US") -> None:
        context = browser.new_context(viewport={"width": 1100, "height": 1000}, locale=locale)
        context.set_default_timeout(LIMIT_MS)
        self.page: Page = context.new_page()
        self._base = base
        self._log_in(user, password)

    def _log_in(self, user: str, password: str) -> None:
        self.page.goto(f"{self._base}/auth/login")
        self.page.locator("input[name=username]").fill(user)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("button[type=submit]").click()
        self.page.wait_for_url(lambda url: "/auth/login" not in url)

    def close(self) -> None:
        self.page.context.close()

    def open_dag(self, dag: str) -> None:
        """Returns when the heading with the DAG's controls is drawn."""
        self._open(f"/dags/{dag}", self.page.get_by_test_id("toggle-pause"))

    def open_list(self, dags: int) -> None:
        """Returns when so many DAGs of the list are drawn."""
        self._open(f"/dags?limit={dags}", self.page.get_by_test_id("toggle-pause").nth(dags - 1))

    def open_run(self, dag: str, run: str) -> None:
        """Returns when the tasks of the run are drawn."""
        self._open(f"/dags/{dag}/runs/{run}", self.page.get_by_test_id("table-list").locator("tbody tr").first)

    def open_task_log(self, dag: str, run: str, task: str) -> None:
        """Returns when the log of the task's last try is drawn."""
        self._open(f"/dags/{dag}/runs/{run}/tasks/{task}", self.page.locator("[data-testid^=virtualized-item-]").first)

    def _open(self, path: str, drawn: Locator) -> None:
        self.page.goto(self._base + path)
        drawn.wait_for()

    def open_form(self, dag: str) -> None:
        """Returns when the form of a manual run can be sent."""
        self.open_dag(dag)
        self.page.get_by_test_id("trigger-dag-button").click()
        self.page.locator("[data-testid=trigger-dag-submit]:not([disabled])").wait_for()

    def field(self, name: str) -> Locator:
        """The input of a param, by the param's name."""
        return self.page.locator(f"[name=element_{name}]")

    def send_form(self) -> tuple[int, dict[str, Any]]:
        """Press the button of the open form; the status and the body of the server's answer."""
        with self.page.expect_response(lambda response: _starts_a_run(response.request)) as caught:
            self.page.get_by_test_id("trigger-dag-submit").click()
        return caught.value.status, caught.value.json()

    def form_as_sent(self) -> dict[str, Any]:
        """Press the button of the open form; the conf that it sends. Nothing is sent to the server."""
        self.page.route(RUNS, lambda route: route.abort() if _starts_a_run(route.request) else route.continue_())
        with self.page.expect_request(_starts_a_run) as caught:
            self.page.get_by_test_id("trigger-dag-submit").click()
        self.page.unroute(RUNS)
        conf: dict[str, Any] = caught.value.post_data_json["conf"]
        return conf

    def visible(self, selector: str) -> int:
        """How many controls that fit the selector the user can see."""
        return int(self.page.locator(selector).evaluate_all(VISIBLE))

    def picture(self, path: Path) -> None:
        self.page.screenshot(path=path, animations="disabled")


def _starts_a_run(request: Request) -> bool:
    return request.method == "POST" and RUNS.search(request.url) is not None
