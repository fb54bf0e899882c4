"""What a host says is checked before it names a path, is counted or is stored."""

from __future__ import annotations

import json

import pytest

from include.measurements.collect import gate_answers
from include.measurements.collect.errors import GateRefused
from include.measurements.collect.transport import BATCHES_MAX, Forgotten, is_batch_name

SHA = "0" * 64
MANIFEST = {"archive/a": SHA, "archive/b": SHA, "archive/c": SHA}
NOT_OBJECTS = ["", "greetings from the host", "7", "[]", '"x"', "null", "{", "[" * 200_000, "{}{}", "\0", "NaN"]
NOT_NUMBERS = [None, True, "3", 1.0, -1, 2**80, [], {}]


def listed(*names: object) -> str:
    return "".join(json.dumps({"batch": name, "files": 1, "bytes": 1}) + "\n" for name in names)


@pytest.mark.parametrize(
    "name",
    [
        "../../../victim", "/etc", "..", ".", "", "a/b", "a\\b", "a\0", "a\n", "a b", "-rf", "A", "a" * 65,
        "b.manifest",
        "\uff41", "a\u0301", "a\u202e", ".hidden", "redriven-20261123t100000-b1", "~", "$(id)", "b1;id", "*",
    ],
)  # fmt: skip
def test_a_name_that_no_batch_may_have_is_none(name: str) -> None:
    assert gate_answers.offered_batches(listed(name, "b1")) == sorted([name, "b1"])
    assert not is_batch_name(name)


@pytest.mark.parametrize("name", [None, 7, True, 1.5, ["b1"], {"b": 1}])
def test_a_name_that_is_no_text_is_refused_later_and_keeps_no_other(name: object) -> None:
    odd, other = gate_answers.offered_batches(listed(name, "b1"))
    assert (is_batch_name(odd), other) == (False, "b1")


def test_a_batch_that_is_listed_twice_is_one() -> None:
    assert gate_answers.offered_batches(listed("b2", "b1", "b2")) == ["b1", "b2"]


@pytest.mark.parametrize("text", [t for t in NOT_OBJECTS if t])
def test_a_list_that_is_not_the_gates_is_refused(text: str) -> None:
    with pytest.raises(GateRefused, match="list: the answer is not the gate's"):
        gate_answers.offered_batches(listed("b1") + text)


def test_a_list_longer_than_any_right_one_is_refused() -> None:
    with pytest.raises(GateRefused, match="longer than any right one"):
        gate_answers.offered_batches(" " * (gate_answers.LIST_BYTES_MAX + 1))
    with pytest.raises(GateRefused, match="batches are more than"):
        gate_answers.offered_batches("{}\n" * (BATCHES_MAX + 1))


def test_what_the_gate_says_about_a_batch_is_taken() -> None:
    answer = json.dumps({"batch": "b1", "files": 3, "waiting": 2, "unfit": 1})
    assert gate_answers.staged(answer, "b1", ["archive"]) == (3, 2, 1, ())
    answer = json.dumps({"batch": "b1", "forgotten": 1, "changed": ["archive/a"], "busy": ["archive/b"], "left": 1})
    assert gate_answers.forgotten(answer, MANIFEST) == Forgotten(1, ("archive/a",), 1)


@pytest.mark.parametrize("text", NOT_OBJECTS)
def test_an_answer_that_is_not_the_gates_is_refused(text: str) -> None:
    with pytest.raises(GateRefused):
        gate_answers.staged(text, "b1", ["archive"])
    with pytest.raises(GateRefused):
        gate_answers.forgotten(text, MANIFEST)


@pytest.mark.parametrize("name", ["files", "waiting", "unfit"])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_a_stage_that_counts_in_no_numbers_is_refused(name: str, value: object) -> None:
    with pytest.raises(GateRefused, match=name):
        gate_answers.staged(json.dumps({"files": 1, "waiting": 1, "unfit": 0, name: value}), "b1", [])


@pytest.mark.parametrize("unread", [None, "archive", [7], ["archive", "../etc"], {"archive": 1}, [["archive"]]])
def test_unread_directories_that_nobody_asked_for_are_refused(unread: object) -> None:
    answer = {"batch": "b1", "files": 3, "waiting": 2, "unfit": 1}
    assert gate_answers.staged(json.dumps({**answer, "unread": ["archive"]}), "b1", ["archive"]).unread == ("archive",)
    with pytest.raises(GateRefused, match="`unread` is no list of the directories"):
        gate_answers.staged(json.dumps({**answer, "unread": unread}), "b1", ["archive"])


def test_a_stage_of_another_batch_is_refused() -> None:
    with pytest.raises(GateRefused, match="another batch"):
        gate_answers.staged(json.dumps({"batch": "../b1", "files": 1, "waiting": 1}), "b1", [])


@pytest.mark.parametrize("name", ["forgotten", "left"])
@pytest.mark.parametrize("value", [*NOT_NUMBERS, 4])
def test_more_forgotten_files_than_the_batch_has_are_refused(name: str, value: object) -> None:
    with pytest.raises(GateRefused, match=name):
        gate_answers.forgotten(json.dumps({"forgotten": 0, "changed": [], "left": 0, name: value}), MANIFEST)


@pytest.mark.parametrize(
    "changed",
    [None, "archive/a", {}, [1], [None], ["../x"], ["archive/d"], ["archive/a", "archive/a"], [["archive/a"]]],
)
def test_changed_files_that_are_none_of_the_manifest_are_refused(changed: object) -> None:
    with pytest.raises(GateRefused):
        gate_answers.forgotten(json.dumps({"forgotten": 0, "changed": changed, "left": 0}), MANIFEST)


def test_numbers_that_do_not_add_up_to_the_manifest_are_refused() -> None:
    answer = json.dumps({"forgotten": 2, "changed": ["archive/a"], "left": 1})
    with pytest.raises(GateRefused, match="more files than"):
        gate_answers.forgotten(answer, MANIFEST)


def test_no_error_repeats_what_the_host_said() -> None:
    for text in (listed("x") + "198.51.100.7", json.dumps({"forgotten": 0, "changed": ["198.51.100.7"], "left": 0})):
        with pytest.raises(GateRefused) as refused:
            gate_answers.forgotten(text, MANIFEST)
        assert "198.51.100.7" not in str(refused.value)
