"""NDJSON becomes appends: what is one call, what is one group, and where a bad line stops."""

import pytest

from spool.errors import AppendUnknown, SpoolFull
from spool.event import EVENT_BYTES_MAX
from spool.intake import ndjson
from spool.intake.lines import Overlong, Pause
from spool.intake.ndjson import BATCH_BYTES_MAX, BadLine, LineFields, naming_lines, read

FIELDS = LineFields(key="k", group="g", event_type="t")


def line(text: str) -> bytes:
    return text.encode() + b"\n"


def shapes(lines: list[bytes], **options: int) -> list[tuple[bool, int, int]]:
    return [(i.is_group, len(i.events), i.last_line) for i in read(lines, FIELDS, **options)]


def test_the_line_itself_is_the_payload_and_the_field_the_key():
    [intake] = read([line('{"k":"a",  "n":1}')], FIELDS)
    [event] = intake.events
    assert (event.value, event.key, event.type) == (b'{"k":"a",  "n":1}', b"a", "t")


def test_a_key_that_is_no_text_becomes_canonical_json():
    [intake] = read([line('{"k":{"b":1,"a":2}}')], FIELDS)
    assert intake.events[0].key == b'{"a":2,"b":1}'


def test_single_events_are_cut_into_batches():
    assert shapes([line('{"k":1}')] * 5, batch=2) == [(False, 2, 2), (False, 2, 4), (False, 1, 5)]


def test_a_group_is_a_run_of_adjacent_lines_and_is_never_cut():
    lines = [line('{"k":1}'), *[line('{"k":1,"g":"x"}')] * 3, line('{"k":1,"g":"y"}'), line('{"k":1}')]
    assert shapes(lines, batch=2) == [(False, 1, 1), (True, 3, 4), (True, 1, 5), (False, 1, 6)]


def test_the_same_group_value_after_other_lines_is_another_group():
    lines = [line('{"k":1,"g":"x"}'), line('{"k":1}'), line('{"k":1,"g":"x"}')]
    assert shapes(lines) == [(True, 1, 1), (False, 1, 2), (True, 1, 3)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("nope", "not JSON"), ("[1]", "must be a JSON object"), ("{}", "no field 'k'"), ("", "not JSON")],
)
def test_a_bad_line_is_named_and_the_lines_before_it_are_in(text, reason):
    taken = []
    with pytest.raises(BadLine, match=f"line 3: .*{reason}") as caught:
        taken.extend(read([line('{"k":1}'), line('{"k":2}'), line(text)], FIELDS))
    assert [i.last_line for i in taken] == [2]
    assert "tail -n +3" in caught.value.hint


def test_a_bad_line_in_a_group_leaves_the_whole_group_out():
    taken = []
    with pytest.raises(BadLine) as caught:
        taken.extend(read([line('{"k":1}'), line('{"k":1,"g":"x"}'), line("nope")], FIELDS))
    assert [i.last_line for i in taken] == [1]
    assert caught.value.resume_at == 2


# What comes from outside.


@pytest.mark.parametrize("text", ['{"k":' + "[" * 100_000, '{"k":' * 100_000 + "1" + "}" * 100_000])
def test_json_that_is_nested_too_deeply_is_a_bad_line(text):
    with pytest.raises(BadLine, match=r"line 2: .*nested too deeply"):
        list(read([line('{"k":1}'), line(text)], FIELDS))


def test_a_lone_surrogate_in_the_key_is_a_bad_line():
    with pytest.raises(BadLine, match=r"line 1: .*surrogate"):
        list(read([line('{"k":"\\ud800"}')], FIELDS))


def test_bytes_that_are_no_text_are_a_bad_line():
    with pytest.raises(BadLine, match="line 1: not JSON"):
        list(read([b'{"k":"\xff"}\n'], FIELDS))


@pytest.mark.parametrize("too_large", [line('{"k":1,"v":"' + "x" * 9000 + '"}'), Overlong(1_500_000_000)])
def test_a_line_too_large_among_good_ones_is_named_and_those_before_it_are_taken(too_large):
    taken = []
    with pytest.raises(BadLine, match=r"line 3: .*at most 5000") as caught:
        taken.extend(read([line('{"k":1}'), line('{"k":2}'), too_large, line('{"k":4}')], FIELDS, event_bytes_max=5000))
    assert [intake.last_line for intake in taken] == [2]
    assert caught.value.resume_at == 3


def test_values_that_python_takes_for_equal_are_different_groups():
    lines = [line(f'{{"k":1,"g":{value}}}') for value in ("1", "true", '"1"', "1.0", "[1]", "[true]")]
    assert [count for _, count, _ in shapes(lines)] == [1] * 6
    assert shapes([line('{"k":1,"g":{"a":1,"b":2}}'), line('{"k":1,"g":{"b":2,"a":1}}')]) == [(True, 2, 2)]


def test_a_batch_of_long_lines_ends_before_it_fills_the_memory():
    lines = [line('{"k":1,"v":"' + "x" * 800_000 + '"}')] * 30
    sizes = [sum(len(event.value) for event in intake.events) for intake in read(lines, FIELDS)]
    assert len(sizes) > 4
    assert max(sizes) < BATCH_BYTES_MAX + EVENT_BYTES_MAX


def test_a_group_that_no_commit_holds_ends_before_it_fills_the_memory():
    def endless():
        while True:
            yield line('{"k":1,"g":"x","v":"' + "x" * 500_000 + '"}')

    with pytest.raises(BadLine, match="its group has more than") as caught:
        list(read(endless(), FIELDS))
    assert caught.value.resume_at == 1, "nothing of the group was appended"


# Slow input.


def test_single_events_are_appended_when_nothing_more_comes_and_groups_when_they_are_whole():
    lines = [line('{"k":1}'), Pause.IDLE, line('{"k":1,"g":"x"}'), Pause.IDLE, line('{"k":1,"g":"x"}'), line('{"k":1}')]
    assert shapes(lines) == [(False, 1, 1), (True, 2, 3), (False, 1, 4)]


def test_a_trickle_that_is_never_idle_is_appended_all_the_same(monkeypatch):
    monkeypatch.setattr(ndjson, "LINGER_S", 0.0)
    assert shapes([line('{"k":1}')] * 3) == [(False, 1, 1), (False, 1, 2), (False, 1, 3)]


def test_a_stop_appends_what_is_whole_and_leaves_a_group_out_that_may_go_on():
    assert shapes([line('{"k":1}'), line('{"k":2}'), Pause.STOPPED]) == [(False, 2, 2)]
    assert shapes([line('{"k":1}'), line('{"k":2,"g":"x"}'), Pause.STOPPED]) == [(False, 1, 1)]


@pytest.mark.parametrize(("error", "outcome"), [(SpoolFull, "were not appended"), (AppendUnknown, "may be appended")])
def test_an_error_of_the_append_says_what_became_of_which_lines(error, outcome):
    _, intake = read([line('{"k":1}')] * 5, FIELDS, batch=3)
    with pytest.raises(error) as caught, naming_lines(intake):
        raise error("the disk", hint="make space")
    assert caught.value.hint == f"lines 4 to 5 {outcome}, those before them were (`tail -n +4`); make space"
