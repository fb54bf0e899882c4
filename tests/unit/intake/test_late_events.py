"""What was put aside comes in later, in order, once, and a file that cannot be read stops nothing."""

import json

import pytest

from spool.errors import SpoolFull
from spool.event import Event
from spool.intake.late_events import FOLDER, put_aside, sweep
from tests.fakes.fake_spool_client import FakeSpoolClient


def event(n, kind="a"):
    return Event(json.dumps({"n": n}).encode(), key=b"k", id=f"id{n}", type=kind, source="s", time_ms=1_000 + n)


def test_events_come_back_as_they_were_and_in_the_order_of_their_time(tmp_path):
    for n in (3, 1, 2):
        put_aside(tmp_path, "airflow", event(n))
    client = FakeSpoolClient()
    sweep(tmp_path, client)
    assert client.appended["airflow"] == [event(1), event(2), event(3)]


def test_events_of_two_streams_go_to_their_streams(tmp_path):
    put_aside(tmp_path, "airflow", event(1))
    put_aside(tmp_path, "events", event(2))
    put_aside(tmp_path, "airflow", event(3))
    client = FakeSpoolClient()
    assert sweep(tmp_path, client)["appended"] == 3
    assert client.appended == {"airflow": [event(1), event(3)], "events": [event(2)]}


def test_a_refused_append_leaves_the_files_for_the_next_sweep(tmp_path):
    put_aside(tmp_path, "airflow", event(1))
    client = FakeSpoolClient([SpoolFull("disk")])
    with pytest.raises(SpoolFull):
        sweep(tmp_path, client)
    assert sweep(tmp_path, client) == {"appended": 1, "broken": 0}
    assert sweep(tmp_path, client) == {"appended": 0, "broken": 0}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stream": "airflow"}', "null"])
def test_a_file_that_cannot_be_read_is_kept_and_stops_nothing(tmp_path, text, caplog):
    put_aside(tmp_path, "airflow", event(2))
    bad = tmp_path / FOLDER / "0000000000001-x.json"
    bad.write_text(text)
    client = FakeSpoolClient()
    assert sweep(tmp_path, client) == {"appended": 1, "broken": 1}
    assert bad.with_suffix(".json.broken").read_text() == text
    assert "kept as .broken" in caplog.text


def test_a_half_written_file_is_not_taken(tmp_path):
    put_aside(tmp_path, "airflow", event(1))
    (tmp_path / FOLDER / "0000000000002-y.tmp").write_text('{"stream')
    assert sweep(tmp_path, FakeSpoolClient()) == {"appended": 1, "broken": 0}


def test_a_folder_that_never_had_late_events_is_fine(tmp_path):
    assert sweep(tmp_path, FakeSpoolClient()) == {"appended": 0, "broken": 0}
