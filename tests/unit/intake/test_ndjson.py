"""NDJSON becomes appends: what is one call, what is one group, and where a bad line stops."""

import pytest

from spool.intake.ndjson import BadLine, LineFields, read

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
