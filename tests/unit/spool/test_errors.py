"""The error tree is what its docstring draws, and survives the trip through a task's process."""

import pickle
import re

import pytest

from spool import errors
from spool.errors import CorruptSegment, SpoolError, TerminalError, TransientError


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


@pytest.mark.parametrize("cls", [c for c in error_classes() if c is not CorruptSegment], ids=lambda c: c.__name__)
def test_an_error_keeps_its_hint_over_pickling(cls):
    again = pickle.loads(pickle.dumps(cls("what", hint="do this")))
    assert (type(again), str(again), again.hint) == (cls, "what", "do this")


def test_an_error_with_fields_of_its_own_keeps_them_over_pickling():
    again = pickle.loads(pickle.dumps(CorruptSegment("s", 7, "crc")))
    assert (again.segment, again.position, str(again)) == ("s", 7, "s at byte 7: crc")
