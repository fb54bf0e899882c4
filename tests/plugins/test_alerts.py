"""The log of a failed task says what to do."""

import logging

import pytest

from plugins.alerts import explain, log_hint
from spool.errors import AppendUnknown, LockTimeout, SettingsError


def test_the_hint_is_in_the_log(caplog):
    with caplog.at_level(logging.ERROR):
        log_hint({"exception": SettingsError("no broker", hint="set bootstrap.servers")})
    assert "SettingsError: no broker" in caplog.text
    assert "What to do: set bootstrap.servers" in caplog.text
    assert "Not tried again" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [(LockTimeout("held"), "Trying again may help"), (AppendUnknown("fsync"), "could double them")],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_it_says_whether_the_task_is_tried_again(error, words):
    assert any(words in line for line in explain(error))


def test_other_errors_are_left_to_airflow():
    assert explain(ValueError("x")) == []
    assert explain(None) == []


def test_a_context_without_exception_is_no_error():
    log_hint({})
