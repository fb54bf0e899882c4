"""config/spool.yml is checked key by key; every error names file and key."""

from pathlib import Path

import pytest
import yaml

from spool.errors import SettingsError
from spool.settings import Places, load, places_from_environment

GOOD = {
    "version": 1,
    "root": "spool",
    "checkpoint_topic": "c",
    "checkpoint_partitions": 4,
    "deliveries_topic": "d",
    "deliveries_retention_days": 30,
    "streams": {"events": {"topic": "events"}},
}


def write(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "spool.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def changed(key: str, value: object) -> dict[str, object]:
    """GOOD with one key (dots lead down) set, or removed where value is None."""
    document = yaml.safe_load(yaml.safe_dump(GOOD))
    *way, last = key.split(".")
    node = document
    for part in way:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return document


def test_the_file_of_the_project_loads():
    streams = load().streams
    assert {"events", "airflow", "demo"} <= set(streams)


def test_what_is_not_said_has_its_default(tmp_path):
    stream = load(write(tmp_path, GOOD)).stream("events")
    assert (stream.acknowledgement, stream.partitions, stream.persistent) == ("s3", 1, False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "version: is 2"),
        ("root", None, "root: is missing"),
        ("root", "Upper", "root: must be lower-case letters, digits and _"),
        ("checkpoint_partitions", 0, "checkpoint_partitions: must be above 0"),
        ("streams.events.seal_bytes", 2**26 + 1, "streams.events.seal_bytes: must be at most 67,108,864"),
        ("streams", {}, "streams: names no stream"),
        ("streams", [], "streams: expected a mapping, is []"),
        ("surprise", 1, "surprise: unknown key"),
        ("streams.events.topic", None, "streams.events.topic: is missing"),
        ("streams.events.topic", 7, "streams.events.topic: expected text, is 7"),
        ("streams.events.partitions", True, "streams.events.partitions: expected int, is True"),
        ("streams.events.acknowledgement", "memory", "streams.events.acknowledgement: must be disk or s3, is 'memory'"),
        ("streams.events.acknowledgement", "disk", "streams.events.persistent: must be true"),
        ("streams.events.event_bytes_max", 2_000_000, "streams.events.event_bytes_max: must be at most"),
        ("streams.events.colour", "red", "streams.events.colour: unknown key"),
        ("streams.Events", {"topic": "x"}, "streams.Events: 'Events' must be"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path, key, value, message):
    path = write(tmp_path, changed(key, value))
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_an_unknown_stream_is_answered_with_the_known_ones():
    with pytest.raises(SettingsError) as caught:
        load().stream("nope")
    assert "events" in caught.value.hint


def test_a_missing_variable_is_named():
    with pytest.raises(SettingsError, match="SPOOL_S3_BUCKET is not set"):
        places_from_environment({"SPOOL_FOLDER": "x"})


def test_credentials_do_not_appear_when_places_are_printed():
    places = Places(Path("x"), "bucket", s3_access_key="visible-id", s3_secret_key="hidden-word")
    assert "hidden-word" not in repr(places)
    assert "visible-id" not in repr(places)
