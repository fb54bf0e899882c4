"""
Random SIGKILLs of everything, under load, on real Kafka and S3; then nothing may be lost, doubled or out of order.

    python -m tests.torture --kills 200 [--seed N] [--publish]

Victims: two producers on one log, the shipper, the replayer, the broker; each is started again after a moment. At the
end the producers stop, the rest drains, and the checker (which shares no code with the engine) counts.
`--publish` keeps the result as docs/torture.md.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from stack.place import REPOSITORY
from tests.support.private_kafka import KafkaBroker
from tests.support.seaweed import Seaweed
from tests.support.server_process import start_server
from tests.support.waiting import until
from tests.torture.checker import Verdict, accepted_so_far, judge, read_topic

STREAM = TOPIC = "torture"
CONFIG = f"""version: 1
root: spool
checkpoint_topic: spool_checkpoints
checkpoint_partitions: 2
deliveries_topic: spool_deliveries
deliveries_retention_days: 7
streams:
  {STREAM}:
    {{topic: {TOPIC}, partitions: 3, acknowledgement: disk, persistent: true, seal_bytes: 1048576, seal_age_s: 0.5}}
"""
WEIGHTS = {"producer-1": 3, "producer-2": 3, "shipper": 3, "replayer": 3, "broker": 1}
DRAIN_S = 180.0


class Victim:
    """A process that is killed and started again."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self._command, self._environment, self._log = name, command, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = start_server(self._command, self._log, env=self._environment)

    def kill(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            text = self._log.read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{self.name} had ended by itself with {self._process.returncode}: {text}")
        self._process.kill()
        self._process.wait()


class Broker:
    """The broker as a victim."""

    name = "broker"

    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker

    def start(self) -> None:
        self._broker.start()

    def kill(self) -> None:
        self._broker.kill()


def torture(
    kills: int, seed: int, folder: Path, say: Callable[[str], None], *, at_least: int = 0
) -> tuple[Verdict, Counter[str]]:
    """Run one series, until `at_least` events are accepted too; the verdict and how often each victim died."""
    choice = random.Random(seed)
    (folder / "spool.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "s3").mkdir()
    with Seaweed(folder / "s3") as store, KafkaBroker(folder) as broker:
        environment = _environment(folder, store, broker)
        victims = _victims(folder, environment, broker, choice)
        for victim in victims.values():
            if not isinstance(victim, Broker):
                victim.start()
        died = _kill_at_random(kills, victims, choice, say)
        journals = [folder / f"producer-{number}.journal" for number in (1, 2)]
        until(lambda: accepted_so_far(journals) >= at_least, f"{at_least} events are accepted", every_s=0.2)
        for name in ("producer-1", "producer-2"):
            victims[name].kill()
        for name in ("shipper", "replayer"):
            victims[name].kill()
        say("draining")
        _spool(environment, "ship")
        _spool(environment, "replay", "--instance", "torture", "--seconds", str(DRAIN_S))
        _spool(environment, "verify", "--full")
        verdict = judge(journals, read_topic(broker.bootstrap, TOPIC))
    return verdict, died


def _environment(folder: Path, store: Seaweed, broker: KafkaBroker) -> dict[str, str]:
    places = store.places(store.bucket())
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SPOOL_", "AIRFLOW"))},
        "PYTHONPATH": str(REPOSITORY),
        "TORTURE_CONFIG": str(folder / "spool.yml"),
        "SPOOL_FOLDER": str(folder / "spool"),
        "SPOOL_S3_BUCKET": places.s3_bucket,
        "SPOOL_S3_ENDPOINT": places.s3_endpoint,
        "SPOOL_S3_ACCESS_KEY": places.s3_access_key,
        "SPOOL_S3_SECRET_KEY": places.s3_secret_key,
        "SPOOL_KAFKA_BOOTSTRAP": broker.bootstrap,
    }


def _victims(
    folder: Path, environment: dict[str, str], broker: KafkaBroker, choice: random.Random
) -> dict[str, Victim | Broker]:
    spool = [sys.executable, "-m", "spool"]
    config = ["--config", str(folder / "spool.yml")]
    commands = {
        f"producer-{n}": [
            sys.executable, "-m", "tests.torture.producer", "--name", f"p{n}", "--stream", STREAM,
            "--journal", str(folder / f"producer-{n}.journal"), "--seed", str(choice.randrange(2**31)),
        ]
        for n in (1, 2)
    }  # fmt: skip
    commands["shipper"] = [*spool, "ship", "--follow", *config]
    commands["replayer"] = [*spool, "replay", "--follow", "--stream", STREAM, "--instance", "torture", *config]
    made: dict[str, Victim | Broker] = {
        name: Victim(name, command, environment, folder / f"{name}.log") for name, command in commands.items()
    }
    return made | {"broker": Broker(broker)}


def _kill_at_random(
    kills: int, victims: dict[str, Victim | Broker], choice: random.Random, say: Callable[[str], None]
) -> Counter[str]:
    died: Counter[str] = Counter()
    time.sleep(2)
    for number in range(1, kills + 1):
        name = choice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        victims[name].kill()
        died[name] += 1
        time.sleep(choice.uniform(0, 0.3))
        victims[name].start()
        # Long enough that a process comes past its start, short enough that it often does not come far.
        time.sleep(choice.uniform(0.2, 1.8))
        if number % 20 == 0:
            say(f"{number} kills: {dict(died)}")
    return died


def _spool(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "spool", *arguments, "--config", environment["TORTURE_CONFIG"]]
    run = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(
            f"spool {arguments[0]} ended with {run.returncode}: {run.stdout[-1500:]}{run.stderr[-1500:]}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--publish", action="store_true", help="write docs/torture.md")
    options = parser.parse_args()
    started = time.monotonic()
    print(f"seed {options.seed}, {options.kills} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        verdict, died = torture(options.kills, options.seed, Path(folder), lambda text: print(f"  {text}", flush=True))
    lines = _report(options.seed, died, verdict, time.monotonic() - started)
    print("\n".join(lines))
    if options.publish:
        (REPOSITORY / "docs" / "torture.md").write_text(
            "\n".join(["# Torture: the last run", "", *lines, ""]), encoding="utf-8"
        )
    return 0 if verdict.clean else 1


def _report(seed: int, died: Counter[str], verdict: Verdict, seconds: float) -> list[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=REPOSITORY
    ).stdout.strip()
    rows = [("what", "count"), ("---", "---:"), *((f"SIGKILL of {name}", n) for name, n in sorted(died.items()))]
    rows += [(name.replace("_", " "), value) for name, value in verdict._asdict().items()]
    table = [f"| {name} | {value} |" for name, value in rows]
    head = f"`make torture`, {datetime.now(UTC).date()}, commit {commit}, seed {seed}, {seconds:.0f} s."
    return [
        head, "",
        "Accepted: positions that a producer was answered. Attempted may be more: a killed append has no answer.",
        "", *table,
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
