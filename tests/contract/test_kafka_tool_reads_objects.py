"""Kafka's own DumpLogSegments reads an archived segment: nobody needs this program to get at the events."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost

pytestmark = [pytest.mark.contract, pytest.mark.stack]

KAFKA_LIB = Path(__file__).parents[2] / ".tools" / "kafka" / "lib"


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the tool prints of an object with a group, keys, no keys and a large event."""
    if not KAFKA_LIB.is_dir() or not shutil.which("java"):
        pytest.skip("Kafka's jars are not here: `make setup` fetches them")
    folder = tmp_path_factory.mktemp("dump")
    store = MemoryStore()
    host = SpoolHost(folder / "spool", store)
    host.append("g1", "g2", "g3", group=True)
    host.append(*(f"event number {n} with some text that can be compressed" for n in range(50)))
    host.append("x" * 400_000)
    host.ship()
    (key,) = [key for key in store.objects if key.endswith(".seg")]
    copy = folder / f"{0:020d}.log"
    copy.write_bytes(store.objects[key].body)
    done = subprocess.run(
        ["java", "-cp", f"{KAFKA_LIB}/*", "org.apache.kafka.tools.DumpLogSegments", "--files", str(copy),
         "--print-data-log", "--deep-iteration"],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    return done.stdout


def test_every_batch_is_valid_to_the_tool(dump: str) -> None:
    batches = [line for line in dump.splitlines() if line.startswith("baseOffset:")]
    assert len(batches) >= 4
    assert all("isvalid: true" in line for line in batches)
    data, footer = batches[:-1], batches[-1]
    assert all("isTransactional: true" in line and "compresscodec: zstd" in line for line in data)
    assert "isControl: true" in footer


def test_every_event_is_printed_with_its_headers(dump: str) -> None:
    for number in range(50):
        assert f"payload: event number {number} with" in dump
    for value in ("g1", "g2", "g3", "x" * 400_000):
        assert f"payload: {value}\n" in dump
    assert dump.count("headerKeys: [ce_id,ce_source,ce_specversion,ce_time,ce_type,spool]") == 54


def test_the_tool_stops_before_the_trailer(dump: str) -> None:
    assert "Found 16 invalid bytes at the end" in dump
