"""The command line against real neighbours: a day in the life of a stream, and wrong input with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.place import REPOSITORY
from tests.support.seaweed import Seaweed

CONFIG = """version: 1
root: spool
checkpoint_topic: cli_checkpoints
checkpoint_partitions: 1
deliveries_topic: cli_deliveries
deliveries_retention_days: 1
streams:
  orders: {topic: cli_orders, partitions: 2}
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


@pytest.mark.parametrize(
    ("arguments", "lines", "changes", "code", "said"),
    [
        (["append", "--stream", "nope"], "{}", {}, 1, "known streams are notes, orders"),
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
    for verb in ("append", "ship", "replay", "verify", "rewind", "ls", "cat", "stats"):
        assert verb in text
        assert "--json" in spool(verb, "--help").stdout
