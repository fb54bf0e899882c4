"""
A private Kafka broker for tests, torture and benchmarks: free ports, a folder of its own, gone with its parent.

    with KafkaBroker(tmp_path) as broker:
        broker.bootstrap; broker.kill(); broker.start()
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from types import TracebackType

from stack.place import REPOSITORY
from stack.probes import kafka_brokers
from stack.services import kafka
from tests.support import ports
from tests.support.server_process import end_server, start_server, wait_until_ready

TOOLS = REPOSITORY / ".tools"
# After kill -9 a broker is refused until its old session ends.
QUICK_RESTART = {"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "200"}


class KafkaBroker:
    """Starts with `start` or `with`; `kill` is SIGKILL, `stop` is clean; the data stays until the folder goes."""

    def __init__(
        self, folder: Path, *, settings: dict[str, str] | None = None, heap: str = "384m", quick: bool = True
    ) -> None:
        self._folder = folder / "kafka"
        self._settings = QUICK_RESTART | (settings or {})
        self._heap = heap
        self._jvm = kafka.QUICK_JVM if quick else ("-XX:+UseG1GC",)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = ports.reserve(ports.KAFKA, (0, 1))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        path = self._folder / "log"
        return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""

    def start(self) -> None:
        """Returns when the broker answers; RuntimeError with the end of its log otherwise."""
        kafka.prepare(TOOLS, self._folder, self.port, self.port + 1, self._settings)
        command = kafka.java(
            TOOLS, "kafka.Kafka", str(self._folder / "server.properties"), heap=self._heap, jvm=self._jvm
        )
        log = self._folder / "log"
        self._process = start_server(command, log)
        wait_until_ready(self._process, lambda: kafka_brokers(self.port) >= 1, log)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            end_server(self._process, number)
            self._process = None

    def __enter__(self) -> KafkaBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
