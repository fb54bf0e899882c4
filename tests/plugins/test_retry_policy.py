"""Terminal errors fail a task at once, all others are tried again: for every leaf of the tree, as Airflow decides."""

import inspect

import pytest
from airflow.sdk import RetryAction

from plugins.dag_defaults import RETRY_POLICY
from spool import errors

pytestmark = pytest.mark.dags

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.SpoolError)]
TERMINAL = [cls for cls in CLASSES if issubclass(cls, errors.TerminalError)]
TRANSIENT = [cls for cls in CLASSES if issubclass(cls, errors.TransientError)]


OF_THEIR_OWN = {
    errors.CorruptSegment: lambda: errors.CorruptSegment("demo/k3x9/000000000007", 61, "bad checksum"),
    errors.ProducerMoved: lambda: errors.ProducerMoved("moved", log="k3x9", certainly_not_written=True, hint="do"),
}


def instance(cls):
    return OF_THEIR_OWN.get(cls, lambda: cls("what", hint="do"))()


def decide(error):
    return RETRY_POLICY.evaluate(error, 1, 3).action


def test_the_tree_has_leaves_of_both_kinds():
    assert len(TERMINAL) > 8
    assert len(TRANSIENT) > 3


@pytest.mark.parametrize("cls", TERMINAL, ids=lambda cls: cls.__name__)
def test_a_terminal_error_is_not_tried_again(cls):
    assert decide(instance(cls)) == RetryAction.FAIL


@pytest.mark.parametrize("cls", TRANSIENT, ids=lambda cls: cls.__name__)
def test_a_transient_error_is_tried_again(cls):
    assert decide(instance(cls)) == RetryAction.DEFAULT


def test_a_leaf_that_does_not_exist_yet_is_covered_by_its_parent():
    class NewLeaf(errors.StoreRefused):
        pass

    assert decide(NewLeaf("what")) == RetryAction.FAIL


def test_an_append_of_unknown_outcome_is_not_repeated_by_itself():
    assert decide(errors.AppendUnknown("failed fsync")) == RetryAction.FAIL


@pytest.mark.parametrize("error", [OSError("disk"), KeyError("x"), TimeoutError()], ids=repr)
def test_what_is_not_ours_is_tried_again(error):
    assert decide(error) == RetryAction.DEFAULT
