"""
Kafka: one node, broker and controller, from the jars that Maven Central publishes.

The settings that differ from Kafka's defaults, and why, stand in `settings`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from stack.credentials import cluster_id
from stack.place import HOST, Place, StackProblem
from stack.probes import kafka_brokers
from stack.service import Service

HERE = Path(__file__).resolve().parent.parent / "kafka"
# A small compiler and collector: the broker is one of a dozen processes on two cores.
QUICK_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-XX:-UsePerfData")


def service(place: Place) -> Service:
    port, folder = place.port("kafka"), place.path("kafka")
    return Service(
        name="kafka",
        command=java(place.tools, "kafka.Kafka", str(folder / "server.properties")),
        prepare=lambda: prepare(place.tools, folder, port, place.port("kafka_controller")),
        ready=lambda: kafka_brokers(port) > 0,
        ports=(port, place.port("kafka_controller")),
        stop_wait_s=30,
    )


def settings(folder: Path, port: int, controller_port: int, more: Mapping[str, str]) -> dict[str, str]:
    """server.properties of a single node."""
    single = {
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
    }
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        # A mistyped topic must fail, not appear.
        "auto.create.topics.enable": "false",
        **single,
        "group.initial.rebalance.delay.ms": "0",
        # After kill -9 a broker is refused until its old session ends: this is the time of a restart.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Transactions that timed out are ended within a second, not ten.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "8388608",
        "log.cleaner.threads": "1",
        **more,
    }


def java(tools: Path, main: str, *arguments: str, heap: str = "384m", jvm: tuple[str, ...] = QUICK_JVM) -> list[str]:
    """The command of one of Kafka's programs."""
    return [
        "java", f"-Xms{heap}", f"-Xmx{heap}", *jvm, "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{tools / 'kafka' / 'lib'}/*",
        main, *arguments,
    ]  # fmt: skip


def prepare(tools: Path, folder: Path, port: int, controller_port: int, more: Mapping[str, str] | None = None) -> None:
    """Jars, configuration, and a formatted data folder if there is none."""
    fetch(tools)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}={value}" for key, value in settings(folder, port, controller_port, more or {}).items()]
    (folder / "server.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not (folder / "data" / "meta.properties").exists():
        command = java(
            tools, "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(folder / "server.properties")
        )
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise StackProblem(f"Kafka's folder could not be formatted: {run.stdout}{run.stderr}")


def fetch(tools: Path) -> None:
    """The jars, once; again when pom.xml changed."""
    # Maven takes a relative folder for one beside the pom.
    lib, mark = tools.resolve() / "kafka" / "lib", tools / "kafka" / ".complete"
    wanted = (HERE / "pom.xml").read_bytes()
    if mark.exists() and mark.read_bytes() == wanted and _is_there(lib):
        return
    lib.mkdir(parents=True, exist_ok=True)
    for old in lib.glob("*.jar"):
        old.unlink()
    command = [
        "mvn", "-q", "-B", "-ntp", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={lib}",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode or not _is_there(lib):
        raise StackProblem(
            f"Kafka's jars could not be fetched:\n{(run.stdout + run.stderr)[-800:]}",
            "Maven Central, or a mirror in ~/.m2/settings.xml, must be reachable once",
        )
    mark.write_bytes(wanted)


def _is_there(lib: Path) -> bool:
    return any(lib.glob("kafka_2.13-*.jar"))
