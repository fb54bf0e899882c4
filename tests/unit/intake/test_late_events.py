"""What was put aside comes in later, in order, once, and a file that cannot be read stops nothing."""

import json

import pytest

from spool.errors import EventRefused, SettingsError, SpoolFull
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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stream": "airflow"}', "null", "[" * 100_000])
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
    (tmp_path / FOLDER / ".0123456789abcdef0123456789abcdef.tmp").write_text('{"stream')
    assert sweep(tmp_path, FakeSpoolClient()) == {"appended": 1, "broken": 0}


def test_a_folder_that_never_had_late_events_is_fine(tmp_path):
    assert sweep(tmp_path, FakeSpoolClient()) == {"appended": 0, "broken": 0}


@pytest.mark.parametrize("odd", ["../../elsewhere", "/etc/passwd", "a/b", "x" * 300, "\0", "..", "ü"])
def test_an_id_is_no_path(tmp_path, odd):
    put_aside(tmp_path / "spool", "airflow", event(1)._replace(id=odd))
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "spool" / FOLDER}
    client = FakeSpoolClient()
    sweep(tmp_path / "spool", client)
    assert [one.id for one in client.appended["airflow"]] == [odd]


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path):
    put_aside(tmp_path, "airflow", event(1)._replace(value=b"\xff\0\x80", key=b"\xfe"))
    client = FakeSpoolClient()
    sweep(tmp_path, client)
    assert [(one.value, one.key) for one in client.appended["airflow"]] == [(b"\xff\0\x80", b"\xfe")]


class Picky(FakeSpoolClient):
    """Refuses one event, and knows no stream called `gone`."""

    def append(self, stream, events, **options):
        if stream == "gone":
            raise SettingsError("no stream gone")
        if any(one.id == "id2" for one in events):
            raise EventRefused("too large")
        return super().append(stream, events, **options)


def test_an_event_that_is_refused_for_good_stops_no_other(tmp_path):
    paths = [put_aside(tmp_path, "airflow", event(n)) for n in (1, 2, 3)]
    client = Picky()
    assert sweep(tmp_path, client) == {"appended": 2, "broken": 1}
    assert client.appended["airflow"] == [event(1), event(3)]
    assert paths[1].with_suffix(".json.broken").exists()
    assert sweep(tmp_path, client) == {"appended": 0, "broken": 0}


def test_a_stream_that_is_gone_from_the_settings_stops_its_own_events_only_and_is_reported(tmp_path):
    put_aside(tmp_path, "gone", event(1))
    put_aside(tmp_path, "airflow", event(3))
    client = Picky()
    with pytest.raises(SettingsError, match="no stream gone"):
        sweep(tmp_path, client)
    assert client.appended["airflow"] == [event(3)]
    assert len(list((tmp_path / FOLDER).glob("*.json"))) == 1
