"""The error tree is what its docstring draws, and survives the trip through a task's process."""

import pickle
import re

import pytest

from spool import errors
from spool.errors import CorruptSegment, ProducerMoved, SpoolError, TerminalError, TransientError


def error_classes() -> list[type[SpoolError]]:
    return [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SpoolError)]


def test_every_error_stands_in_the_drawing():
    drawn = set(re.findall(r"[A-Z]\w+", errors.__doc__ or ""))
    assert {c.__name__ for c in error_classes()} <= drawn


def test_every_failure_is_terminal_or_transient():
    answers = {"ObjectExists", "ObjectMissing", "PreconditionFailed"}
    neither = {
        c.__name__ for c in error_classes() if not issubclass(c, TerminalError | TransientError) and c is not SpoolError
    }
    assert neither == answers | {"AppendUnknown"}


WITH_FIELDS = (
    CorruptSegment("events/a/0", 7, "crc"),
    ProducerMoved("moved", log="b", certainly_not_written=True, hint="send it for b"),
)


@pytest.mark.parametrize(
    "cls", [c for c in error_classes() if c not in map(type, WITH_FIELDS)], ids=lambda c: c.__name__
)
def test_an_error_keeps_its_hint_over_pickling(cls):
    again = pickle.loads(pickle.dumps(cls("what", hint="do this")))
    assert (type(again), str(again), again.hint) == (cls, "what", "do this")


@pytest.mark.parametrize("error", WITH_FIELDS, ids=lambda error: type(error).__name__)
def test_an_error_with_fields_of_its_own_keeps_them_over_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
