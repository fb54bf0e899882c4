"""
Which tests stay together, and which begin first, when several workers share a run (`pytest -n 3`).

A file stays in one worker, for the fixtures of its module. All that use the shared broker stay in one, and all that
import Airflow in another, so that each is started once. The longest begin first; otherwise one worker would be alone
with them at the end.
"""

from __future__ import annotations

from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from stack.place import REPOSITORY

AIRFLOW = ("tests/dags/", "tests/plugins/")
# The longest lanes, longest first.
FIRST = ("tests/stack/test_stack_whole.py", "broker", "airflow", "tests/stack/test_torture_short.py")


class Lanes(LoadScopeScheduling):
    """The scheduler of pytest-xdist that keeps a scope together, with lanes as its scopes, in the order given."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid.partition("::")[0])


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the items by lane; within a lane they stay as they were."""
    items.sort(key=lambda item: _rank(lane(item.nodeid.partition("::")[0])))


@cache
def lane(file: str) -> str:
    """`broker`, `airflow`, or the file's own: what runs in one worker, one test after another."""
    if file.startswith(AIRFLOW):
        return "airflow"
    return "broker" if "kafka_broker" in (REPOSITORY / file).read_text(encoding="utf-8") else file


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)
