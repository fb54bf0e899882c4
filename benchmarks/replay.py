"""
S3 to Kafka, exactly once: 2,000,000 events of about 200 bytes, from the first look at the archive to the last commit.

    replay   spool/replay as it is: own process state cold, broker warm; every run into a topic of its own
    peer     Kafka's own ProducerPerformance with transactions of 50 ms, to the same broker in the same run; its clock
             leaves out the start of its JVM, and it reads no S3: a ceiling rather than the same work

Targets: 1,000,000 events/s; above the peer; no batch laid out again; memory of the replayer under 200 MB.
Run: python -m benchmarks.replay [--events N] [--repeats N] [--partitions N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.append import events
from benchmarks.measure import peak_memory_mb, publish, summary
from spool.alarm import LogOnlyAlarms
from spool.intake.client import SpoolClient
from spool.replay.replayer import Replayer
from spool.settings import Places, Settings, StreamSettings
from spool.shipping.shipper import Shipper
from spool.store.s3_store import s3_store_from_places
from stack.services import kafka
from tests.support.private_kafka import TOOLS, KafkaBroker
from tests.support.seaweed import Seaweed

STREAM = "bench"
APPEND = 10_000


def settings(topic: str, partitions: int) -> Settings:
    stream = StreamSettings(name=STREAM, topic=topic, partitions=partitions, acknowledgement="disk", persistent=True)
    return Settings("spool", "checkpoints", 2, "deliveries", 1, {STREAM: stream})


def fill(places: Places, total: int, partitions: int) -> None:
    """Append and ship, with distinct payloads and 5,000 keys."""
    made = settings("unused", partitions)
    with SpoolClient(places.folder, made) as client:
        for _ in range(total // APPEND):
            client.append(STREAM, events(APPEND))
    Shipper(places.folder, made, s3_store_from_places(places), LogOnlyAlarms()).ship_once()


def drain(places: Places, topic: str, partitions: int, answer: Any) -> None:
    """One replay in a process of its own, so that its memory is its own."""
    made = settings(topic, partitions)
    before = peak_memory_mb()
    started = time.perf_counter()
    replayer = Replayer(made, made.stream(STREAM), s3_store_from_places(places), places.kafka or {})
    done = replayer.drain()
    seconds = time.perf_counter() - started
    answer.put(
        (done.events / seconds, done.events, done.transactions, done.batches_laid_out_anew, peak_memory_mb(), before)
    )


def replay_once(places: Places, topic: str, partitions: int) -> tuple[float, int, int, int, float, float]:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=drain, args=(places, topic, partitions, answer))
    process.start()
    found: tuple[float, int, int, int, float, float] = answer.get(timeout=300)
    process.join()
    return found


def peer_once(broker: KafkaBroker, topic: str, total: int) -> float:
    """Records a second, as ProducerPerformance prints them."""
    command = kafka.java(
        TOOLS, "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(total),
        "--record-size", "200", "--throughput", "-1", "--transactional-id", f"peer-{topic}",
        "--transaction-duration-ms", "50", "--producer-props", f"bootstrap.servers={broker.bootstrap}", "acks=all",
        "batch.size=262144", "linger.ms=5", heap="1g", jvm=("-XX:+UseG1GC",),
    )  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    rates = re.findall(r"([\d.]+) records/sec", run.stdout)
    return float(rates[-1])


def make_topic(broker: KafkaBroker, topic: str, partitions: int) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, partitions)])[topic].result(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        (folder / "s3").mkdir()
        with Seaweed(folder / "s3") as store, KafkaBroker(folder, heap="1g", quick=False) as broker:
            known = store.places(store.bucket())
            places = Places(
                folder / "spool", known.s3_bucket, known.s3_endpoint, known.s3_region, known.s3_access_key,
                known.s3_secret_key, {"bootstrap.servers": broker.bootstrap},
            )  # fmt: skip
            fill(places, options.events, options.partitions)
            replay_once(places, "warm", options.partitions)
            ours, theirs = [], []
            for number in range(options.repeats):
                ours.append(replay_once(places, f"ours{number}", options.partitions))
                make_topic(broker, f"peer{number}", options.partitions)
                theirs.append(peer_once(broker, f"peer{number}", options.events))
    rates = summary([run[0] for run in ours])
    peers = summary(theirs)
    publish(
        "replay",
        {
            "events": ours[0][1],
            "partitions": options.partitions,
            "transactions": ours[0][2],
            "batches_laid_out_anew": sum(run[3] for run in ours),
            "replay_events_per_s": rates | {"target": 1_000_000},
            "producer_performance_events_per_s": peers,
            "ratio_to_peer": round(rates["median"] / peers["median"], 2),
            "peak_memory_mb": round(max(run[4] for run in ours)),
            "memory_target_mb": 200,
        },
    )


if __name__ == "__main__":
    main()
