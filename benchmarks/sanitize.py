"""
How fast reports are sanitized on one core, with what equality, and in how much memory.

    web_pages       entries of http_requests with two pages each, 8% of them binary: target 30 MB/s of processor time
    connections     entries of tcp_connect, 60 bytes each
    lookups         entries of dns_consistency, nested lists, 1 kB each
    bridges         entries of bridge_reachability, each rewritten
    ...parsed       the same with every document given to the parser; the output is compared with it, byte for byte
    csafeloader     PyYAML's C loader alone over the documents of web_pages, nothing else done
    run             the command line over `web_pages`: sandbox, archive, hashes, moves; wall time and processor time
    memory_mb       largest resident sizes of the run's two processes over 200 MB, and over the largest documents

Speeds are MB of YAML per second of processor time. Run: python -m benchmarks.sanitize [--megabytes N] [--repeats N]
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import publish, summary
from include.measurements import batch_manifest
from include.measurements.sanitize import config
from include.measurements.sanitize.bridge_map import BridgeMap, parse_map
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.outline import Outlines
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.rules import Rules
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.slicing import slices
from include.measurements.sanitize.verdict import Verdict
from include.measurements.sanitize.yaml_document import DocumentLimits

SETTINGS = config.load()
WORDS = [
    "content", '<div class="x">', "</div>", "Über", "naïve", "function(){return [1,2];}", "\n", "\t", "日本",
    "&amp;",
]  # fmt: skip
WORDS += [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "for",
    "on",
    "that",
    "by",
    "this",
    "with",
    "you",
    "it",
    "not",
    "or",
    "be",
    "are",
]
WORDS += ["from", "at", "as", "your", "all", "have", "new", "more"]
WORDS += ["http://example.org/a/b?c=d", "server", "alpha", "der", "die", "text", "It's", "12.50", "2014-08-07", "a::b"]
Entry = Callable[[random.Random, int], dict[str, Any]]


def web_page(rng: random.Random, number: int) -> dict[str, Any]:
    headers = ["Content-Type", "Date", "Server", "X-Cache", "Vary", "Set-Cookie"]
    requests = []
    for is_tor in (False, True):
        text = " ".join(rng.choices(WORDS, k=rng.randrange(80, 1500)))
        body: str | bytes = text if rng.random() < 0.92 else rng.randbytes(3000)
        answered = [[name, [f"{name} value {rng.randrange(99)}"]] for name in rng.sample(headers, rng.randrange(2, 6))]
        request = {
            "body": None,
            "headers": [["User-Agent", ["Mozilla/5.0"]]],
            "method": "GET",
            "tor": {"is_tor": is_tor},
        }
        requests.append({"request": request, "response": {"body": body, "code": 200, "headers": answered}})
    return {
        "agent": "agent",
        "body_length_match": rng.random() < 0.5,
        "body_proportion": rng.random(),
        "control_failure": None,
        "headers_diff": {"Date", "ETag"},
        "input": f"http://site{number}.example.org/",
        "requests": requests,
    }


def connection(rng: random.Random, number: int) -> dict[str, Any]:
    return {"connection": rng.choice(["success", "connect_error"]), "input": f"site{number}.example.org:80\n"}


def lookup(rng: random.Random, number: int) -> dict[str, Any]:
    resolvers = [f"{rng.randrange(11, 200)}.{rng.randrange(256)}.8.{rng.randrange(256)}" for _ in range(3)]
    queries = [
        {"addrs": [f"10.{number % 256}.0.{n}"], "answers": [[f"<RR name=site{number} type=A class=IN ttl={n}s>"]],
         "query": f"[Query('site{number}.example.org', 1, 1)]", "query_type": "A", "resolver": [resolver, 53]}
        for n, resolver in enumerate(resolvers)
    ]  # fmt: skip
    return {"control_resolver": "10.0.0.1:57004", "input": f"site{number}.example.org", "queries": queries}


def bridge(rng: random.Random, number: int) -> dict[str, Any]:
    address, fingerprint = BRIDGES[number % len(BRIDGES)]
    log = f"[notice] Learned fingerprint {fingerprint} for bridge {address} (with transport 'obfs3').\n" * 5
    return {"bridge_address": address, "input": f"obfs3 {address} {fingerprint}", "success": True, "tor_log": log}


BRIDGES = [(f"83.{n % 200}.{n // 200}.7:443", f"{n * 7919 + 1:040X}") for n in range(3000)]
KINDS: dict[str, tuple[str, Entry]] = {
    "web_pages": ("http_requests", web_page),
    "connections": ("tcp_connect", connection),
    "lookups": ("dns_consistency", lookup),
    "bridges": ("bridge_reachability", bridge),
}


class _Dumper(yaml.CSafeDumper):
    """As ooniprobe writes: leaves in flow style, everything else in blocks."""


def report(test: str, entry: Entry, size_bytes: int) -> bytes:
    rng = random.Random(1)
    made = io.BytesIO()
    made.write(f"---\nprobe_asn: AS3\nprobe_cc: IT\nprobe_ip: 127.0.0.1\ntest_name: {test}\n...\n".encode())
    number = 0
    while made.tell() < size_bytes:
        text: bytes = yaml.dump(
            entry(rng, number), Dumper=_Dumper, encoding="utf-8", default_flow_style=None, explicit_start=True,
            explicit_end=True,
        )  # fmt: skip
        made.write(text)
        number += 1
    return made.getvalue()


def bridge_map() -> bytes:
    return json.dumps({address: {"fingerprint": fingerprint} for address, fingerprint in BRIDGES}).encode()


def sanitize(content: bytes, bridges: BridgeMap, secrets: Secrets) -> tuple[float, bytes, Verdict]:
    target = io.BytesIO()
    reading = Reading(SETTINGS.document_bytes_max, DocumentLimits(SETTINGS.depth_max, SETTINGS.nodes_max))
    rules, tests = Rules(ReportSecrets(bridges, secrets, "hold")), KnownTests(SETTINGS.tests)
    started = time.process_time()
    verdict = sanitize_report(io.BytesIO(content), target, "c/b/x", rules, tests, reading)
    seconds = time.process_time() - started
    assert (verdict.outcome, verdict.bad) == ("sanitized", 0), verdict
    return seconds, target.getvalue(), verdict


def sanitize_parsed(content: bytes, bridges: BridgeMap, secrets: Secrets) -> tuple[float, bytes, Verdict]:
    knows = Outlines.knows
    Outlines.knows = lambda self, outline: False  # type: ignore[method-assign]
    try:
        return sanitize(content, bridges, secrets)
    finally:
        Outlines.knows = knows  # type: ignore[method-assign]


def measure_kind(test: str, entry: Entry, size_bytes: int, repeats: int) -> dict[str, Any]:
    content = report(test, entry, size_bytes)
    bridges = parse_map(bridge_map())
    secrets = Secrets.of(bridges)
    megabytes = len(content) / 1e6
    runs = [megabytes / sanitize(content, bridges, secrets)[0] for _ in range(repeats)]
    # Parsing everything takes long; the first megabytes show as much.
    part = content[: content.index(b"\n---", min(len(content) - 1000, 2_000_000)) + 1]
    seconds, reference, _ = sanitize_parsed(part, bridges, secrets)
    _, output, verdict = sanitize(part, bridges, secrets)
    result = {"mb_s": summary(runs), "parsed_mb_s": round(len(part) / 1e6 / seconds, 1)}
    return result | {"output_equals_parsed": output == reference, "documents": verdict.documents}


def csafeloader(content: bytes) -> float:
    documents = [piece.content for piece in slices(io.BytesIO(content), 10**9)]
    started = time.process_time()
    for document in documents:
        yaml.load(document, Loader=yaml.CSafeLoader)
    return round(len(content) / 1e6 / (time.process_time() - started), 1)


def run(folder: Path, chunks: Iterator[bytes]) -> dict[str, Any]:
    """The command line over one report; peaks are those that /proc reports for it and its children."""
    batch = folder / "raw" / "bench" / "b"
    batch.mkdir(parents=True)
    with (batch / "x").open("wb") as file:
        file.writelines(chunks)
    size_mb = (batch / "x").stat().st_size / 1e6
    batch.with_name("b.manifest").write_text(batch_manifest.encode(batch_manifest.hashed(batch)))
    (folder / "bridges.json").write_bytes(bridge_map())
    command = [sys.executable, "-m", "include.measurements.sanitize", "run", "--json", "--state", str(folder)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--bridges", str(folder / "bridges.json")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    peaks: dict[str, float] = {}
    seconds: dict[int, float] = {}
    while process.poll() is None:
        for pid in (process.pid, *_descendants(process.pid)):
            _note(pid, process.pid, peaks, seconds)
        time.sleep(0.02)
    wall_s = time.perf_counter() - started
    assert process.stdout is not None
    told = json.loads(process.stdout.read())
    process.stdout.close()
    return {
        "megabytes": round(size_mb, 1),
        "status": told["status"],
        "bad": told["bad"],
        "wall_s": round(wall_s, 2),
        "processor_s": round(sum(seconds.values()), 2),
        "mb_s_of_wall": round(size_mb / wall_s, 1),
        "memory_mb": {name: round(peak) for name, peak in peaks.items()},
    }


def _note(pid: int, first: int, peaks: dict[str, float], seconds: dict[int, float]) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    if peak is None or (pid != first and "python" not in status.splitlines()[0]):
        return
    name = "outside" if pid == first else "sandbox"
    peaks[name] = max(peaks.get(name, 0), int(peak[1]) / 1024)
    seconds[pid] = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [below for child in children for below in _descendants(child)]


def largest_documents() -> dict[str, Callable[[], Iterator[bytes]]]:
    head = b"---\ntest_name: http_requests\n...\n---\n"
    text = b"lorem ipsum "
    return {
        "a 16 MB text": lambda: iter([head, b'a: "', text * 1_300_000, b'"\n...\n']),
        "a 16 MB text to rewrite": lambda: iter([head, b'a: "83.0.0.7 ', text * 1_300_000, b'"\n...\n']),
        "a 15 MB text outside the BMP": lambda: iter([head, b'a: "', b"\\U0001F600" * 1_500_000, b'"\n...\n']),
        "a 15 MB byte string": lambda: iter([head, b"a: !!binary |\n", _base64_lines(), b"...\n"]),
        "98,000 nodes to rewrite": lambda: iter([head, *(b"k%d: 83.0.0.7\n" % n for n in range(49_000)), b"...\n"]),
        "a line of 300 MB": lambda: iter([head, b"a: b\n...\n---\na: ", *[b"x" * 10**6] * 300, b"\n...\n"]),
    }


def _base64_lines() -> bytes:
    line = b"  " + base64.b64encode(bytes(range(57))) + b"\n"
    return line * (15_000_000 // len(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, Any] = {"target_mb_s": 30, "target_memory_mb": 150}
    for name, (test, entry) in KINDS.items():
        results[name] = measure_kind(test, entry, options.megabytes * 10**6, options.repeats)
    pages = report("http_requests", web_page, options.megabytes * 10**6)
    results["csafeloader_mb_s"] = csafeloader(pages)
    header, _, entries = pages.partition(b"...\n")
    repeated = max(1, 200 // options.megabytes)
    memory: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        results["run"] = run(Path(name, "run"), iter([header, b"...\n", *[entries] * repeated]))
        for number, (what, made) in enumerate(largest_documents().items()):
            done = run(Path(name, str(number)), made())
            memory[what] = done["memory_mb"] | {"status": done["status"], "bad": done["bad"]}
    results["largest_documents_memory_mb"] = memory
    publish("sanitize", results)


if __name__ == "__main__":
    main()
