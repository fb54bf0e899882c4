"""Lines come in whole, in order and bounded; files outside the roots are never opened."""

import errno
import gzip
import os
import random

import pytest

from include.log_files import config, pipeline
from include.log_files.choose import choose
from include.log_files.config import IntakeRequest, LogFilesConfig, intake_request
from include.log_files.pipeline import take_in
from spool.errors import SettingsError
from tests.fakes.fake_spool_client import FakeSpoolClient


@pytest.fixture
def root(tmp_path):
    folder = tmp_path.resolve() / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def limits(root):
    return LogFilesConfig((root,), files_max=3)


def intake(limits, *paths, max_events=1_000):
    client = FakeSpoolClient()
    summary = take_in(client, IntakeRequest(tuple(map(str, paths)), max_events=max_events), limits)
    return client.appended.get("machine_logs", []), summary


def test_each_line_is_an_event_with_its_file_and_byte(root, limits):
    (root / "a.log").write_bytes(b"one\n\ntwo\r\nlast without end")
    events, summary = intake(limits, root / "a.log")
    assert [event.value for event in events] == [b"one", b"two", b"last without end"]
    assert [dict(event.headers)["log_byte"] for event in events] == [b"0", b"5", b"10"]
    assert {event.key for event in events} == {str(root / "a.log").encode()}
    assert events[1].id == f"{root}/a.log:5"
    assert summary == {
        "stream": "machine_logs", "files": 1, "files_passed_over": 0, "events": 3,
        "ranges": {"fake1": {"first": 0, "last": 2, "events": 3}},
    }  # fmt: skip


def test_packed_files_are_unpacked(root, limits):
    with gzip.open(root / "a.log.1.gz", "wb") as file:
        file.write(b"old one\nold two\n")
    events, _ = intake(limits, root / "*.gz")
    assert [event.value for event in events] == [b"old one", b"old two"]


def test_a_line_above_the_limit_comes_in_parts_and_nothing_is_cut_off(root, limits, monkeypatch):
    monkeypatch.setattr(pipeline, "LINE_BYTES_MAX", 10)
    (root / "a.log").write_bytes(b"x" * 25 + b"\nshort\n")
    events, _ = intake(limits, root / "a.log")
    assert b"".join(event.value for event in events) == b"x" * 25 + b"short"
    assert [dict(event.headers).get("log_part") for event in events] == [None, b"1", b"2", None]
    assert len({event.id for event in events}) == 4


def test_bytes_that_are_no_utf8_come_in_as_they_are(root, limits):
    (root / "a.log").write_bytes(b"caf\xe9\n")
    assert intake(limits, root / "a.log")[0][0].value == b"caf\xe9"


def test_max_events_bounds_the_whole_run(root, limits, caplog):
    for name in ("a.log", "b.log", "c.log"):
        (root / name).write_text("1\n2\n3\n")
    events, summary = intake(limits, root / "*.log", max_events=4)
    assert len(events) == summary["events"] == 4
    assert "max_events=4 reached" in caplog.text


def test_large_files_go_in_bounded_appends(root, limits, monkeypatch):
    monkeypatch.setattr(pipeline, "APPEND_EVENTS_MAX", 100)
    (root / "a.log").write_text("".join(f"{n}\n" for n in range(1_050)))
    sizes = [len(batch) for batch in pipeline.batches(root / "a.log", 1_020)]
    assert sizes == [100] * 10 + [20]


def test_a_file_that_two_patterns_name_comes_in_once(root, limits):
    (root / "a.log").write_text("1\n")
    assert len(intake(limits, root / "a.log", root / "*.log")[0]) == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/*", "{root}/../secret", "{root}/../*", "/"])
def test_a_path_outside_the_roots_is_refused_and_the_roots_are_named(root, limits, path):
    (root.parent / "secret").write_text("s")
    with pytest.raises(SettingsError, match="not below an allowed root") as refused:
        intake(limits, path.format(root=root))
    assert str(root) in str(refused.value)
    assert refused.value.hint


def test_a_link_that_leads_out_is_refused_by_name_and_passed_over_by_wildcard(root, limits, caplog):
    (root.parent / "secret.log").write_text("s\n")
    (root / "link.log").symlink_to(root.parent / "secret.log")
    (root / "a.log").write_text("1\n")
    with pytest.raises(SettingsError, match="links followed, not below an allowed root"):
        intake(limits, root / "link.log")
    events, summary = intake(limits, root / "*.log")
    assert [event.value for event in events] == [b"1"]
    assert summary["files_passed_over"] == 1
    assert "leads out" in caplog.text


def test_a_wildcard_that_climbs_out_takes_nothing(root, limits):
    (root / "sub").mkdir()
    (root.parent / "secret.log").write_text("s\n")
    with pytest.raises(SettingsError, match="no readable text file"):
        intake(limits, f"{root}/*/../../secret.log")


def test_binary_and_broken_files_are_passed_over_by_wildcard_and_refused_by_name(root, limits):
    (root / "wtmp").write_bytes(b"\0\1\2")
    (root / "bad.gz").write_bytes(b"not gzip")
    (root / "a.log").write_text("1\n")
    assert intake(limits, root / "*")[1]["files_passed_over"] == 2
    with pytest.raises(SettingsError, match="is not text"):
        intake(limits, root / "wtmp")


def test_a_fifo_is_never_opened(root, limits):
    os.mkfifo(root / "pipe")
    with pytest.raises(SettingsError, match="not a regular file"):
        intake(limits, root / "pipe")


def test_too_many_files_are_refused_before_anything_is_read(root, limits):
    for number in range(4):
        (root / f"{number}.log").write_text("1\n")
    with pytest.raises(SettingsError, match="4 files match, at most 3"):
        choose(IntakeRequest((f"{root}/*.log",)), limits)


def test_nothing_found_says_so(root, limits):
    with pytest.raises(SettingsError, match="nothing matches"):
        intake(limits, root / "nothing.log")


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ({}, "paths: is missing"),
        ({"paths": "/var/log/a"}, "paths: expected a list"),
        ({"paths": []}, "paths: must list 1 to 100"),
        ({"paths": ["a.log"]}, "must be absolute"),
        ({"paths": [5]}, "paths.0: expected text"),
        ({"paths": ["/a"], "max_events": 0}, "max_events: must be"),
        ({"paths": ["/a"], "path": 1}, "path: unknown key"),
    ],
    ids=str,
)
def test_bad_conf_is_refused_by_key(conf, words):
    with pytest.raises(SettingsError) as refused:
        intake_request(conf)
    assert words in str(refused.value)


def test_the_file_of_the_repository_is_valid():
    limits = config.load(environment={"STACK_DIR": "/srv/stack", "AIRFLOW_HOME": "/srv/airflow"})
    assert [str(root) for root in limits.roots] == ["/var/log", "/srv/stack/log", "/srv/airflow/logs"]


def test_a_root_of_an_unset_variable_is_left_out():
    assert [str(root) for root in config.load(environment={}).roots] == ["/var/log"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 2\nroots: [/a]\nfiles_max: 1", "version"),
        ("version: 1\nroots: []\nfiles_max: 1", "roots"),
        ("version: 1\nroots: [/]\nfiles_max: 1", "roots.0: must be an absolute folder below /"),
        ("version: 1\nroots: [logs]\nfiles_max: 1", "roots.0"),
        ("version: 1\nroots: [5]\nfiles_max: 1", "roots.0: expected text"),
        ("version: 1\nroots: [/a]\nfiles_max: x", "files_max"),
        ("version: 1\nroots: [/a]\nfiles_max: 1\nmore: 1", "more: unknown key"),
    ],
    ids=str,
)
def test_an_error_names_file_and_key(tmp_path, text, words):
    path = tmp_path / "log_files.yml"
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        config.load(path)
    assert str(path) in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "flipped at the start"])
def test_a_packed_file_that_is_damaged_is_passed_over_and_counted_and_the_others_come_in(root, limits, damage, caplog):
    lines = random.Random(7).randbytes(300_000).hex().encode()
    packed = bytearray(gzip.compress(b"\n".join(lines[n : n + 60] for n in range(0, len(lines), 60))))
    place = {"cut": len(packed) // 2, "flipped": len(packed) // 2, "flipped at the start": 10}[damage]
    if damage == "cut":
        del packed[place:]
    else:
        packed[place : place + 50] = bytes(50)
    (root / "b.log.gz").write_bytes(packed)
    for name in ("a.log", "c.log"):
        (root / name).write_text(f"{name}\n")
    events, summary = intake(limits, root / "*", max_events=100_000)
    assert [event.value for event in events if event.key != str(root / "b.log.gz").encode()] == [b"a.log", b"c.log"]
    assert (summary["files"], summary["files_passed_over"], summary["events"]) == (2, 1, len(events))
    assert "passed over" in caplog.text


def test_a_file_that_is_rotated_away_while_others_are_read_is_passed_over(root, limits):
    for name in ("a.log", "b.log", "c.log"):
        (root / name).write_text("1\n")

    class Rotating(FakeSpoolClient):
        def append(self, *given, **named):
            (root / "b.log").unlink(missing_ok=True)
            return super().append(*given, **named)

    summary = take_in(Rotating(), IntakeRequest((f"{root}/*.log",)), limits)
    assert (summary["files"], summary["files_passed_over"], summary["events"]) == (2, 1, 2)


def test_a_disk_that_fails_ends_the_intake(root, limits, monkeypatch):
    def failing(path):
        raise OSError(errno.EIO, "Input/output error")

    (root / "a.log").write_text("1\n")
    monkeypatch.setattr(pipeline, "opened", failing)
    with pytest.raises(OSError, match="Input/output"):
        intake(limits, root / "a.log")
