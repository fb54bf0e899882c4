"""
One stream with a log, an archive in a folder and a topic of its own on a real broker: what replay tests begin with.

The archive is a FolderStore, so that a process can be killed and another go on. Every world has names of its own:
worlds share a broker without seeing one another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from spool.audit.verify import verify
from spool.audit.verify_report import VerifyReport, VerifyRow
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader
from spool.replay.replayer import Replayer
from spool.replay.rewind import RewindPlan, rewind
from spool.settings import Settings, StreamSettings
from spool.shipping.shipper import Shipper
from stack.place import REPOSITORY
from tests.fakes.folder_store import FolderStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.torture.checker import Seen, read_topic

# Generous: a busy machine needs ten times as long as a quiet one. Where a transaction has to end, a test sets its own.
TRANSACTION_TIMEOUT_S = 60.0


class World:
    """`append`, `ship`, `drain`, then look: `seen` by a consumer of its own, `verified` by the engine."""

    def __init__(
        self, folder: Path, bootstrap: str, name: str = "", *, partitions: int = 3,
        transaction_timeout_s: float = TRANSACTION_TIMEOUT_S,
    ) -> None:  # fmt: skip
        self.transaction_timeout_s = transaction_timeout_s
        self.name = name or f"w{uuid.uuid4().hex[:8]}"
        self.folder, self.bootstrap = folder, bootstrap
        self.kafka = {"bootstrap.servers": bootstrap}
        self.stream = StreamSettings(
            self.name, self.name, partitions, "disk", True, seal_bytes=1 << 20, seal_age_s=3600.0
        )
        self.settings = Settings(
            "spool", f"{self.name}_checkpoints", 2, f"{self.name}_deliveries", 7, {self.name: self.stream}
        )
        self.store = FolderStore(folder / "store")
        self.alarms = RecordedAlarms()
        self.admin = AdminClient(self.kafka)
        self.spool_folder = folder / "spool"

    def append(self, number: int, *, group: int = 0, start: int = 0, pad: int = 0) -> str:
        """`number` events with 7 keys, numbered from `start`; the last `group` of them as one group. The log's id."""
        events = [
            Event(json.dumps({"key": f"k{n % 7}", "sequence": n, "pad": "x" * pad}).encode(), key=b"k%d" % (n % 7))
            for n in range(start, start + number)
        ]
        with SpoolClient(self.spool_folder, self.settings, alarms=self.alarms) as client:
            log = ""
            if number > group:
                log = client.append(self.name, events[: number - group]).log
            if group:
                log = client.append_group(self.name, events[number - group :]).log
        return log

    def ship(self) -> None:
        """Seal what there is and ship it: one segment more."""
        Shipper(self.spool_folder, self.settings, self.store, self.alarms).ship_once()

    def segments(self, sizes: list[int], **options: int) -> str:
        """One archived segment for each size."""
        log, start = "", 0
        for size in sizes:
            log = self.append(size, start=start, **options)
            self.ship()
            start += size
        return log

    def replayer(self, instance: str = "test") -> Replayer:
        return Replayer(
            self.settings, self.stream, self.store, self.kafka, self.alarms,
            instance=instance, transaction_timeout_s=self.transaction_timeout_s,
        )  # fmt: skip

    def drain(self, **options: Any) -> Any:
        return self.replayer().drain(**options)

    def drain_in_child(self, failpoints: str = "", instance: str = "test") -> subprocess.Popen[bytes]:
        """A replayer in a process of its own, with failpoints armed."""
        environment = {**os.environ, "SPOOL_FAILPOINTS": failpoints, "PYTHONPATH": str(REPOSITORY)}
        command = [
            sys.executable, "-m", "tests.support.replay_world", str(self.folder), self.bootstrap, self.name,
            str(self.stream.partitions), instance, str(self.transaction_timeout_s),
        ]  # fmt: skip
        with (self.folder / "child.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, cwd=REPOSITORY, stderr=log, stdout=log)

    def rewind(self, log: str, to_segment: int) -> RewindPlan:
        return rewind(
            self.settings, self.stream, self.store, self.kafka, self.alarms,
            log=log, to_segment=to_segment, reason="a test", who="tester",
        )  # fmt: skip

    def checkpoint(self, log: str) -> Checkpoint | None:
        reader = CheckpointReader(self.kafka, self.settings.checkpoint_topic, 2, timeout_s=20)
        return reader.read(CheckpointKey(self.name, self.name, log))

    def seen(self) -> list[Seen]:
        return read_topic(self.bootstrap, self.name)

    def sequences(self) -> list[int]:
        """The numbers of all delivered events, sorted."""
        return sorted(json.loads(s.payload)["sequence"] for s in self.seen())

    def verified(self, *, full: bool = True) -> VerifyReport:
        return verify(self.settings, self.stream, self.store, self.kafka, full=full, alarms=self.alarms)

    def row(self, *, full: bool = True) -> VerifyRow:
        """The only log's row."""
        [row] = self.verified(full=full).rows
        return row

    def make_topic(self, partitions: int = 3, **config: str) -> None:
        """The target, before replay would make it; `max_message_bytes` stands for max.message.bytes."""
        named = {"message.timestamp.type": "LogAppendTime"} | {
            key.replace("_", "."): value for key, value in config.items()
        }
        self.admin.create_topics([NewTopic(self.name, partitions, config=named)])[self.name].result(20)

    def delete_topic(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result(20)
        while name in self.admin.list_topics(timeout=240).topics:
            pass


def assert_whole(world: World, number: int, *, along_after: bool = False) -> None:
    """Events 0 to `number` - 1, each once, in order per key and partition, groups whole; and the engine agrees."""
    assert world.sequences() == list(range(number))
    newest: dict[tuple[str, str, int], int] = {}
    for seen in world.seen():
        document = json.loads(seen.payload)
        # Between logs order holds only along `after` (rule 28).
        lane = ("" if along_after else seen.log, document["key"], seen.partition)
        assert document["sequence"] > newest.get(lane, -1)
        newest[lane] = document["sequence"]
    for full in (True, False):
        report = world.verified(full=full)
        assert report.is_green, report.rows
        assert sum(row.delivered for row in report.rows) == number


def wait_until_stopped(process: subprocess.Popen[bytes]) -> None:
    """Until the child has stopped itself at a failpoint."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"ended with {status}"


def go_on(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)


def main() -> None:
    folder, bootstrap, name, partitions, instance, timeout_s = sys.argv[1:]
    world = World(Path(folder), bootstrap, name, partitions=int(partitions), transaction_timeout_s=float(timeout_s))
    world.replayer(instance).drain()


if __name__ == "__main__":
    main()
