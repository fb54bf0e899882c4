"""Types of events: a recorded shape never changes, and versions count up by one."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_DOCS = ("tests/plugins/test_event_docs.py",)
_PROGRAM = "plugins/event_docs.py"

MUTANTS = [
    Mutant("a recorded shape does not change", _PROGRAM, "elif recorded is not None and", "elif False and", _DOCS),
    Mutant(
        "versions count up by one", _PROGRAM,
        "if recorded is None and event.version != newest + 1:", "if False:", _DOCS,
    ),
    Mutant("versions do not go back", _PROGRAM, "elif event.version < newest:", "elif False:", _DOCS),
    Mutant(
        "equal events have equal ids", "include/common/event_type.py",
        "id=id or digest[:32]", "id=id", ("tests/unit/common/test_spool_events.py",),
    ),
]  # fmt: skip
