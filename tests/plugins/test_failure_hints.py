"""The log of a failed task says what to do."""

import logging

import pytest

from plugins.failure_hints import explain, explained
from spool.errors import AppendUnknown, LockTimeout, SettingsError


def test_the_hint_is_in_the_log_before_the_error_leaves_the_task(caplog):
    @explained
    def task():
        raise SettingsError("no broker", hint="set bootstrap.servers")

    with caplog.at_level(logging.ERROR), pytest.raises(SettingsError):
        task()
    assert "SettingsError: no broker" in caplog.text
    assert "What to do: set bootstrap.servers" in caplog.text
    assert "Not tried again" in caplog.text


def test_what_succeeds_is_left_alone(caplog):
    assert explained(lambda value, *, more: value + more)(1, more=2) == 3
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [(LockTimeout("held"), "Trying again may help"), (AppendUnknown("fsync"), "could double them")],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_it_says_whether_the_task_is_tried_again(error, words):
    assert any(words in line for line in explain(error))


def test_other_errors_are_left_to_airflow(caplog):
    @explained
    def task():
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="mistake"):
        task()
    assert explain(None) == []
    assert caplog.text == ""
