"""A user who may only read sees no control that the server would refuse."""

import pytest

from tests.browser.conftest import DAGS

# What acts on a DAG, a run or a task, by the labels that Airflow gives them in English.
ACTING = ", ".join(
    [
        "[data-testid=trigger-dag-button]",
        "[data-testid=mark-run-as-button]",
        "table [data-scope=checkbox]",
        *(
            f'button[aria-label^="{words}"]'
            for words in ("Delete", "Clear D", "Clear T", "Clear All", "Press shift+c", "Mark", "Reparse", "Add a note")
        ),
        'button:has-text("Add XCom")',
    ]
)
PAUSE = "[data-testid=toggle-pause]"


@pytest.fixture(scope="module")
def run(api):
    """(DAG, run, task) to look at"""
    run = api.trigger("spool_demo_events", {"events": 10, "keys": 1})
    assert api.wait("spool_demo_events", run, timeout_s=600) == "success"
    return "spool_demo_events", run, "append_events"


def walk(pages, run):
    """Page -> number of acting controls. The list has those of every DAG."""
    dag, run_id, task = run
    found = {}
    for name, open_page in {
        "list": lambda: pages.open_list(len(DAGS)),
        "dag": lambda: pages.open_dag(dag),
        "run": lambda: pages.open_run(dag, run_id),
        "task": lambda: pages.open_task_log(dag, run_id, task),
    }.items():
        open_page()
        found[name] = pages.visible(ACTING)
    return found


def test_a_viewer_sees_no_control_that_acts(log_in, run):
    pages = log_in("viewer")
    assert walk(pages, run) == {"list": 0, "dag": 0, "run": 0, "task": 0}
    pages.close()


def test_an_operator_sees_them_on_every_page(log_in, run):
    pages = log_in("operator")
    found = walk(pages, run)
    assert found.pop("list") >= 2 * len(DAGS)
    assert min(found.values()) >= 2
    pages.close()


@pytest.mark.parametrize("locale", ["de-DE", "fr-FR"])
def test_a_viewer_sees_none_in_another_language_either(log_in, locale):
    pages = log_in("viewer", locale)
    pages.open_dag("spool_ship")
    # The book opens the DAG's manual; it, and the star of a favourite, are a viewer's too.
    header = pages.page.get_by_test_id("header-card").locator("button")
    header.first.wait_for()
    assert sum(button.is_visible() for button in header.all()) == 2
    pages.close()


def test_a_viewer_sees_whether_a_dag_is_paused_and_cannot_change_it(log_in, api):
    pages = log_in("viewer")
    pages.open_dag("spool_ship")
    switch = pages.page.locator(PAUSE)
    assert switch.is_visible()
    box = switch.bounding_box()
    pages.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert pages.page.get_by_test_id("error-alert").count() == 0
    assert switch.get_attribute("data-state") == "checked"
    assert api.details("spool_ship")["is_paused"] is False
    pages.close()
