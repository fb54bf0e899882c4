"""The page that lists what became of a stack's runs."""

from datetime import UTC, datetime

from stack.first_hour import DagHistory, render

NOW = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)


def run(state, run_id="r1", start="2026-03-01T12:00:00Z"):
    return {"dag_run_id": run_id, "state": state, "start_date": start}


def task(state, try_number=1):
    return {"dag_run_id": "r1", "task_id": "t", "state": state, "try_number": try_number}


def page(*histories):
    return render(histories, "abc1234", NOW)


def test_runs_and_tasks_are_counted_by_dag_and_state():
    text = page(
        DagHistory("ships", [run("success"), run("success"), run("running")], [task("success"), task("skipped")]),
        DagHistory("rests", [], []),
    )
    runs, tasks = text.partition("## Tasks")[::2]
    assert "| `ships` | 2 |  | 1 |  |  |" in runs
    assert "| `rests` |  |  |  |  |  |" in runs
    assert "| `ships` | 1 | 1 |  |  |  |" in tasks


def test_a_state_that_nobody_has_thought_of_is_counted_as_another():
    assert "| `ships` |  |  |  |  | 1 |" in page(DagHistory("ships", [run("restarting")], []))


def test_it_says_when_at_which_commit_and_how_long_after_the_first_run():
    text = page(DagHistory("ships", [run("success"), run("success", start="2026-03-01T12:30:00Z")], []))
    assert "2026-03-01 13:00 UTC, commit abc1234: 60 minutes after the first run no runs have failed." in text


def test_failed_runs_and_repeated_tasks_are_named():
    text = page(DagHistory("ships", [run("failed", "r7")], [task("success", try_number=2)]))
    assert "1 run has failed." in text
    assert "- `ships` `r7`" in text
    assert "- `ships` `r1` `t`: success at try 2" in text


def test_a_stack_without_runs_has_a_page_too():
    text = page(DagHistory("rests", [run("queued", start=None)], []))
    assert "0 minutes after the first run" in text
    assert text.count("None.") == 2
