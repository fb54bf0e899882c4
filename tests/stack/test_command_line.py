"""The command line against real neighbours: a day in the life of a stream, and wrong input with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from spool.cli import main
from stack.place import REPOSITORY
from tests.support.seaweed import Seaweed
from tests.torture.checker import read_topic

CONFIG = """version: 1
root: spool
checkpoint_topic: cli_checkpoints
checkpoint_partitions: 1
deliveries_topic: cli_deliveries
deliveries_retention_days: 1
streams:
  orders: {topic: cli_orders, partitions: 2}
  letters: {topic: cli_letters, partitions: 1}
  notes: {topic: cli_notes, acknowledgement: disk, persistent: true}
"""
Spool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def places(tmp_path_factory, kafka_broker):
    folder = Path(tmp_path_factory.mktemp("cli"))
    (folder / "spool.yml").write_text(CONFIG)
    (folder / "s3").mkdir()
    with Seaweed(folder / "s3") as store:
        known = store.places(store.bucket())
        yield {
            "PYTHONPATH": str(REPOSITORY),
            "SPOOL_FOLDER": str(folder / "spool"),
            "SPOOL_S3_BUCKET": known.s3_bucket,
            "SPOOL_S3_ENDPOINT": known.s3_endpoint,
            "SPOOL_S3_ACCESS_KEY": known.s3_access_key,
            "SPOOL_S3_SECRET_KEY": known.s3_secret_key,
            "SPOOL_KAFKA_BOOTSTRAP": kafka_broker.bootstrap,
            "CONFIG": str(folder / "spool.yml"),
        }


@pytest.fixture
def spool(places) -> Spool:
    def run(*arguments: str, lines: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spool", *arguments, "--config", places["CONFIG"]]
        environment = {"PATH": os.environ["PATH"], **places, **changes}
        return subprocess.run(
            command,
            env=environment,
            cwd=REPOSITORY,
            input=lines,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


@pytest.fixture
def here(places, monkeypatch, capsys) -> Spool:
    """The same in this process, which saves its start: not for verbs that read standard input or wait for signals."""
    for name, value in places.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            code: object = main([*arguments, "--config", places["CONFIG"]])
        except SystemExit as exit_of_argparse:
            code = exit_of_argparse.code
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(str(code)), printed.out, printed.err)

    return run


def rows(run: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_stream_from_append_to_verify(spool):
    lines = "".join(json.dumps({"id": n, "shop": f"s{n % 3}", "cart": n // 4}) + "\n" for n in range(20))
    answers = rows(
        spool("append", "--stream", "orders", "--key-field", "shop", "--group-field", "cart", "--json", lines=lines)
    )
    assert answers[-1] == {"accepted": 20, "stream": "orders"}
    assert answers[0]["acknowledgement"] == "s3"
    log = str(answers[0]["log"])

    [listed] = rows(spool("ls", "--stream", "orders", "--json"))
    assert (listed["log"], listed["next_offset"]) == (log, 20)
    events = rows(spool("cat", "--stream", "orders", "--log", log, "--from", "18", "--json"))
    assert [event["offset"] for event in events] == [18, 19]
    assert json.loads(str(events[0]["value"])) == {"id": 18, "shop": "s0", "cart": 4}
    assert events[0]["group"] == [16, 4]

    [planned] = rows(spool("replay", "--stream", "orders", "--dry-run", "--json"))
    assert planned["events"] == 20
    [sent] = rows(spool("replay", "--stream", "orders", "--json"))
    assert sent["events"] == 20
    [verified] = rows(spool("verify", "--stream", "orders", "--full", "--json"))
    assert (verified["delivered"], verified["green"]) == (20, True)
    [shown] = rows(spool("stats", "--stream", "orders", "--json"))
    assert (shown["appended"], shown["archived"], shown["delivered"], shown["waiting"]) == (20, 20, 20, 0)

    [dry] = rows(spool("rewind", "--stream", "orders", "--log", log, "--to", "0", "--dry-run", "--json"))
    assert (dry["again"], dry["dry_run"]) == (20, True)
    assert spool("rewind", "--stream", "orders", "--log", log, "--to", "0").returncode == 1
    rows(spool("rewind", "--stream", "orders", "--log", log, "--to", "0", "--reason", "a test", "--json"))
    [again] = rows(spool("replay", "--stream", "orders", "--json"))
    assert again["events"] == 20
    assert "yes" in spool("verify", "--stream", "orders", "--full").stdout


def test_a_refused_event_is_listed_mended_requeued_and_in_kafka_once(spool, here, places, tmp_path):
    admin = AdminClient({"bootstrap.servers": places["SPOOL_KAFKA_BOOTSTRAP"]})
    limits = {"max.message.bytes": "20000", "message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic("cli_letters", 1, config=limits)])["cli_letters"].result(20)
    lines = [json.dumps({"id": "small", "pad": ""}), json.dumps({"id": "large", "pad": os.urandom(30_000).hex()})]
    [accepted, _] = rows(spool("append", "--stream", "letters", "--json", lines="\n".join(lines)))
    rows(spool("replay", "--stream", "letters", "--json"))
    letter_id = f"letters/{accepted['log']}/1"

    [listed] = rows(here("dead-letters", "list", "--stream", "letters", "--state", "open", "--json"))
    assert (listed["id"], str(listed["reason"])[:3]) == (letter_id, "10 ")
    assert letter_id in here("dead-letters", "list", "--stream", "letters").stdout
    [shown] = rows(here("dead-letters", "--json", "show", letter_id))
    assert (shown["state"], shown["decision"]) == ("open", {})
    value = json.loads(here("dead-letters", "show", letter_id, "--value").stdout)
    mended = tmp_path / "payload"
    mended.write_text(json.dumps(value | {"pad": "cut"}))

    [planned] = rows(here("dead-letters", "requeue", "--all", "--stream", "letters", "--json"))
    assert (planned["id"], planned["state"], planned["dry_run"]) == (letter_id, "open", True)
    for _ in range(2):
        [sent] = rows(here("dead-letters", "requeue", letter_id, "--value", str(mended), "--reason", "cut", "--json"))
        assert (sent["state"], sent["detail"]) == ("requeued", f"letters/{accepted['log']}/2")
    [replayed] = rows(spool("replay", "--stream", "letters", "--json"))
    assert (replayed["events"], replayed["dead_letters"]) == (1, 0)
    payloads = [json.loads(seen.payload) for seen in read_topic(places["SPOOL_KAFKA_BOOTSTRAP"], "cli_letters")]
    assert [(one["id"], one["pad"]) for one in payloads] == [("small", ""), ("large", "cut")]
    [verified] = rows(here("verify", "--stream", "letters", "--full", "--json"))
    assert (verified["delivered"], verified["skipped"], verified["green"]) == (2, 1, True)

    late = here("dead-letters", "discard", letter_id, "--reason", "too late", "--execute", "--json")
    assert (late.returncode, json.loads(late.stdout)["id"]) == (1, letter_id)
    assert "requeued by" in late.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["list", "--log", "l"], 2, "--log needs --stream"),
        (["list", "--stream", "nope"], 1, "known streams are"),
        (["show", "../../x"], 1, "no id of a dead letter"),
        (["show", "letters/none/1"], 1, "there is no dead letter letters/none/1"),
        (["requeue"], 2, "name the letters, or --all"),
        (["requeue", "a/b/1", "--all"], 2, "name the letters, or --all"),
        (["requeue", "a/b/1", "a/b/2", "--value", "f"], 2, "--value is for one letter"),
        (["requeue", "letters/none/1", "--value", "/nowhere"], 1, "--value /nowhere: No such file"),
        (["requeue", "letters/none/1", "letters/none/2"], 1, "2 of 2 letters were left"),
        (["discard", "letters/none/1"], 2, "--reason"),
        (["discard", "letters/none/1", "--reason", " "], 1, "needs a reason"),
    ],
)
def test_a_wrong_command_about_dead_letters_is_answered_with_a_code(here, arguments, code, message):
    run = here("dead-letters", *arguments)
    assert (run.returncode, message in run.stderr) == (code, True)


@pytest.mark.parametrize(
    ("arguments", "lines", "changes", "code", "said"),
    [
        (["append", "--stream", "nope"], "{}", {}, 1, "known streams are letters, notes, orders"),
        (["append", "--stream", "notes"], '{"a":1}\nno\n', {}, 1, "line 2: not JSON"),
        (["append", "--stream", "notes"], '{"a":"' + "x" * 950_000 + '"}', {}, 1, "at most 900000"),
        (["append", "--stream", "orders", "--ack", "disk"], "{}", {}, 1, "persistent: true"),
        (["append", "--stream", "notes"], "{}", {"SPOOL_FOLDER": ""}, 1, "SPOOL_FOLDER is not set"),
        (["append", "--stream", "notes"], "{}", {"SPOOL_FOLDER": "/proc/spool"}, 1, "writable local folder"),
        (["ls"], "", {"SPOOL_S3_SECRET_KEY": "wrong"}, 1, "what to do"),
        (["ls"], "", {"SPOOL_S3_BUCKET": "missing-bucket"}, 1, "missing-bucket"),
        (["ls"], "", {"SPOOL_S3_ENDPOINT": "http://127.0.0.1:9"}, 3, "check the endpoint"),
        (["replay", "--seconds", "1"], "", {"SPOOL_KAFKA_BOOTSTRAP": ""}, 1, "SPOOL_KAFKA_BOOTSTRAP"),
        (["cat", "--stream", "notes"], "", {}, 2, "--log"),
    ],
)
def test_wrong_input_is_answered_with_a_code_and_what_to_do(spool, arguments, lines, changes, code, said):
    run = spool(*arguments, lines=lines, **changes)
    assert run.returncode == code, run.stderr
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_help_names_every_verb_and_every_verb_has_help(spool):
    command = [sys.executable, "-m", "spool", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
    for verb in ("append", "ship", "replay", "verify", "rewind", "dead-letters", "ls", "cat", "stats"):
        assert verb in text
        assert "--json" in spool(verb, "--help").stdout
